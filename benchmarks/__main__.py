"""Runs the measurements and writes them into RESULTS.md: `make bench`, or `make bench ONLY="swap retrain"`.

Each has a block of its own there, which is written anew; what people wrote around it stays. All of them take some hours
on two quiet cores. Those on public data need FRONTDESK_DATA, the folder that holds `banking77` and `clinc150`.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from benchmarks.blocks import placed
from nlu.engine.device import choose_device

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Measurement:
    name: str
    title: str
    command: str
    """Module and options; MODEL stands for the directory of a model of the demo."""
    public: bool = False
    """Whether it is on public data."""
    gpu: bool = False
    """Whether it needs one."""

    @property
    def needs_model(self) -> bool:
        return "MODEL" in self.command


MEASUREMENTS = (
    Measurement("demo", "How good the demo's model is", "benchmarks.demo --seeds 3"),
    Measurement("banking77", "Public data", "benchmarks.nlu_quality banking77/train_5.csv --seeds 0 1 2", public=True),
    Measurement(
        "banking77-10", "Public data", "benchmarks.nlu_quality banking77/train_10.csv --seeds 0 1 2", public=True
    ),
    Measurement(
        "banking77-all", "Public data", "benchmarks.nlu_quality banking77/train.csv --seeds 0 1 2", public=True
    ),
    Measurement("clinc150", "Public data", "benchmarks.nlu_quality clinc150 --seeds 0 1 2", public=True),
    Measurement("speed", "How fast a model understands", "benchmarks.nlu_speed --model MODEL"),
    Measurement("intents", "What many intents cost", "benchmarks.intents --model MODEL"),
    Measurement("requests", "How two requests in one message are found", "benchmarks.requests training_data"),
    Measurement("languages", "Which languages are recognised", "benchmarks.languages --model MODEL"),
    Measurement("training", "How fast a training learns", "benchmarks.training_speed"),
    Measurement("knowledge", "How well the knowledge base is searched", "benchmarks.knowledge"),
    Measurement("retrieval", "How fast a large knowledge base is searched", "benchmarks.retrieval", public=True),
    Measurement("learning", "What labels are worth", "benchmarks.learning --guesses", public=True),
    Measurement("clusters", "What labels are worth", "benchmarks.learning --clusters --guesses", public=True),
    Measurement("topics", "Which new intents are proposed", "benchmarks.topics --model MODEL", public=True),
    Measurement("weeks", "Ten weeks, with people who want to teach it something else", "benchmarks.weeks", public=True),
    Measurement(
        "hostile",
        "Ten weeks, with people who want to teach it something else",
        "benchmarks.weeks --hostile",
        public=True,
    ),
    Measurement("gate", "What the gate lets through", "benchmarks.gate", public=True),
    Measurement("retrain", "How long a retraining takes", "benchmarks.retrain --model MODEL"),
    Measurement("head", "How long a retraining takes", "benchmarks.retrain --model MODEL -- --tune head"),
    Measurement("swap", "What a change of model costs", "benchmarks.swap --model MODEL"),
    Measurement("model-server", "What a model service costs", "benchmarks.model_server MODEL"),
    Measurement("service", "What the whole service costs beside its engine", "benchmarks.service --model MODEL"),
    Measurement("beside-rasa", "Beside Rasa", "benchmarks.beside_rasa"),
    Measurement("chat-server", "What a message costs a chat server", "benchmarks.chat_server"),
    Measurement("gpu", "On a GPU", "benchmarks.gpu --model MODEL", gpu=True),
    Measurement("channels", "All channels at once", "benchmarks.channels"),
    Measurement("channels-killed", "All channels at once", "benchmarks.channels --rate 60 --seconds 60 --kills 10"),
    Measurement("redaction", "What redaction finds", "benchmarks.redaction"),
    Measurement(
        "explanations", "Whether the words that are said to decide do", "benchmarks.explanations --model MODEL"
    ),
    Measurement("start", "How fast it starts", "benchmarks.start"),
    Measurement("latency", "What a message costs beside the model", "benchmarks.latency"),
    Measurement("journal", "What the conversation log costs", "benchmarks.journal"),
    Measurement("journal-size", "What the conversation log costs", "benchmarks.journal_size"),
    Measurement("transport", "What the transport holds under load and faults", "benchmarks.transport"),
    Measurement("widget", "How the widget takes a long absence", "benchmarks.widget_gap"),
)


def main(names: Sequence[str]) -> None:
    chosen = [one for one in MEASUREMENTS if not names or one.name in names]
    if unknown := set(names) - {one.name for one in MEASUREMENTS}:
        sys.exit(f"There is no {', '.join(sorted(unknown))}. Choose from {' '.join(one.name for one in MEASUREMENTS)}.")
    with tempfile.TemporaryDirectory() as scratch:
        model = cache(lambda: _trained(Path(scratch) / "model"))
        failed = [one.name for one in chosen if not _measured(one, model)]
    if failed:
        sys.exit(f"Not measured: {', '.join(failed)}.")


def _measured(one: Measurement, model: Callable[[], Path | None]) -> bool:
    if one.public and "FRONTDESK_DATA" not in os.environ:
        print(f"{one.name}: left out, FRONTDESK_DATA names no folder.", file=sys.stderr)
        return True
    if one.gpu and choose_device("auto") != "cuda":
        print(f"{one.name}: left out, there is no GPU here.", file=sys.stderr)
        return True
    if one.needs_model and model() is None:
        return False
    print(f"{one.name}: {one.title} ...", file=sys.stderr)
    parts = [str(model()) if part == "MODEL" else part for part in one.command.split()]
    command = [sys.executable, "-m", *parts]
    done = subprocess.run(command, cwd=HERE.parent, text=True, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        return False
    text = f"`python -m {one.command}`, {_where()}:\n\n{done.stdout.strip()}"
    RESULTS.write_text(placed(RESULTS.read_text("utf-8"), one.title, one.name, text), "utf-8")
    return True


def _trained(directory: Path) -> Path | None:
    """None if the training failed."""
    print("Training the demo's model ...", file=sys.stderr)
    command = ["-c", "from bot.cli import main; main()", "train", "--log-to", "none", "--out", str(directory)]
    done = subprocess.run([sys.executable, *command], cwd=HERE.parent, check=False, stdout=subprocess.DEVNULL)
    return None if done.returncode else directory


def _where() -> str:
    cores, memory = os.cpu_count(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{cores} cores ({platform.machine()}), {memory:.0f} GB, Python {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}"


if __name__ == "__main__":
    main(sys.argv[1:])
