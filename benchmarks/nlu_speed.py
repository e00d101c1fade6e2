"""Messages a second and memory of a trained model: `python -m benchmarks.nlu_speed --model DIR [--rounds N]`.

The held-out lines of the demo that make one request are understood: on one core beside `SentenceTransformer.encode` and
a head in float32, one text at a time; on all cores by 64 callers beside the bare engine at its best fixed size of a
batch. What is compared takes turns, so that a noisy moment hits both. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from nlu.engine.device import set_threads
from nlu.evaluation.measure import read_texts
from nlu.load import WEIGHTS, load_model
from nlu.understand import Model, serve
from tests.demo import DATA

CALLERS = 64
SIZES = (1, 2, 4, 8, 16, 32, 64)
TEXTS = [one.text for one in read_texts(DATA / "test").examples if not one.outlier][::3]

Way = Callable[[], Awaitable[None]]


async def paces(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Texts a second of each way to read all of them; the median of rounds in which they take turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            await way()
            found[name].append(len(TEXTS) / (time.perf_counter() - began))
    return {name: median(one) for name, one in found.items()}


def sentence_transformer() -> Way:
    import torch
    from sentence_transformers import SentenceTransformer

    from nlu.base_model import BUILT_IN, base_folder

    encoder = SentenceTransformer(str(base_folder(BUILT_IN)), device="cpu")
    head = torch.nn.Linear(384, 60)

    async def way() -> None:
        with torch.inference_mode():
            for text in TEXTS:
                head(encoder.encode(text, show_progress_bar=False, convert_to_tensor=True))

    return way


def one_by_one(model: Model) -> Way:
    async def way() -> None:
        for text in TEXTS:
            model.understand_now([text])

    return way


def whole(model: Model) -> Way:
    """As the baseline reads them: nobody looks whether a text makes several requests."""

    async def way() -> None:
        for start in range(0, len(TEXTS), CALLERS):
            model.understand_whole(TEXTS[start : start + CALLERS])

    return way


def called(model: Model) -> Way:
    """By many callers, each with its next text when it has the answer."""

    async def way() -> None:
        texts = iter(TEXTS)
        async with serve(model) as service:

            async def caller() -> None:
                for text in texts:
                    await service.understand([text])

            await asyncio.gather(*(caller() for _ in range(CALLERS)))

    return way


def engine_alone(model: Model, size: int) -> Way:
    rows = [tokens.ids for tokens in model.reader.read(TEXTS)]

    async def way() -> None:
        for start in range(0, len(rows), size):
            model.engine.run(rows[start : start + size])

    return way


def megabytes(model: Path) -> float:
    """Resident in a process that has answered, and imported nothing else."""
    code = (
        "import json, sys; from pathlib import Path; from nlu.load import load_model;"
        "model = load_model(Path(sys.argv[1]), device='cpu', threads=1);"
        "[model.understand_now([text]) for text in json.load(sys.stdin)];"
        "print(Path('/proc/self/statm').read_text().split()[1])"
    )
    command = [sys.executable, "-c", code, str(model)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, input=json.dumps(TEXTS))
    return int(told.stdout) * resource.getpagesize() / 2**20


async def measured(directory: Path, rounds: int) -> None:
    one, all_cores = load_model(directory, device="cpu", threads=1), load_model(directory, device="cpu")
    baseline = sentence_transformer()
    set_threads(1)
    ways = {"baseline": baseline, "single": one_by_one(one), "called": called(one), "whole": whole(one)}
    alone = await paces(ways, rounds)
    bare = {str(size): engine_alone(all_cores, size) for size in SIZES}
    together = await paces({**bare, "called": called(all_cores)}, rounds)
    best = max(SIZES, key=lambda size: together[str(size)])
    print("| | messages/s | ratio | goal |\n|---|---|---|---|")
    print(f"| one core: `SentenceTransformer.encode` and a head, one at a time | {alone['baseline']:.0f} | 1 | |")
    _line("one core: understood one at a time", alone["single"], alone["baseline"], "")
    _line(f"one core: {CALLERS} callers", alone["called"], alone["baseline"], "4")
    _line(f"one core: {CALLERS} at a time, each taken for one request", alone["whole"], alone["baseline"], "")
    print(f"| all cores: the bare engine, {best} at a time | {together[str(best)]:.0f} | 1 | |")
    _line(f"all cores: {CALLERS} callers", together["called"], together[str(best)], "0.95")
    resident, weights = megabytes(directory), (directory / WEIGHTS).stat().st_size / 2**20
    print(f"\nResident, serving: {resident:.0f} MB, {resident / weights:.1f} times the weights (goal 4).")


def _line(what: str, pace: float, baseline: float, goal: str) -> None:
    print(f"| {what} | {pace:.0f} | {pace / baseline:.2f} | {goal} |")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    asyncio.run(measured(chosen.model, chosen.rounds))


if __name__ == "__main__":
    main(sys.argv[1:])
