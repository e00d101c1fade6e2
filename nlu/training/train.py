"""Training, from a folder of data to a sealed model directory: read it from top to bottom."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nlu.base_model import BUILT_IN, base_folder, check_built_in, read_base
from nlu.budget import BUDGETS
from nlu.data.examples import OUTLIER, TrainingData
from nlu.data.reader import HELD_OUT, check_enough, read_training_data
from nlu.encoder import Encoder
from nlu.engine.network import Network
from nlu.engine.torch_engine import TorchEngine, choose_device, set_threads
from nlu.entities import touching_in, values_of, with_synonyms
from nlu.evaluation.intents import scores_of
from nlu.evaluation.measure import evaluate, read_texts
from nlu.evaluation.scores import IntentScores
from nlu.intents import Judge, Thresholds, probabilities, ranking, verdict
from nlu.languages import spoken
from nlu.learning.learned import NOTHING, Learned, joined, used
from nlu.lineage import write_lineage
from nlu.negation import Negation
from nlu.registry import MANIFEST, Manifest, Registry, write_manifest
from nlu.remembered import Remembered
from nlu.retriever import Asked, passage_texts, question_texts
from nlu.source import DataError
from nlu.tokens import TextReader
from nlu.training.calibrate import (
    Calibration,
    HeldOut,
    calibrate,
    held_out,
    in_one,
    neighbours,
    votes,
)
from nlu.training.fit import Epoch, fit, predict
from nlu.training.logs import Log, check_log, opened
from nlu.training.mistyped import copies
from nlu.training.names import names_help
from nlu.training.options import PARTS, Progress, TrainingOptions
from nlu.training.pack import Trained, pack
from nlu.training.prepare import Prepared, prepare
from nlu.training.progress import Work, silent
from nlu.training.report import EpochLine, Story, write_training_report
from nlu.training.shelve import Lines, QuestionReader, lines_of, shelve
from nlu.training.split import stratified
from nlu.training.words import speller_of
from nlu.understand import load_model

NEVER_HELD_OUT = PARTS
"""The part of what nobody confirmed: it calibrates nothing."""
_PACKAGES = ("torch", "tokenizers", "safetensors", "sentence-transformers", "numpy")


def train(
    data: Path,
    out: Path | Registry,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
    *,
    learned: Learned = NOTHING,
    promote: bool = True,
) -> Manifest:
    """Writes a model directory at `out`, or adds the model to the registry and, with `promote`, makes it current.
    `learned` is trained on beside the data.

    Raises DataError for data or a base model that cannot be used; nothing is written then.
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
    work = Work(amount(examples, options), progress)
    with (
        tempfile.TemporaryDirectory(prefix=".new-", dir=home) as scratch,
        opened(options.log_to, _log_folder(out, name), options.to_json()) as log,
    ):
        directory = Path(scratch) / name
        directory.mkdir()
        trained, story = learn(examples, options, made, Diary(work, log))
        write_lineage(directory, used(given, learned))
        pack(directory, _sourced(trained, given, learned))
        manifest = _score(directory, data, story, options, work)
        _deliver(directory, out, promote)
    return manifest


def _sourced(trained: Trained, given: TrainingData, learned: Learned) -> Trained:
    """The manifest names the data folder and what was learnt beside it each by itself."""
    return replace(trained, manifest=replace(trained.manifest, data_hash=given.hash, learned=learned.hash))


def settled(options: TrainingOptions, data: TrainingData) -> TrainingOptions:
    """With what was left to us decided."""
    guessed = sum(example.guessed for example in data.examples)
    return replace(options.settled(len(data.examples), guessed), base_model=options.base_model or BUILT_IN)


class Diary:
    """Remembers every epoch for the report, shows it and logs it."""

    def __init__(self, work: Work, log: Log) -> None:
        self.work = work
        self._log = log
        self.epochs: list[EpochLine] = []

    def epoch(self, doing: str, epoch: Epoch, examples: int, dev: float | None = None) -> None:
        self.epochs.append(EpochLine(doing, epoch.number, epoch.loss, dev))
        self._log(f"{doing}/loss", epoch.loss, epoch.number)
        line = f"{doing}, epoch {epoch.number}: loss {epoch.loss:.3f}"
        if dev is not None:
            self._log(f"{doing}/dev accuracy", dev, epoch.number)
            line += f", dev accuracy {dev:.1%}"
        self.work.advance(examples, line)


