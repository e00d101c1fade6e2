"""A model directory's manifest: what the model is, and whether the directory is what training wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nlu.signing import ANYBODY, SIGNATURE, Trust
from nlu.source import Mendable

MANIFEST = "manifest.json"
FORMAT = 8
REPORT = "report"
"""The folder of a model's report: it may be missing, for it quotes what the model learnt."""
_ALLOWED = {".json", ".onnx", ".safetensors", ".html", ".png", ".txt", ".usearch"}


class ModelError(Mendable):
    """A model directory that cannot be served, in one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model is, what it saw and how it scored; with it a training can be repeated."""

    id: str
    created: str
    """When its training began: UTC, ISO 8601, to the millisecond, so that the later of two is the newer one."""
    base_model: str
    seed: int
    data_hash: str
    architecture: Mapping[str, Any]
    intents: tuple[str, ...]
    entities: tuple[tuple[str, str | None, str | None], ...]
    """Entity, role and group of each label of the token head."""
    temperature: float
    neighbours: Mapping[str, Any]
    scope: Mapping[str, Any]
    thresholds: Mapping[str, float]
    """Of scope and knowledge."""
    budget: Mapping[str, Any]
    """A nlu.budget.Curve: what error budgets cost, and the thresholds that keep them."""
    scores: Mapping[str, float]
    options: Mapping[str, Any]
    versions: Mapping[str, str]
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of those that the examples are in."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of every file of the directory but this one."""
    format: int = FORMAT
    start: float = 0.0
    """Weight of the opinion that the intent head had before training."""
    learned: str = ""
    """Names the conversations' labelled utterances that were learnt from beside the data; empty without."""
    examples: int = 0
    """Labelled ones that it learnt from, those of conversations among them; 0: not noted."""
    engine: Mapping[str, Any] = field(default_factory=dict)
    """How the graph for ONNX Runtime computes and agrees with the network; empty where there is none."""
    test_between: tuple[float, float] | None = None
    """Between which shares the held-out accuracy would lie in 95 of 100 cases, had other texts been asked."""

    @property
    def made(self) -> str:
        """`created` as people read it, to the minute."""
        return f"{self.created[:16].replace('T', ' ')} UTC"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Manifest:
        known = dict(values)
        known["intents"] = tuple(known["intents"])
        known["test_between"] = _pair(known.get("test_between"))
        known["languages"] = tuple(known.get("languages", ()))
        known["entities"] = tuple((entity, role, group) for entity, role, group in known["entities"])
        return cls(**known)


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    if values is None:
        return None
    low, high = map(float, values)
    return low, high


def read_manifest(directory: Path) -> Manifest:
    """Raises ModelError if this is no model directory of ours."""
    return _manifest_in(_manifest_bytes(directory), directory)


def _manifest_bytes(directory: Path) -> bytes:
    try:
        return (directory / MANIFEST).read_bytes()
    except OSError:
        raise ModelError(
            f"{directory} is not a model directory: it has no readable {MANIFEST}. Train one with 'frontdesk train'."
        ) from None


def _manifest_in(content: bytes, directory: Path) -> Manifest:
    try:
        manifest = Manifest.from_json(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ModelError(f"{directory / MANIFEST} cannot be understood. Train the model again.") from None
    if manifest.format != FORMAT:
        raise ModelError(f"{directory} was written by another version of Frontdesk. Train the model again.")
    return manifest


def check_directory(directory: Path, trust: Trust = ANYBODY) -> Manifest:
    """The manifest, if every file is the one that training wrote, none could run code, and who signed it is trusted.
    Raises ModelError."""
    content = _manifest_bytes(directory)  # once: what is signed has to be what is believed
    manifest = _manifest_in(content, directory)
    if objection := trust.objection(directory, content):
        raise ModelError(objection)
    found = set(_files(directory))
    for name in sorted(found - set(manifest.files)):
        raise ModelError(f"{directory / name} does not belong to the model. Remove the file or train again.")
    for name, expected in manifest.files.items():
        if Path(name).suffix not in _ALLOWED:
            raise ModelError(f"{directory / name} is of a kind that is never loaded. Train the model again.")
        if name not in found:
            if name.startswith(f"{REPORT}/"):
                continue
            raise ModelError(f"{directory / name} is missing. Train the model again.")
        if sha256_of(directory / name) != expected:
            raise ModelError(
                f"{directory / name} is not what training wrote: damaged or edited. Train the model again."
            )
    return manifest


def holds_only_a_model(directory: Path) -> bool:
    """Whether training wrote all that lies there, of whatever version and though it is damaged."""
    try:
        listed = set(json.loads(_manifest_bytes(directory))["files"])
    except (ModelError, ValueError, TypeError, KeyError, RecursionError):
        return False
    return listed.issuperset(_files(directory))


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Seals the directory: lists every file that lies in it. It is signed no longer."""
    (directory / SIGNATURE).unlink(missing_ok=True)
    sealed = {**manifest.to_json(), "files": {name: sha256_of(directory / name) for name in _files(directory)}}
    (directory / MANIFEST).write_text(json.dumps(sealed, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _files(directory: Path) -> list[str]:
    names = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir())
    return sorted(name for name in names if name not in (MANIFEST, SIGNATURE))


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
