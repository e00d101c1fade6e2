"""The whole service with an assistant of six intents beside what Rasa took for one: `python -m benchmarks.beside_rasa`.

Rasa 3.6.21 needs a Python that Frontdesk does not run on, so it cannot be measured in the same run: its figures were
recorded elsewhere, once, over REST with its SQL tracker store. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.frontdesk import ROOT, frontdesk
from benchmarks.rest import conversations, crowd
from benchmarks.start import ask, resident
from bot import interpreter

DATA = Path(__file__).parent / "six_intents"
CONVERSATIONS = 32
MESSAGES = 300
TEXTS = (
    "hello there",
    "when do you open tomorrow?",
    "how much do you charge for delivery",
    "I would like to return a lamp",
    "thanks for that",
    "bye for now",
)
RASA = {"p50": 27.0, "rate": 35.0, "start": 24.0, "memory": 810.0}


def trained(home: Path) -> None:
    command = [sys.executable, "-c", "from bot.cli import main; main()", "train", "--log-to", "none"]
    places = {"FRONTDESK_DATA": str(DATA), "FRONTDESK_HOME": str(home)}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, **places})


async def asked(port: int, seconds: float) -> tuple[float, float]:
    """Milliseconds of one conversation's answers, the median, and messages a second of many conversations."""
    took = []
    async with conversations(port, CONVERSATIONS) as they:
        for number in range(MESSAGES):
            began = time.perf_counter()
            await they[0].ask(TEXTS[number % len(TEXTS)])
            took.append(1000 * (time.perf_counter() - began))
        return median(took), await crowd(they, TEXTS, seconds)


def measured(home: Path, seconds: float) -> dict[str, float]:
    with frontdesk(home, {"DATA": str(DATA)}) as service:
        while not ask(service.port):
            time.sleep(0.02)
        start = time.perf_counter() - service.started
        p50, rate = interpreter.run(asked(service.port, seconds))
        return {"p50": p50, "rate": rate, "start": start, "memory": resident(service.pid)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        trained(Path(home))
        found = measured(Path(home), given.seconds)
    print(
        "| six intents, over REST | Rasa 3.6.21, recorded elsewhere | Frontdesk | ratio | goal |\n|---|---|---|---|---|"
    )
    for key, what, goal in (
        ("rate", f"{CONVERSATIONS} conversations, messages/s", ">= 6 x"),
        ("p50", "one conversation, p50 ms", "<= 0.4 x"),
        ("start", "from the command to the first answer, s", "<= 0.5 x"),
        ("memory", "memory afterwards (Frontdesk: PSS, with Valkey), MB", "< 1 x"),
    ):
        digits = 0 if found[key] >= 100 else 1
        print(f"| {what} | {RASA[key]:.0f} | {found[key]:.{digits}f} | {found[key] / RASA[key]:.2f} x | {goal} |")


if __name__ == "__main__":
    main()