def _keys(data: TrainingData) -> int:
    return len(passage_texts(data.articles)) + len(question_texts(data.articles))


def amount(data: TrainingData, options: TrainingOptions) -> float:
    """The work in examples: read once, then seen once an epoch, in the trainings for held-out parts and the last."""
    trainings = 1 + options.held_out_parts * (1 - 1 / PARTS)
    count = len(data.examples)
    return count * (1 + copies(data.examples) / 2 + options.epochs * options.averaged * trainings) + _keys(data)


def learn(data: TrainingData, options: TrainingOptions, made: datetime, diary: Diary) -> tuple[Trained, Story]:
    device = choose_device(options.device)
    folder = base_folder(options.base_model)
    if options.base_model == BUILT_IN:
        check_built_in(folder)
    encoder, tokenizer = read_base(folder)
    encoder.to(device).fork(options.tuned_layers or (encoder.shape.layers + 1) // 2, options.dropout)

    diary.work.begin("reading the examples")
    languages = {*data.languages, *spoken([e.text for e in data.examples if not e.outlier])}
    text_reader = TextReader(tokenizer, speller_of(data, tokenizer, languages))
    prepared = prepare(data, encoder, text_reader, device, diary.work.advance)
    part_of = stratified(prepared.intents[list(prepared.examples)].cpu().numpy(), PARTS, options.seed)
    part_of[[example.guessed for example in data.examples]] = NEVER_HELD_OUT
    more = list(prepared.named) if names_help(prepared, part_of) else []
    held = _held_out(encoder, prepared, (part_of, more), options, diary)
    rows = [*prepared.examples, *more]
    diary.work.begin("training on everything")
    network = fit(encoder, prepared, rows, options, lambda _, epoch: diary.epoch("everything", epoch, len(rows)))

    of_near, of_start = votes(held)
    held = held.with_votes(of_near, of_start)
    near = neighbours(network, prepared, prepared.examples, of_near)
    calibration = calibrate(held, prepared)
    judge = Judge(prepared.names, near, of_start, calibration.temperature)
    shelved = None
    if data.articles:
        diary.work.begin("reading the knowledge base")
        reader = QuestionReader(TorchEngine(network, device), text_reader, judge)
        known = lines_of(data.articles, data.examples)
        lines = Lines(_seen(network, prepared, data, known), [data.examples[row].family for row in known])
        strange = held.rows[~held.known].tolist()
        likely = probabilities(held.scores[~held.known], calibration.temperature)
        strangers = replace(_seen(network, prepared, data, strange), likely=[reader.chances(row) for row in likely])
        shelved = shelve(data.articles, (folder, device), reader, strangers, lines)
        diary.work.advance(_keys(data))
    diary.work.begin("checking the model")
    story = Story(tuple(diary.epochs), _dev_scores(data, prepared.names, held, calibration, options), data.warnings)
    manifest = Manifest(
        id=f"{made:%Y%m%d-%H%M%S}-{data.hash[:8]}",
        created=made.isoformat(timespec="seconds"),
        base_model=options.base_model,
        seed=options.seed,
        data_hash=data.hash,
        architecture=encoder.shape.to_json(),
        intents=prepared.names,
        entities=prepared.labels,
        temperature=calibration.temperature,
        neighbours={"weight": near.weight, "counts": near.counts.tolist()},
        start=of_start,
        scope=calibration.scope.numbers(),
        thresholds={"scope": calibration.lowest, "knowledge": shelved.sure if shelved else 1.0},
        budget=calibration.curve.to_json(),
        scores={"dev_accuracy": story.dev.accuracy},
        options=options.to_json(),
        versions={package: version(package) for package in _PACKAGES},
        languages=tuple(sorted(languages)),
    )
    patterns = with_synonyms(data.patterns, data.examples)
    values, touching = values_of(data.examples, data.patterns), touching_in(data.examples)
    negation = Negation.of(data.examples)
    taught = [row for row in prepared.examples if not data.examples[row].guessed]
    remembered = Remembered.of([data.examples[row].text for row in taught], prepared.intents[taught].tolist())
    calibrated = (near, remembered, calibration.scope)
    return Trained(manifest, network, text_reader, *calibrated, patterns, values, touching, negation, shelved), story


def _held_out(
    encoder: Encoder,
    prepared: Prepared,
    split: tuple[NDArray[np.int64], list[int]],
    options: TrainingOptions,
    diary: Diary,
) -> HeldOut:
    """`split`: the part of every example, and rows that are in no part and always learnt from."""
    part_of, more = split
    parts = []
    for part in range(options.held_out_parts):
        rows = np.flatnonzero(part_of == part).tolist()
        if not any(prepared.intents[row] != OUTLIER for row in rows):
            continue  # of very few examples
        diary.work.begin(f"training, part {part + 1} held out")
        rest = [*np.flatnonzero(part_of != part).tolist(), *more]

        def show(network: Network, epoch: Epoch, rows: list[int] = rows, part: int = part) -> None:
            scores = predict(network, prepared, rows).scores
            dev = _accuracy(scores.numpy(), prepared.intents[rows].cpu().numpy())
            diary.epoch(f"part {part + 1} held out", epoch, len(part_of) - len(rows), dev)

        network = fit(encoder, prepared, rest, options, show)
        parts.append(held_out(network, prepared, rest, rows))
    return in_one(parts)


def _seen(network: Network, prepared: Prepared, data: TrainingData, rows: Sequence[int]) -> Asked:
    """The examples at `rows` without their intents' chances, which the network learnt by heart."""
    points = predict(network, prepared, rows).points.numpy()
    return Asked([data.examples[row].text for row in rows], prepared.embeddings[rows].cpu().numpy(), points, [])


def _dev_scores(
    data: TrainingData, names: tuple[str, ...], held: HeldOut, calibration: Calibration, options: TrainingOptions
) -> IntentScores:
    thresholds = Thresholds.keeping(options.budget, calibration.curve, calibration.lowest, 1.0)
    ranked = [ranking(names, row) for row in probabilities(held.scores[held.known], calibration.temperature)]
    in_scope = calibration.scope.folded(held.signals[held.known]).tolist()
    examples = [data.examples[row] for row in held.rows[held.known]]
    return scores_of(
        examples,
        [row[0] for row in ranked],
        [verdict(row, inside, thresholds)[0] for row, inside in zip(ranked, in_scope, strict=True)],
    )


def _accuracy(scores: NDArray[np.float32], intents: NDArray[np.int64]) -> float:
    known = intents != OUTLIER
    return float((scores[known].argmax(1) == intents[known]).mean()) if known.any() else 0.0


def _score(directory: Path, data: Path, story: Story, options: TrainingOptions, work: Work) -> Manifest:
    """Loads the model as serving does; the held-out folder is opened only now that nothing can change any more."""
    model = load_model(directory, budget=options.budget)
    manifest, test = model.manifest, None
    if (data / HELD_OUT).is_dir():
        try:
            test = evaluate(model, read_texts(data / HELD_OUT), {*BUDGETS, options.budget})
            manifest = replace(manifest, scores={**manifest.scores, **test.scores("test_")})
        except DataError as error:
            work.tell(f"Not scored on held-out texts: {error}")
    write_training_report(directory, manifest, story, test)
    write_manifest(directory, manifest)
    return manifest


def _log_folder(out: Path | Registry, name: str) -> Path:
    return out.folder.parent / "logs" / name if isinstance(out, Registry) else out.with_name(f"{out.name}-logs")


def _check_free(out: Path) -> None:
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(out, None, "something other than a model is here already.", "Choose another folder.")


def _deliver(directory: Path, out: Path | Registry, promote: bool) -> None:
    if isinstance(out, Registry):
        (out.take if promote else out.shelve)(directory)
        return
    if out.exists():
        shutil.rmtree(out)
    directory.rename(out)
