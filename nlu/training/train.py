"""Training, from a folder of data to a sealed model directory: read it from top to bottom."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from nlu.base_model import BUILT_IN
from nlu.budget import BUDGETS
from nlu.data.examples import TrainingData
from nlu.data.reader import HELD_OUT, check_enough, read_training_data
from nlu.engine.device import set_threads
from nlu.engine.torch_engine import network_of
from nlu.evaluation.measure import Said, evaluate, read_texts, said_of
from nlu.learning.learned import NOTHING, Learned, joined, used
from nlu.lineage import read_lineage, write_lineage
from nlu.load import load_model
from nlu.manifest import Manifest, holds_only_a_model, write_manifest
from nlu.registry import Registry
from nlu.source import DataError
from nlu.training.checkpoints import Checkpoints
from nlu.training.diary import Diary
from nlu.training.head import why_not
from nlu.training.learn import amount, learn
from nlu.training.logs import check_log, opened
from nlu.training.options import Progress, TrainingOptions
from nlu.training.pack import Trained, pack
from nlu.training.progress import Work, silent
from nlu.training.report import Story, write_training_report
from nlu.training.seen import Seen
from nlu.training.serving import serving_in, serving_of
from nlu.training.together import ask_for_help
from nlu.types import Tune
from nlu.understand import Model


def train(
    data: Path,
    out: Path | Registry,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
    *,
    learned: Learned = NOTHING,
    last: Path | None = None,
    promote: bool = True,
    scored: Callable[[Said], None] = lambda _: None,
) -> Manifest:
    """Writes a model directory at `out`, or adds the model to the registry and, with `promote`, makes it current.
    `learned` is trained on beside the data. `last` is a model whose layers stay where only the head is trained.
    `scored` is told what the new model said of the held-out texts, if there are any.

    Raises ModelError for a `last` that cannot be loaded, and DataError for data or a base model that cannot be used;
    nothing is written then.
    """
    given = read_training_data(data)
    examples = joined(given, learned)
    options = settled(options or TrainingOptions(), examples)
    check_enough(examples, data)
    check_log(options.log_to)
    if isinstance(out, Path):
        _check_free(out)
    set_threads(options.threads)
    made = datetime.now(UTC)
    name = f"{made:%Y%m%d-%H%M%S}-{examples.hash[:8]}"
    home = out.folder if isinstance(out, Registry) else out.parent
    home.mkdir(parents=True, exist_ok=True)
    options, kept, why = _with_last(last, options, examples)
    work = Work(amount(examples, options, kept), progress)
    checkpoints = Checkpoints.of(home, examples, options) if isinstance(out, Registry) and not kept else Checkpoints()
    with (
        tempfile.TemporaryDirectory(prefix=".new-", dir=home) as scratch,
        opened(options.log_to, _log_folder(out, name), options.to_json()) as log,
    ):
        directory = Path(scratch) / name
        directory.mkdir()
        if why:
            work.tell(f"All is trained, not the head alone: {why}.")
        if kept is None:
            ask_for_help(examples, options)
        seen = Seen.read(home, network_of(kept.engine).encoder) if kept else Seen.nothing()
        trained, story = learn(examples, options, made, Diary(work, log, checkpoints), (kept, seen) if kept else None)
        before = read_lineage(last) if last and kept else frozenset()  # the layers learnt from those
        write_lineage(directory, {*before, *used(given, learned)})
        work.begin("making it fast")
        serving = (serving_in(last) if last and kept else None) or serving_of(
            trained.network, trained.reader, examples.examples
        )
        if serving is None:
            work.tell("ONNX Runtime does not compute what this model does: torch serves it, slower.")
        pack(directory, _sourced(trained, given, learned), serving)
        manifest = _score(directory, data, story, options, work, scored=scored)
        _deliver(directory, out, promote)
    checkpoints.remove()
    if isinstance(out, Registry):
        with out.quoting(made) as nobody_was_erased:
            if nobody_was_erased:
                trained.seen.write(home)
    return manifest


def _sourced(trained: Trained, given: TrainingData, learned: Learned) -> Trained:
    """The manifest names the data folder and what was learnt beside it each by itself."""
    return replace(trained, manifest=replace(trained.manifest, data_hash=given.hash, learned=learned.hash))


def settled(options: TrainingOptions, data: TrainingData) -> TrainingOptions:
    """With what was left to us decided."""
    guessed = sum(example.guessed for example in data.examples)
    return replace(options.settled(len(data.examples), guessed), base_model=options.base_model or BUILT_IN)


def _with_last(
    last: Path | None, options: TrainingOptions, data: TrainingData
) -> tuple[TrainingOptions, Model | None, str]:
    """What is trained, the model whose layers stay, and why none does though it was asked for."""
    if options.tune is not Tune.HEAD:
        return options, None, ""
    model = load_model(last, device="cpu", threads=options.threads, with_torch=True) if last else None
    why = why_not(model, data, options) if model else "there is no model whose layers could stay"
    return (replace(options, tune=Tune.ALL), None, why) if why else (options, model, "")


def _score(
    directory: Path,
    data: Path,
    story: Story,
    options: TrainingOptions,
    work: Work,
    *,
    scored: Callable[[Said], None],
) -> Manifest:
    """Loads the model as serving does; the held-out folder is opened only now that nothing can change any more."""
    model = load_model(directory, device=options.device, threads=options.threads, budget=options.budget)
    manifest, test = model.manifest, None
    if (data / HELD_OUT).is_dir():
        try:
            texts = read_texts(data / HELD_OUT)
            said = said_of(model, texts)
            test = evaluate(model, texts, {*BUDGETS, options.budget}, said=said.answers)
            scored(said)
            scores, between = {**manifest.scores, **test.scores("test_")}, test.intervals.get("accuracy")
            manifest = replace(manifest, scores=scores, test_between=between)
        except DataError as error:
            work.tell(f"Not scored on held-out texts: {error}")
    write_training_report(directory, manifest, story, test)
    write_manifest(directory, manifest)
    return manifest


def _log_folder(out: Path | Registry, name: str) -> Path:
    return out.folder.parent / "logs" / name if isinstance(out, Registry) else out.with_name(f"{out.name}-logs")


def _check_free(out: Path) -> None:
    if out.exists() and not holds_only_a_model(out) and (not out.is_dir() or any(out.iterdir())):
        raise DataError(out, None, "something other than a model is here already.", "Choose another folder.")


def _deliver(directory: Path, out: Path | Registry, promote: bool) -> None:
    if isinstance(out, Registry):
        out.sign(directory)
        (out.take if promote else out.shelve)(directory)
        return
    if out.exists():
        shutil.rmtree(out)
    directory.rename(out)
