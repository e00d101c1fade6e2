"""What a training learns of its data: a network, how to read what it says, and the knowledge base's index."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import torch

from nlu.base_model import BUILT_IN, base_folder, check_built_in, read_base
from nlu.data.examples import TrainingData
from nlu.encoder import Encoder
from nlu.engine.device import choose_device
from nlu.engine.torch_engine import TorchEngine, network_of
from nlu.entities import touching_in, values_of, with_synonyms
from nlu.evaluation.intents import scores_of
from nlu.evaluation.scores import IntentScores
from nlu.families import Families
from nlu.intents import Judge, Thresholds, probabilities, ranking, verdict
from nlu.languages import spoken
from nlu.large.catalogue import Catalogue
from nlu.manifest import Manifest
from nlu.negation import Negation
from nlu.neighbours import Neighbours
from nlu.remembered import Remembered
from nlu.retriever import Asked
from nlu.tokens import TextReader
from nlu.training.anew import tuned_anew
from nlu.training.calibrate import Learnt, neighbours
from nlu.training.diary import Diary
from nlu.training.head import head_alone
from nlu.training.mistyped import copies
from nlu.training.options import PARTS, TrainingOptions
from nlu.training.pack import Trained, mixed
from nlu.training.prepare import Prepared, prepare
from nlu.training.report import Story
from nlu.training.seen import Seen, layers_of
from nlu.training.shelve import Lines, QuestionReader, Shelved, is_large, keys_of, lines_of, shelve
from nlu.training.words import speller_of
from nlu.understand import Model

_PACKAGES = ("torch", "onnxruntime", "tokenizers", "safetensors", "sentence-transformers", "numpy")


def amount(data: TrainingData, options: TrainingOptions, last: Model | None = None) -> float:
    """The work in examples: read once, then seen once an epoch, in the trainings for held-out parts and the last."""
    trainings = 1 + options.held_out_parts * (1 - 1 / PARTS)
    seen = 1 if last else copies(data.examples) / 2 + options.epochs * options.averaged * trainings
    return len(data.examples) * (1 + seen) + keys_of(data.articles)


def learn(
    data: TrainingData,
    options: TrainingOptions,
    made: datetime,
    diary: Diary,
    kept: tuple[Model, Seen] | None = None,
) -> tuple[Trained, Story]:
    """With a `kept` model its layers stay as they are; what they have seen already is not read again."""
    last, seen = kept or (None, None)
    lesson = _read(data, options, diary, last, seen)
    prepared = lesson.prepared
    if last is None:
        learnt = tuned_anew(lesson.encoder, prepared, data, options, diary)
    else:
        learnt = head_alone(last, prepared, data, options, diary)
    near = neighbours(learnt.points, prepared, prepared.examples, learnt.calibration.near)
    shelved = _shelved(lesson, learnt, near, diary) if data.articles else None
    diary.work.begin("checking the model")
    story = Story(diary.epochs, _dev_scores(data, prepared.names, learnt, options), data.warnings)
    manifest = _manifest(lesson, learnt, (near, shelved), made, story)
    return _trained(lesson, learnt, (near, shelved), manifest), story


@dataclass(frozen=True, slots=True)
class _Lesson:
    data: TrainingData
    options: TrainingOptions
    folder: Path
    """Of the base model."""
    device: torch.device
    encoder: Encoder
    reader: TextReader
    prepared: Prepared
    languages: frozenset[str]
    last: Model | None
    """Whose layers stay."""


def _read(data: TrainingData, options: TrainingOptions, diary: Diary, last: Model | None, seen: Seen | None) -> _Lesson:
    device, folder = torch.device(choose_device(options.device)), base_folder(options.base_model)
    torch.set_float32_matmul_precision("high")  # on a GPU products of 19 bits, in the units that are made for them
    if options.base_model == BUILT_IN:
        check_built_in(folder)
    if last is None:
        encoder, tokenizer = read_base(folder)
        encoder.to(device).fork(options.tuned_layers or (encoder.shape.layers + 1) // 2, options.dropout)
    else:
        encoder, tokenizer = network_of(last.engine).to(device).encoder, last.reader.tokenizer
    diary.work.begin("reading the examples")
    languages = frozenset({*data.languages, *spoken([e.text for e in data.examples if not e.outlier])})
    reader = TextReader(tokenizer, speller_of(data, tokenizer, languages))
    prepared = prepare(data, encoder, reader, device, diary.work.advance, mistyped=last is None, seen=seen)
    return _Lesson(data, options, folder, device, encoder, reader, prepared, languages, last)


def _shelved(lesson: _Lesson, learnt: Learnt, near: Neighbours, diary: Diary) -> Shelved:
    before = lesson.last.retriever if lesson.last else None
    if before is not None and tuple(before.articles) == tuple(mixed(article) for article in lesson.data.articles):
        return Shelved(lesson.data.articles, before.vectors, before.fusion)
    diary.work.begin("reading the knowledge base")
    data, calibration = lesson.data, learnt.calibration
    judge = Judge(lesson.prepared.names, near, calibration.start, calibration.temperature)
    engine = TorchEngine(deepcopy(learnt.network), lesson.device.type)  # which halves its network on a GPU
    reader = QuestionReader(engine, lesson.reader, judge)
    known = lines_of(data.articles, data.examples)
    lines = Lines(_seen(lesson, learnt, known), [data.examples[row].family for row in known])
    alike = before is not None and isinstance(before.vectors, Catalogue) == is_large(data.articles)
    joining = before.fusion if before and alike else _strangers(lesson, learnt, reader)
    return shelve(data.articles, (lesson.folder, lesson.device), reader, lines, joining, tell=diary.work.advance)


def _strangers(lesson: _Lesson, learnt: Learnt, reader: QuestionReader) -> Asked:
    """The out-of-scope examples that were held out."""
    held = learnt.held
    likely = probabilities(held.scores[~held.known], learnt.calibration.temperature)
    strange = _seen(lesson, learnt, held.rows[~held.known].tolist())
    return replace(strange, likely=[reader.chances(row) for row in likely])


def _seen(lesson: _Lesson, learnt: Learnt, rows: Sequence[int]) -> Asked:
    """The examples at `rows` without their intents' chances, which the network learnt by heart."""
    embeddings = lesson.prepared.embeddings[rows].cpu().numpy()
    return Asked([lesson.data.examples[row].text for row in rows], embeddings, learnt.points[rows].numpy(), [])


