"""How well the demo's knowledge base is searched: `python -m benchmarks.knowledge [--seeds N] [--model DIR]`.

The right article first, and in the first three, on the held-out questions: by words and meaning together, by meaning
alone, by words alone. Each is learnt anew from the articles' own questions; the held-out ones are read after that.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np

from benchmarks.demo import DATA
from nlu.data.reader import read_training_data
from nlu.data.table import read_questions
from nlu.load import load_model
from nlu.retriever import LEXICAL, SIGNALS, Retriever, passage_texts, question_texts
from nlu.training.fusion import Floats, Integers, learnt
from nlu.training.options import TrainingOptions
from nlu.training.shelve import Lines, QuestionReader, articles_of, lines_of, taught
from nlu.training.train import train
from nlu.understand import Model

MODES = {
    "words and meaning": SIGNALS,
    "meaning alone": tuple(name for name in SIGNALS if name not in LEXICAL),
    "words alone": LEXICAL,
}


class Searched:
    """Signals of the articles' own questions, each as if new, and of the held-out ones."""

    def __init__(self, model: Model) -> None:
        assert isinstance(model.retriever, Retriever)
        articles, vectors = model.retriever.articles, model.retriever.vectors
        reader = QuestionReader(model.engine, model.reader, model.judge)
        examples = read_training_data(DATA).examples
        rows = lines_of(articles, examples)
        lines = Lines(reader.read([examples[row].text for row in rows]), [examples[row].family for row in rows])
        passages = reader.read(passage_texts(articles)).points
        questions = replace(reader.read(question_texts(articles)), embeddings=vectors.questions)
        retriever, self._own = taught(articles, vectors, passages, questions, lines)
        self._articles, names = articles_of(articles), [article.id for article in articles]
        pairs = read_questions(DATA / "test" / "knowledge.csv")
        held_out = reader.read([question for question, _ in pairs])
        self._held_out = retriever.signals(retriever.near(held_out), held_out.likely)
        self._right = np.array([names.index(article) for _, article in pairs])

    def figures(self, used: tuple[str, ...]) -> dict[str, float]:
        fusion = learnt(self._own, self._articles, self._own[:0], used)
        return {
            **_ranks("left out", fusion.joined(self._own), self._articles),
            **_ranks("held out", fusion.joined(self._held_out), self._right),
        }


def _ranks(what: str, joined: Floats, right: Integers) -> dict[str, float]:
    best = np.argsort(-joined, 1, kind="stable")[:, :3] == right[:, None]
    return {f"{what}, first": float(best[:, 0].mean()), f"{what}, in three": float(best.any(1).mean())}


def searched(directory: Path) -> dict[str, dict[str, float]]:
    found = Searched(load_model(directory, device="cpu"))
    return {mode: found.figures(used) for mode, used in MODES.items()}


def _models(chosen: argparse.Namespace, scratch: Path) -> list[Path]:
    if chosen.model:
        return [chosen.model]
    for seed in range(chosen.seeds):
        train(DATA, scratch / str(seed), TrainingOptions(seed=seed, log_to="none"))
    return [scratch / str(seed) for seed in range(chosen.seeds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", type=Path, help="a trained model of the demo")
    with tempfile.TemporaryDirectory() as scratch:
        runs = [searched(directory) for directory in _models(parser.parse_args(), Path(scratch))]
    names = list(runs[0]["words and meaning"])
    print("| right article | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for mode in MODES:
        print(f"| {mode} | " + " | ".join(f"{mean(run[mode][name] for run in runs):.1%}" for name in names) + " |")


if __name__ == "__main__":
    main()
