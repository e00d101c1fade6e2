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
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from nlu.base_model import BUILT_IN, base_folder, check_built_in, read_base
from nlu.data.examples import TrainingData
from nlu.data.reader import HELD_OUT, read_training_data
from nlu.encoder import Encoder
from nlu.engine.network import Network
from nlu.engine.torch_engine import TorchEngine, choose_device, set_threads
from nlu.entities import values_of
from nlu.intents import probabilities, ranking
from nlu.registry import MANIFEST, Manifest, Registry, write_manifest
from nlu.source import DataError
from nlu.tokens import tokenize
from nlu.training.calibrate import HeldOut, fitted_scope, held_out, joined, scope_of, temperature, thresholds
from nlu.training.evaluate import evaluate
from nlu.training.fit import Epoch, fit, predict
from nlu.training.options import Progress, TrainingOptions
from nlu.training.pack import Trained, pack
from nlu.training.prepare import OUTLIER, Prepared, prepare
from nlu.training.progress import Work, silent
from nlu.training.shelve import Chances, shelf_of, shelve
from nlu.understand import load_model

_PACKAGES = ("torch", "tokenizers", "safetensors", "sentence-transformers", "numpy")
_PARTS = 5
"""One of so many parts of the data is held out to calibrate on; cross-validation holds out each in turn."""


def train(
    data: Path, out: Path | Registry, options: TrainingOptions | None = None, progress: Progress = silent
) -> Manifest:
    """Writes a model directory at `out`, or adds the model to the registry and makes it current.

    Raises DataError for data or a base model that cannot be used; nothing is written then.
    """
    options = options or TrainingOptions()
    examples = read_training_data(data)
    if isinstance(out, Path):
        _check_free(out)
    set_threads(options.threads)
    work = Work(_amount(examples, options), progress)
    trained = _learn(examples, options, work)
    home = out.folder if isinstance(out, Registry) else out.parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=home) as scratch:
        directory = Path(scratch) / trained.manifest.id
        directory.mkdir()
        pack(directory, trained)
        manifest = _score(directory, trained.manifest, data, work)
        _deliver(directory, out)
    return manifest


def _amount(data: TrainingData, options: TrainingOptions) -> float:
    """The work in examples: read once, then seen once an epoch, in the trainings for held-out parts and the last."""
    trainings = 1 + options.held_out_parts * (1 - 1 / _PARTS)
    return len(data.examples) * (1 + options.epochs * trainings) + len(shelf_of(data.articles).keys)


