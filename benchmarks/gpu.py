"""The model service on a GPU beside its bare captured graph: `python -m benchmarks.gpu --model DIR`.

In turn, in the same run: the graph alone, repeated on what lies in its buffers; the engine, which fills and reads them;
the network without graphs; the model in this process; and the model as a service in one process and in several, which
share the GPU, asked by others. Takes about three minutes. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import torch

from benchmarks.elsewhere import elsewhere
from benchmarks.nlu_speed import TEXTS
from bot import interpreter
from bot.listening import accepting, listen
from bot.remote import remote
from nlu.engine.buckets import shares
from nlu.engine.torch_engine import TorchEngine, network_of
from nlu.load import load_model
from nlu.server import serving
from nlu.types import Understander
from nlu.understand import Model, serve

CALLERS = 256
CALLING = 4
"""Processes at least that call."""
SERVING = (1, 4, 8)
"""Processes that serve: Python around the engine takes more than a GPU's share, and a core each."""
LONE = 300
WARM_UP_SECONDS = 1.0


def loaded(given: argparse.Namespace) -> Model:
    """On a CPU torch's, too, to try this where there is no GPU."""
    return load_model(given.model, device=given.device, with_torch=given.device == "cpu")


def loop(work: Callable[[], object], texts: int, seconds: float) -> float:
    """Texts a second."""
    began, passes = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        work()
        passes += 1
    return passes * texts / (time.perf_counter() - began)


async def crowd(model: Understander, callers: int, seconds: float) -> float:
    """Texts a second that so many callers get understood."""
    began, answered = time.perf_counter(), 0

    async def caller(number: int) -> None:
        nonlocal answered
        while time.perf_counter() < began + seconds:
            await model.understand([TEXTS[(number + answered) % len(TEXTS)]])
            answered += 1

    await asyncio.gather(*map(caller, range(callers)))
    return answered / (time.perf_counter() - began)


async def as_service(model: Model) -> None:
    """The other process: until it is killed. Prints its URL."""
    interpreter.tune()
    listener = listen("127.0.0.1", 0)
    async with serve(model) as service, serving(service, "", partial(accepting, listener)):
        interpreter.freeze()
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await asyncio.Event().wait()


async def called(url: str, callers: int, seconds: float) -> float:
    async with remote(url, "", 20.0) as model:
        await crowd(model, callers, WARM_UP_SECONDS)
        return await crowd(model, callers, seconds)


def _process(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "benchmarks.gpu", *options], stdout=subprocess.PIPE, text=True)


def many(urls: Sequence[str], seconds: float) -> float:
    """Texts a second that callers in other processes get understood, each of one of the services."""
    calling = max(CALLING, len(urls))
    options = ("--callers", str(CALLERS // calling), "--seconds", str(seconds))
    started = [_process("--call", urls[number % len(urls)], *options) for number in range(calling)]
    return sum(float(process.communicate()[0]) for process in started)


def served(given: argparse.Namespace, processes: int) -> float:
    options = ("--model", str(given.model), "--device", given.device, "--serve")
    with ExitStack() as stack:
        starting = [elsewhere("benchmarks.gpu", *options) for _ in range(processes)]
        with ThreadPoolExecutor(processes) as together:
            urls = [url for _, url in together.map(stack.enter_context, starting)]
        return many(urls, given.seconds)


def bare(engine: TorchEngine, rows: list[list[int]], seconds: float) -> dict[str, float]:
    eager = TorchEngine(network_of(engine), "cuda" if next(engine.network.parameters()).is_cuda else "cpu")
    rates = {
        "the engine, which fills its buffers and reads them": loop(lambda: engine.run(rows), len(rows), seconds),
        "the same network without graphs": loop(lambda: eager.run(rows), len(rows), seconds),
    }
    if (captured := engine.captured) is None:
        return rates
    buckets = [share.bucket for share in shares([len(row) for row in rows], captured.longest) if share.bucket]

    @torch.inference_mode()
    def alone() -> None:
        for bucket in buckets:
            captured.repeat[bucket]()
        torch.cuda.synchronize()

    return {"the captured graphs alone": loop(alone, len(rows), seconds), **rates}


def lone(engine: TorchEngine, rows: list[list[int]]) -> float:
    """Milliseconds of a text alone."""
    took = []
    for number in range(LONE):
        began = time.perf_counter()
        engine.run([rows[number % len(rows)]])
        took.append(1000 * (time.perf_counter() - began))
    return median(took)


async def in_process(model: Model, seconds: float) -> float:
    async with serve(model) as service:
        await crowd(service, CALLERS, WARM_UP_SECONDS)
        return await crowd(service, CALLERS, seconds)


def measure(given: argparse.Namespace) -> None:
    began = time.perf_counter()
    model = loaded(given)
    seconds, engine = time.perf_counter() - began, model.engine
    assert isinstance(engine, TorchEngine)
    rows = [tokens.ids for tokens in model.reader.read((TEXTS * CALLERS)[:CALLERS])]
    engine.run(rows)
    found = bare(engine, rows, given.seconds)
    best = next(iter(found.values()))
    found[f"{CALLERS} callers in this process"] = interpreter.run(in_process(model, given.seconds))
    for processes in given.serving:
        what = f"{CALLERS} callers, the model as a service in {processes} process{'es' * (processes > 1)}"
        found[what] = served(given, processes)
    name = torch.cuda.get_device_name() if given.device == "cuda" else "a CPU"
    print(f"On {name}, torch {torch.__version__}, {CALLERS} texts at a time:\n")
    print("| | texts/s | ratio | goal |\n|---|---|---|---|")
    for what, rate in found.items():
        print(f"| {what} | {rate:,.0f} | {rate / best:.2f} | {'0.7' if 'service' in what else ''} |")
    print(
        f"\nA text alone takes the engine {lone(engine, rows):.2f} ms; loading takes {seconds:.1f} s, graphs and all."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--serving", type=int, nargs="+", default=SERVING, metavar="PROCESSES")
    parser.add_argument("--serve", action="store_true", help="be the service")
    parser.add_argument("--call", metavar="URL", help="be some of the callers")
    parser.add_argument("--callers", type=int, default=CALLERS, help="in this process")
    given = parser.parse_args()
    if given.call:
        print(interpreter.run(called(given.call, given.callers, given.seconds)))
    elif given.serve:
        interpreter.run(as_service(loaded(given)))
    else:
        measure(given)


if __name__ == "__main__":
    main()
