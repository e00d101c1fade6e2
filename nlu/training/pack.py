"""Writes what training made as a model directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from nlu.data.article import Article
from nlu.data.examples import Patterns
from nlu.engine.network import Network
from nlu.engine.signals import Floats
from nlu.entities import Label
from nlu.large.catalogue import Catalogue
from nlu.lexical import words_of
from nlu.load import EXPECTED, GRAPH, WEIGHTS
from nlu.manifest import Manifest, write_manifest
from nlu.negation import Negation
from nlu.neighbours import Neighbours
from nlu.remembered import Remembered
from nlu.retriever import Vectors
from nlu.scope import Scope
from nlu.tokens import TextReader
from nlu.training.seen import Seen
from nlu.training.shelve import Shelved


@dataclass(frozen=True, slots=True)
class Trained:
    manifest: Manifest
    network: Network
    reader: TextReader
    near: Neighbours
    remembered: Remembered
    scope: Scope
    patterns: Patterns
    values: dict[tuple[str, str], str]
    """Entity and case-folded text to the value that an annotation gave."""
    touching: frozenset[Label]
    negation: Negation
    shelved: Shelved | None
    seen: Seen
    """Kept beside the model, not in it."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves the network without torch."""

    graph: bytes
    expected: Floats
    """The points of the texts that a model is warmed up with, as the graph computed them here."""
    record: Mapping[str, Any]


def pack(directory: Path, trained: Trained, serving: Serving | None = None) -> None:
    """Everything that serving needs; nothing of the base model's folder is needed afterwards."""
    _write_weights(directory, trained, serving)
    trained.reader.tokenizer.save(str(directory / "tokenizer.json"))
    values = [[entity, surface, value] for (entity, surface), value in sorted(trained.values.items())]
    touching = sorted(trained.touching, key=str)
    _write_json(directory / "entities.json", {**trained.patterns.to_json(), "values": values, "touching": touching})
    _write_json(
        directory / "words.json", {"words": trained.reader.speller.words, "telling": trained.negation.to_json()}
    )
    _write_json(directory / "config.json", trained.network.encoder.shape.to_json())
    if trained.shelved is not None:
        _write_knowledge(directory, trained.shelved)
    if serving is not None:
        (directory / GRAPH).write_bytes(serving.graph)
    write_manifest(directory, replace(trained.manifest, engine=serving.record if serving else {}))


def _write_weights(directory: Path, trained: Trained, serving: Serving | None) -> None:
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.network.state_dict().items()}
    weights["neighbours.points"] = torch.from_numpy(trained.near.points.exact).half()
    weights["remembered.keys"] = torch.from_numpy(trained.remembered.keys.copy())
    weights["remembered.classes"] = torch.from_numpy(trained.remembered.classes.copy())
    weights["scope.examples"] = torch.from_numpy(trained.scope.examples.exact).half()
    weights["scope.direction"] = torch.from_numpy(trained.scope.direction)
    if serving is not None:
        weights[EXPECTED] = torch.from_numpy(serving.expected.copy())
    save_file(weights, directory / WEIGHTS)


def _write_knowledge(directory: Path, shelved: Shelved) -> None:
    articles = [mixed(article).to_json() for article in shelved.articles]
    _write_json(directory / "kb.json", {**shelved.fusion.to_json(), "articles": articles})
    if isinstance(shelved.vectors, Catalogue):
        shelved.vectors.write(directory)
    else:
        _write_vectors(directory, shelved.vectors)


def mixed(article: Article) -> Article:
    """Without a question that anybody asked: customers' own may be among them, and who is erased is not to be found
    here. What a search needs is how many there are, and their words in any order."""
    if not article.questions:
        return article
    words = sorted(word for question in article.questions for word in words_of(question))
    return replace(article, questions=(" ".join(words), *[""] * (len(article.questions) - 1)))


def _write_vectors(directory: Path, vectors: Vectors) -> None:
    arrays = {field.name: torch.tensor(getattr(vectors, field.name)) for field in fields(Vectors)}
    halved = {name: array.half() if array.is_floating_point() else array for name, array in arrays.items()}
    save_file(halved, directory / "kb.safetensors")


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", "utf-8")