def _dev_scores(data: TrainingData, names: tuple[str, ...], learnt: Learnt, options: TrainingOptions) -> IntentScores:
    held, calibration = learnt.held, learnt.calibration
    thresholds = Thresholds.keeping(options.budget, calibration.curve, calibration.lowest, 1.0)
    families = Families.of(names)
    ranked = [ranking(families, row) for row in probabilities(held.scores[held.known], calibration.temperature)]
    in_scope = calibration.scope.folded(held.signals[held.known]).tolist()
    examples = [data.examples[row] for row in held.rows[held.known]]
    return scores_of(
        examples,
        [row[0] for row in ranked],
        [verdict(row, inside, thresholds)[0] for row, inside in zip(ranked, in_scope, strict=True)],
    )


def _manifest(
    lesson: _Lesson, learnt: Learnt, found: tuple[Neighbours, Shelved | None], made: datetime, story: Story
) -> Manifest:
    calibration, (near, shelved) = learnt.calibration, found
    return Manifest(
        id=f"{made:%Y%m%d-%H%M%S}-{lesson.data.hash[:8]}",
        created=made.isoformat(timespec="milliseconds"),
        base_model=lesson.options.base_model,
        seed=lesson.options.seed,
        data_hash=lesson.data.hash,
        architecture=lesson.encoder.shape.to_json(),
        intents=lesson.prepared.names,
        entities=lesson.prepared.labels,
        temperature=calibration.temperature,
        neighbours={"weight": near.weight, "counts": near.counts.tolist()},
        start=calibration.start,
        scope=calibration.scope.numbers(),
        thresholds={"scope": calibration.lowest, "knowledge": shelved.sure if shelved else 1.0},
        budget=calibration.curve.to_json(),
        scores={} if lesson.last else {"dev_accuracy": story.dev.accuracy},  # layers that stay know what is held out
        options=lesson.options.to_json(),
        versions={package: version(package) for package in _PACKAGES},
        languages=tuple(sorted(lesson.languages)),
        examples=sum(not example.guessed for example in lesson.data.examples),
    )


def _trained(lesson: _Lesson, learnt: Learnt, found: tuple[Neighbours, Shelved | None], manifest: Manifest) -> Trained:
    data, prepared, (near, shelved) = lesson.data, lesson.prepared, found
    taught = [row for row in prepared.examples if not data.examples[row].guessed]
    return Trained(
        manifest,
        learnt.network,
        lesson.reader,
        near,
        Remembered.of([data.examples[row].text for row in taught], prepared.intents[taught].tolist()),
        learnt.calibration.scope,
        with_synonyms(data.patterns, data.examples),
        values_of(data.examples, data.patterns),
        touching_in(data.examples),
        Negation.of(data.examples),
        shelved,
        Seen(
            layers_of(learnt.network.encoder),
            prepared.keys,
            learnt.points,
            prepared.embeddings[list(prepared.examples)].cpu(),
        ),
    )