def _learn(data: TrainingData, options: TrainingOptions, work: Work) -> Trained:
    device = choose_device(options.device)
    folder = base_folder(options.base_model)
    if options.base_model == BUILT_IN:
        check_built_in(folder)
    encoder, tokenizer = read_base(folder)
    encoder.to(device).fork(options.tuned_layers or (encoder.shape.layers + 1) // 2, options.dropout)
    shelf = shelf_of(data.articles)
    rows = range(len(data.examples))

    work.begin("reading the examples")
    prepared = prepare(data, encoder, tokenizer, device, work.advance)
    held = _held_out(encoder, prepared, options, work)
    work.begin("training on everything")
    network = fit(encoder, prepared, rows, options, lambda _, epoch: work.advance(len(rows), _line(epoch)))

    scope = fitted_scope(held, *scope_of(prepared, rows))
    heat = temperature(held)
    limits = thresholds(held, scope, heat)
    shelved = None
    if data.articles:
        work.begin("reading the knowledge base")
        questions = _Questioner(network, tokenizer, device, prepared.names, heat)
        vectors = _sentence_vectors(folder, [key.text for key in shelf.keys], device)
        outliers = (held.embeddings[~held.known], questions.chances(held.scores[~held.known]))
        shelved = shelve(shelf, vectors, questions.ask([k.text for k in shelf.keys if k.passage < 0]), outliers)
        limits = replace(limits, knowledge=shelved.sure)
        work.advance(len(shelf.keys))
    work.begin("checking the model")
    made = datetime.now(UTC)
    manifest = Manifest(
        id=f"{made:%Y%m%d-%H%M%S}-{data.hash[:8]}",
        created=made.isoformat(timespec="seconds"),
        base_model=options.base_model,
        seed=options.seed,
        data_hash=data.hash,
        architecture=encoder.shape.to_json(),
        intents=prepared.names,
        entities=prepared.labels,
        temperature=heat,
        scope=scope.numbers(),
        thresholds=limits.to_json(),
        scores={"dev_accuracy": _accuracy(held.scores, held.intents)},
        options=options.to_json(),
        versions={package: version(package) for package in _PACKAGES},
    )
    values = values_of(data.examples, data.patterns)
    return Trained(manifest, network, tokenizer, scope, data.patterns, values, shelved)


def _held_out(encoder: Encoder, prepared: Prepared, options: TrainingOptions, work: Work) -> HeldOut:
    part_of = _stratified(prepared.intents.cpu().numpy(), options.seed)
    parts = []
    for part in range(options.held_out_parts):
        work.begin(f"training, part {part + 1} held out")
        rows = np.flatnonzero(part_of == part).tolist()
        rest = np.flatnonzero(part_of != part).tolist()

        def show(network: Network, epoch: Epoch, rows: list[int] = rows, rest: list[int] = rest) -> None:
            scores, _ = predict(network, prepared, rows)
            dev = _accuracy(scores.numpy(), prepared.intents[rows].cpu().numpy())
            work.advance(len(rest), f"{_line(epoch)}, dev accuracy {dev:.1%}")

        network = fit(encoder, prepared, rest, options, show)
        parts.append(held_out(prepared, rest, rows, predict(network, prepared, rows)[0]))
    return joined(parts)


def _stratified(intents: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """A part for every example, each intent spread over all parts as evenly as it goes."""
    random = np.random.default_rng(seed)
    parts = np.zeros(len(intents), np.int64)
    for intent in np.unique(intents):
        rows = random.permutation(np.flatnonzero(intents == intent))
        parts[rows] = (np.arange(len(rows)) + random.integers(_PARTS)) % _PARTS
    return parts


def _accuracy(scores: NDArray[np.float32], intents: NDArray[np.int64]) -> float:
    known = intents != OUTLIER
    return float((scores[known].argmax(1) == intents[known]).mean()) if known.any() else 0.0


def _line(epoch: Epoch) -> str:
    return f"epoch {epoch.number}: loss {epoch.loss:.3f}"


class _Questioner:
    """The chances of each intent, for texts that only choose thresholds."""

    def __init__(
        self, network: Network, tokenizer: Tokenizer, device: torch.device, names: tuple[str, ...], heat: float
    ) -> None:
        self._engine = TorchEngine(network, device)
        self._tokenizer = tokenizer
        self._names = names
        self._heat = heat

    def ask(self, texts: Sequence[str]) -> Chances:
        signals = self._engine.run([tokens.ids for tokens in tokenize(self._tokenizer, texts)])
        return self.chances(np.array([one.intents for one in signals], np.float32).reshape(len(texts), -1))

    def chances(self, scores: NDArray[np.float32]) -> Chances:
        likely = (probabilities(row, self._heat) for row in scores)
        return [{intent.name: intent.confidence for intent in ranking(self._names, row)} for row in likely]


def _sentence_vectors(folder: Path, texts: list[str], device: torch.device) -> NDArray[np.float32]:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    model = SentenceTransformer(str(folder), device=str(device))
    vectors = model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, np.float32)


def _score(directory: Path, manifest: Manifest, data: Path, work: Work) -> Manifest:
    """Loads the model as serving does; the held-out folder is opened only now that nothing can change any more."""
    model = load_model(directory)
    held_out_folder = data / HELD_OUT
    if held_out_folder.is_dir():
        try:
            found = evaluate(model, held_out_folder)
        except DataError as error:
            work.tell(f"not scored on held-out texts: {error}")
        else:
            manifest = replace(manifest, scores={**manifest.scores, **found.scores("test_")})
    write_manifest(directory, manifest)
    return manifest


def _check_free(out: Path) -> None:
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(out, None, "something other than a model is here already.", "Choose another folder.")


def _deliver(directory: Path, out: Path | Registry) -> None:
    if isinstance(out, Registry):
        out.take(directory)
        return
    if out.exists():
        shutil.rmtree(out)
    directory.rename(out)
