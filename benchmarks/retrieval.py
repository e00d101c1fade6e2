"""How long a question takes in a large knowledge base: `python -m benchmarks.retrieval`.

The vectors are made of those that the real MiniLM gives to lines of the public sets (FRONTDESK_DATA): the sum of one
line's vector, half another's, and the difference of two more, 0.35 times, of length one; five of them are an
article's passages, drawn around one such sum. So they lie as customers' lines do, and as densely as there are many.
The words of an article are those of such lines, too. Measured are single questions on one thread: the whole way from
a vector and a text to three passages, against NumPy's product with all vectors in the same run, in turn; what the
nearest ten by that product are tells the recall. Times are the thread's on the processor: the vectors are in
memory, and other work on the machine counts for less. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nlu.base_model import BUILT_IN, base_folder
from nlu.data.article import Article, Section
from nlu.large.catalogue import ARRAYS, INDEX, Catalogue
from nlu.large.retriever import NEAR, USED, Wide
from nlu.retriever import SIGNALS, Asked, Fusion
from nlu.training.fusion import untaught
from nlu.training.shelve_large import catalogue

Floats = NDArray[np.float32]
LINES = 1_500
PASSAGES = 5
"""Of an article."""
QUESTIONS = 200
NEAREST = 10


def public_lines(folder: Path) -> list[str]:
    with (folder / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        lines = [row["text"] for row in csv.DictReader(file)]
    parts = json.loads((folder / "clinc150" / "data_full.json").read_text("utf-8"))
    return lines + [text for text, _ in parts["train"]]


def embedded(lines: list[str]) -> Floats:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(base_folder(BUILT_IN)), device="cpu")
    return np.asarray(model.encode(lines, normalize_embeddings=True, show_progress_bar=False), np.float32)


def unit(vectors: Floats) -> Floats:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


class Made:
    """A knowledge base of so many passages, and questions to it."""

    def __init__(self, lines: list[str], vectors: Floats, passages: int) -> None:
        self._random, self._lines, self._real = np.random.default_rng(passages), lines, vectors
        count = passages // PASSAGES
        self._sections = [self._section() for _ in range(20_000)]
        self.articles = [self._article(number) for number in range(count)]
        centres = self._summed(count)
        self.passages = np.empty((passages, vectors.shape[1]), np.float32)
        for part in range(PASSAGES):
            self.passages[part::PASSAGES] = unit(centres + 0.5 * self._summed(count))
        self.common = np.full(count, 0.4, np.float32)
        near = self.passages[self._random.integers(passages, size=QUESTIONS)]
        asked = unit(near + 0.7 * self._summed(QUESTIONS))
        texts = [str(text) for text in self._random.choice(lines, QUESTIONS)]
        self.asked = Asked(texts, asked, asked, [{}] * QUESTIONS)

    def _summed(self, count: int) -> Floats:
        one, half, plus, minus = (self._real[self._random.integers(len(self._real), size=count)] for _ in range(4))
        return unit(one + np.float32(0.5) * half + np.float32(0.35) * (plus - minus))

    def _article(self, number: int) -> Article:
        chosen = self._random.integers(len(self._sections), size=PASSAGES)
        sections = tuple(self._sections[one] for one in chosen.tolist())
        return Article(f"a{number}", f"Article {number}", "", (), (), sections)

    def _section(self) -> Section:
        """Of some sixty words."""
        said = self._random.integers(len(self._lines), size=6)
        return Section("", " ".join(self._lines[line] for line in said.tolist()))


def timed(found: list[float]) -> str:
    cuts = quantiles(found, n=20)
    return f"{median(found) * 1e3:.2f} | {cuts[-1] * 1e3:.2f}"


def measure(made: Made, folder: Path) -> None:
    started = time.perf_counter()
    folder.mkdir(exist_ok=True)
    if not (folder / ARRAYS).exists():
        progress = Progress(len(made.passages) + len(made.articles))
        known = catalogue(made.articles, made.passages, made.passages[:0], progress)
        replace(known, common=made.common).write(folder)
        del known
    built, started = time.perf_counter() - started, time.perf_counter()
    stored = Catalogue.read(folder)
    assert stored is not None
    opened = time.perf_counter() - started
    sizes = {name: file.stat().st_size for name in (ARRAYS, INDEX) if (file := folder / name).exists()}
    used = np.array([name in USED for name in SIGNALS])
    fusion = Fusion(untaught().weights * used, untaught().certainty)
    compare(made, Wide(made.articles, stored, fusion), known_as(made, built, opened, sizes))


def known_as(made: Made, built: float, opened: float, sizes: dict[str, int]) -> str:
    files = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sizes.items())
    return f"{len(made.passages):,} passages: built in {built:.0f} s, opened in {opened * 1e3:.0f} ms, {files}"


def compare(made: Made, wide: Wide, title: str) -> None:
    product, near, whole = list[float](), list[float](), list[float]()
    hits = 0
    for number in range(QUESTIONS):
        one = slice(number, number + 1)
        asked = Asked(made.asked.texts[one], made.asked.embeddings[one], made.asked.points[one], made.asked.likely[one])
        moments = [time.thread_time()]
        cosines = asked.embeddings @ made.passages.T
        moments.append(time.thread_time())
        wide.find(asked, 0.5)
        moments.append(time.thread_time())
        rows = nearest(wide, asked.embeddings[0])  # what the search has just read
        moments.append(time.thread_time())
        for into, taken in zip((product, whole, near), np.diff(moments).tolist(), strict=True):
            into.append(taken)
        hits += len(set(np.argpartition(-cosines[0], NEAREST)[:NEAREST].tolist()) & set(rows.tolist()))
    print(f"\n{title}\n\n| one question | p50 ms | p95 ms | of the product's p50 |\n|---|---|---|---|")
    told: tuple[tuple[str, list[float]], ...] = (
        ("NumPy's product with all vectors, float32", product),
        (f"the nearest {NEAREST} vectors, recall {hits / QUESTIONS / NEAREST:.3f}", near),
        ("the whole search: vectors, words, their articles compared", whole),
    )
    for what, found in told:
        print(f"| {what} | {timed(found)} | {median(found) / median(product):.2f} |")


def nearest(wide: Wide, vector: Floats) -> NDArray[np.int64]:
    rows = wide.vectors.keys.near(vector, NEAR)
    return rows[np.argsort(-wide.vectors.keys.cosines(vector, rows))[:NEAREST]]


class Progress:
    """A line for every tenth."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._told = total, 0.0, 0.0

    def __call__(self, done: float) -> None:
        self._done += done
        if self._done - self._told >= self._total / 10:
            self._told = self._done
            print(f"  {self._done / self._total:.0%}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--home", type=Path, default=Path.cwd())
    parser.add_argument("--files", type=Path, help="a folder in which the indexes are made, and stay")
    options = parser.parse_args()
    lines = public_lines(Path(os.environ["FRONTDESK_DATA"]))
    lines = [lines[row] for row in np.random.default_rng(0).permutation(len(lines))[:LINES]]
    with threadpool_limits(1), tempfile.TemporaryDirectory(dir=options.home, prefix=".benchmark-") as scratch:
        folder: Path = options.files or Path(scratch)
        vectors = embedded(lines)
        for passages in options.passages:
            measure(Made(lines, vectors, passages), folder / str(passages))


if __name__ == "__main__":
    main()
