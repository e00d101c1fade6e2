"""What many intents cost a message: `python -m benchmarks.intents --model DIR`.

The network of a trained model goes on serving; beside it stands a head for so many made-up intents ("ask_price of
product 17"), ten or a hundred examples each, which are points around a centre each. So a message costs what it would
with that many intents; how well it is understood is not measured. Everything is asked in turn with 50 and with 1,000
intents, one message at a time, on one thread; the network's own pass is measured alone. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from nlu.engine.signals import Engine, Glance, Signals
from nlu.explain import explain
from nlu.families import Families
from nlu.load import load_model
from nlu.neighbours import grouped
from nlu.remembered import Remembered
from nlu.scope import Scope
from nlu.similarity import UnitVectors
from nlu.understand import Model

Floats = NDArray[np.float32]
TEXTS = (
    "hello",
    "where is my order LW-10234?",
    "I want to send the blue sofa back, it came with a scratch on its side",
)
SEVERAL = "cancel my order and tell me where my other parcel is"
WHAT = ("price", "size", "colour", "delivery", "return", "repair", "stock", "manual", "warranty", "discount")
TIMES = 30


@dataclass(frozen=True, slots=True)
class Wider:
    """The network with a head for more intents."""

    engine: Engine
    head: Floats
    """Intents x width of a point."""

    @property
    def callers(self) -> int:
        return self.engine.callers

    def run(self, texts: Sequence[list[int]]) -> list[Signals]:
        seen = [(one, 20 * self.head @ one.point) for one in self.engine.run(texts)]
        return [replace(one, intents=scores, start=scores, within=None) for one, scores in seen]

    def glance(self, texts: Sequence[list[int]]) -> list[Glance]:
        return [replace(one, intents=20 * self.head @ one.point) for one in self.engine.glance(texts)]


def widened(model: Model, intents: int, examples: int) -> Model:
    """The model, as if it had been trained on so many intents."""
    random, width = np.random.default_rng(intents), model.judge.near.points.exact.shape[1]
    names = tuple(f"ask_{WHAT[n % len(WHAT)]}_of_product_{n // len(WHAT)}" for n in range(intents))
    centres = _unit(random.standard_normal((intents, width)))
    numbers = np.repeat(np.arange(intents), examples)
    points = _unit(centres[numbers] + 0.5 * _unit(random.standard_normal((len(numbers), width))))
    seen = _unit(random.standard_normal((len(numbers), len(model.scope.direction))))
    near = grouped(points, numbers, intents, model.judge.near.weight)
    return replace(
        model,
        manifest=replace(model.manifest, intents=names),
        engine=Wider(model.engine, centres),
        judge=replace(model.judge, names=names, near=near),
        scope=Scope.from_numbers(model.scope.numbers(), UnitVectors.of(seen), model.scope.direction),
        families=Families.of(names),
        remembered=Remembered.of([], []),
    )


def _unit(vectors: NDArray[np.float64]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def taken(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def parts(model: Model) -> dict[str, Callable[[], object]]:
    """What a message costs, in all and in parts."""
    ids = [tokens.ids for tokens in model.reader.read(TEXTS[1:2])]
    (signals,) = model.engine.run(ids)
    scores, point, embedding = signals.intents[None], signals.point[None], signals.embedding[None]
    return {
        "the network's pass": lambda: model.engine.run(ids),
        "from scores and neighbours to probabilities": lambda: model.judge.likely(scores, scores, point),
        "scope": lambda: model.scope.score(embedding, scores),
        "a short message": lambda: model.understand_now(TEXTS[:1]),
        "a usual message": lambda: model.understand_now(TEXTS[1:2]),
        "a long message": lambda: model.understand_now(TEXTS[2:]),
        "a message that may make two requests": lambda: model.understand_now([SEVERAL]),
        "its explanation": lambda: explain(model, model.understand_now(TEXTS[1:2])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    options = parser.parse_args()
    model = replace(load_model(options.model, device="cpu", threads=1), retriever=None)
    shapes = ((50, 10), (1000, 10), (1000, 100))
    asked = [parts(widened(model, *shape)) for shape in shapes]
    title = " | ".join(f"{intents} intents, {examples} examples each" for intents, examples in shapes)
    print(f"| p50 ms, without the knowledge base | {title} | 1,000 / 50 |\n|---|---|---|---|---|")
    for what in asked[0]:
        times: list[list[float]] = [[] for _ in shapes]
        for _ in range(TIMES):
            for calls, so_far in zip(asked, times, strict=True):
                so_far.append(taken(calls[what]))
        few, *many = (median(one) * 1e3 for one in times)
        print(f"| {what} | {few:.2f} | {' | '.join(f'{one:.2f}' for one in many)} | {many[0] / few:.2f} |", flush=True)


if __name__ == "__main__":
    main()
