"""From a model directory to a model that is warm."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from nlu.architecture import Architecture
from nlu.budget import Curve
from nlu.data.article import Article
from nlu.data.examples import Patterns
from nlu.engine.device import DeviceError, choose_device, set_threads
from nlu.engine.heads import Heads
from nlu.engine.signals import Engine, Floats
from nlu.entities import EntityReader, Matcher
from nlu.families import Families
from nlu.intents import Judge, Thresholds
from nlu.languages import Languages
from nlu.large.catalogue import Catalogue
from nlu.large.retriever import Wide
from nlu.manifest import Manifest, ModelError, check_directory, sha256_of
from nlu.negation import Negation
from nlu.neighbours import Neighbours
from nlu.remembered import Remembered
from nlu.retriever import Fusion, Retriever, Vectors
from nlu.scope import Scope
from nlu.signing import ANYBODY, Trust
from nlu.similarity import UnitVectors
from nlu.spelling import Speller
from nlu.tokens import TextReader, known_to, prepared, tokenize
from nlu.types import ERROR_BUDGET
from nlu.understand import Model

WEIGHTS = "model.safetensors"
GRAPH = "encoder.onnx"
EXPECTED = "engine.expected"
"""Among the weights: the points of the texts to warm up with, as the graph computed them where it was made. Torch's
would differ by what fewer bits cost, and a machine by that is no other."""
WARM_UP = (
    "hello",
    "wo ist denn mein Paket geblieben",
    "where is the parcel that I ordered last week, it should have been here by now",
)
_ALIKE = 0.995
"""Cosine similarity to what is expected: below it this machine does not compute what the one did that trained."""
_log = logging.getLogger(__name__)


def load_model(
    directory: Path,
    *,
    device: str = "auto",
    threads: int = 0,
    budget: float = ERROR_BUDGET,
    trust: Trust = ANYBODY,
    with_torch: bool = False,
) -> Model:
    """`budget`: the share of in-scope texts that may be answered wrongly; `with_torch`: on a CPU, too, for whoever
    needs the network itself.

    Raises ModelError for a directory that is damaged, foreign, of nobody in `trust` or holds anything that could run.
    """
    manifest = check_directory(directory, trust)
    try:
        place = choose_device(device)
        engine = _onnx(directory, manifest, threads) if place == "cpu" and not with_torch else None
        model = _assembled(directory, manifest, budget, engine or _torch(directory, manifest, place, not with_torch))
        set_threads(threads)
        model.understand_now(WARM_UP)
    except (DeviceError, ModelError):
        raise
    except Exception as error:  # tokenizers raises nothing more precise, and a GPU may have no room left
        raise ModelError(
            f"The model in {directory} cannot be loaded ({_first_line(error)}). Train it again."
        ) from error
    return model


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


class _Weights:
    """Of a model, each read when it is asked for."""

    def __init__(self, directory: Path) -> None:
        self._file = safe_open(str(directory / WEIGHTS), framework="np")

    def __call__(self, name: str) -> Any:
        found = self.stored(name)
        return found.astype(np.float32) if found.dtype == np.float16 else found

    def stored(self, name: str) -> Any:
        """As precise as it is in the file."""
        return self._file.get_tensor(name)  # type: ignore[no-untyped-call]  # safetensors leaves it untyped


def _torch(directory: Path, manifest: Manifest, device: str, serving: bool) -> Engine:
    from nlu.engine.torch_engine import read_engine

    shape = Architecture.from_json(manifest.architecture)
    outputs = len(manifest.intents), 1 + 2 * len(manifest.entities)
    return read_engine(directory / WEIGHTS, shape, outputs, device, serving=serving)


def _onnx(directory: Path, manifest: Manifest, threads: int) -> Engine | None:
    """None if there is no graph, or this machine computes something else with it than the one that trained."""
    if GRAPH not in manifest.files:
        return None
    from nlu.engine.onnx_engine import OnnxEngine

    weights, shape = _Weights(directory), Architecture.from_json(manifest.architecture)
    heads = Heads.of(weights, shape.pooling, len(manifest.intents), 1 + 2 * len(manifest.entities))
    engine = OnnxEngine(directory / GRAPH, heads, threads)
    if sha256_of(directory / GRAPH) != manifest.files[GRAPH]:
        raise ModelError(f"{directory / GRAPH} changed while it was read. Train the model again.")
    points = warm_points(engine, _tokenizer(directory, shape.max_tokens))
    if float((points * weights(EXPECTED)).sum(1).min()) >= _ALIKE:
        return engine
    _log.warning("ONNX Runtime computes something else here than where the model was trained: torch serves it, slower.")
    return None


def warm_points(engine: Engine, tokenizer: Tokenizer) -> Floats:
    """Of the texts uncorrected: what is corrected, data change."""
    return np.stack([one.point for one in engine.run([tokens.ids for tokens in tokenize(tokenizer, WARM_UP)])])


def _assembled(directory: Path, manifest: Manifest, budget: float, engine: Engine) -> Model:
    weights, shape = _Weights(directory), Architecture.from_json(manifest.architecture)
    examples, direction = UnitVectors.of(weights.stored("scope.examples")), weights("scope.direction")
    counts, weight = np.array(manifest.neighbours["counts"]), manifest.neighbours["weight"]
    near = Neighbours(UnitVectors.of(weights.stored("neighbours.points")), counts, weight)
    return Model(
        manifest=manifest,
        reader=_reader(directory, shape.max_tokens, manifest.languages),
        engine=engine,
        thresholds=Thresholds.keeping(budget, Curve.from_json(manifest.budget), **manifest.thresholds),
        judge=Judge(manifest.intents, near, manifest.start, manifest.temperature),
        remembered=Remembered(weights("remembered.keys"), weights("remembered.classes")),
        scope=Scope.from_numbers(manifest.scope, examples, direction),
        entities=_entities(directory, manifest),
        retriever=_retriever(directory),
        families=Families.of(manifest.intents),
        negation=Negation.from_json(_words(directory)["telling"]),
        languages=Languages.of(manifest.languages),
    )


def _reader(directory: Path, most: int, languages: Sequence[str]) -> TextReader:
    tokenizer = _tokenizer(directory, most)
    return TextReader(tokenizer, Speller(_words(directory)["words"], known_to(tokenizer, languages)))


def _tokenizer(directory: Path, most: int) -> Tokenizer:
    return _parsed((directory / "tokenizer.json").read_bytes(), most)


@lru_cache(maxsize=2)
def _parsed(tokenizer: bytes, most: int) -> Tokenizer:
    """Once for models with the same: parsing holds Python's lock, and a change of model costs little without it."""
    return prepared(Tokenizer.from_buffer(tokenizer), most)


def _words(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "words.json").read_text("utf-8"))
    return found


def _entities(directory: Path, manifest: Manifest) -> EntityReader:
    values = json.loads((directory / "entities.json").read_text("utf-8"))
    patterns = Patterns.from_json(values)
    by_entity = {(entity, surface): value for entity, surface, value in values["values"]}
    touching = frozenset((entity, role, group) for entity, role, group in values["touching"])
    return EntityReader(manifest.entities, Matcher(patterns), patterns.synonyms, by_entity, touching)


def _retriever(directory: Path) -> Retriever | Wide | None:
    if not (directory / "kb.json").is_file():
        return None
    values = json.loads((directory / "kb.json").read_text("utf-8"))
    articles = [Article.from_json(article) for article in values["articles"]]
    if (known := Catalogue.read(directory)) is not None:
        return Wide(articles, known, Fusion.from_json(values))
    stored: dict[str, Any] = load_file(directory / "kb.safetensors")
    vectors = {name: a.astype(np.float32) if a.dtype == np.float16 else a for name, a in stored.items()}
    return Retriever(articles, Vectors(**vectors), Fusion.from_json(values))
