"""Messages a second and start-up of a trained model: `python -m benchmarks.nlu_speed MODEL_DIRECTORY`.

The baseline, in the same run, is `SentenceTransformer.encode` of one text at a time with the same base encoder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

TEXTS = [
    "hi",
    "where is my order?",
    "I would like to send the lamp back, it is too small for the room",
    "are you open on saturday",
    "can i pay with paypal",
    "The parcel arrived yesterday but one of the two chairs has a scratch on the back and a screw is missing.",
    "thanks",
    "change my delivery address please",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=25)
    chosen = parser.parse_args()
    began = time.perf_counter()
    from nlu.load import load_model

    model = load_model(chosen.model, device="cpu", threads=chosen.threads)
    found = {"load_seconds": round(time.perf_counter() - began, 2), "peak_mb": _peak()}
    one = _each(lambda text: model.understand_now([text]), chosen.rounds)
    found["one_at_a_time_p50_ms"] = round(statistics.median(one) * 1000, 2)
    found["one_at_a_time_per_second"] = round(len(one) / sum(one), 1)
    found["served_64_callers_per_second"] = round(asyncio.run(_served(chosen.model, chosen.threads, chosen.rounds)), 1)
    found["peak_after_mb"] = _peak()
    baseline = _baseline(chosen.rounds)
    found["baseline_per_second"] = round(len(baseline) / sum(baseline), 1)
    print(json.dumps(found, indent=1))


def _each(run: Callable[[str], object], rounds: int) -> list[float]:
    seconds = []
    for _ in range(rounds):
        for text in TEXTS:
            began = time.perf_counter()
            run(text)
            seconds.append(time.perf_counter() - began)
    return seconds


async def _served(directory: Path, threads: int, rounds: int) -> float:
    from nlu.load import load_model
    from nlu.understand import serve

    async with serve(load_model(directory, device="cpu", threads=threads)) as understander:

        async def caller(number: int) -> None:
            for turn in range(rounds):
                await understander.understand([TEXTS[(number + turn) % len(TEXTS)]])

        began = time.perf_counter()
        await asyncio.gather(*(caller(number) for number in range(64)))
        return 64 * rounds / (time.perf_counter() - began)


def _baseline(rounds: int) -> list[float]:
    from sentence_transformers import SentenceTransformer

    from nlu.base_model import BUILT_IN, base_folder

    encoder = SentenceTransformer(str(base_folder(BUILT_IN)), device="cpu")
    encoder.encode(TEXTS, show_progress_bar=False)
    return _each(lambda text: encoder.encode(text, show_progress_bar=False), rounds)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
