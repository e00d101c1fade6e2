"""What a message costs beside the model: `python -m benchmarks.latency --model DIR [--messages N]`.

One conversation over the widget protocol against the whole service, and in the same run, in turn with it, the model
alone on the same texts. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from bot.models import serving_threads
from nlu.load import load_model
from nlu.registry import Registry
from tests.demo import running_demo
from tests.service import Widget

TEXTS = ("how much is shipping?", "do you ship to ireland", "thanks a lot", "can I pay with paypal?")


async def measured(directory: Path, messages: int) -> tuple[list[float], list[float]]:
    """Seconds of whole answers, and of the model alone."""
    whole: list[float] = []
    alone: list[float] = []
    model = load_model(directory, device="cpu", threads=serving_threads())
    with tempfile.TemporaryDirectory() as home:
        async with running_demo(Path(home), directory, model) as service, Widget.open(service.url) as widget:
            for number in range(messages + 20):
                text = TEXTS[number % len(TEXTS)]
                started = time.perf_counter()
                await asyncio.to_thread(model.understand_now, [text])
                understood = time.perf_counter()
                await widget.ask(text)
                answered = time.perf_counter()
                if number >= 20:
                    alone.append(understood - started)
                    whole.append(answered - understood)
    return whole, alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--messages", type=int, default=400)
    given = parser.parse_args()
    directory = given.model or Registry(Path(".frontdesk")).usable()
    if directory is None:
        raise SystemExit("Train a model first: frontdesk train.")
    whole, alone = asyncio.run(measured(directory, given.messages))
    over = [1000 * (w - a) for w, a in zip(whole, alone, strict=True)]
    print("| one conversation over the widget protocol | p50 ms | p95 ms |\n|---|---|---|")
    for what, values in (("answer", [1000 * w for w in whole]), ("the model alone", [1000 * a for a in alone])):
        print(f"| {what} | {median(values):.1f} | {quantiles(values, n=20)[18]:.1f} |")
    print(f"| answer over the model's own time, pair by pair | {median(over):.1f} | {quantiles(over, n=20)[18]:.1f} |")


if __name__ == "__main__":
    main()
