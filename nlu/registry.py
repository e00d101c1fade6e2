"""Model directories: what is in one, which is current, and which must not be loaded. No torch, no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import escape

from nlu import erased
from nlu.erased import Erased
from nlu.lineage import read_lineage
from nlu.lock import locked
from nlu.signing import ANYBODY, SIGNATURE, Keys, Trust
from nlu.source import Mendable

MANIFEST = "manifest.json"
FORMAT = 7
UNFINISHED = ".unfinished-"
"""Begins the name of a folder with the checkpoints of a training."""
_SCRATCH = ".new-"
_CURRENT = "current"
_HISTORY = ".history"
"""A line for each promotion: when, and which model."""
_DECISIONS = ".decisions"
_TRAINING = ".training"
"""The lock of whoever trains."""
_QUOTING = ".quoting"
"""The lock of whoever writes what quotes customers, or erases it."""
REPORT = "report"
"""The folder of a model's report: it may be missing, for it quotes what the model learnt."""
LONGEST_TRAINING = 2 * 24 * 3600.0
"""Seconds after which an unfinished model is taken for one that nobody works on."""
_ALLOWED = {".json", ".safetensors", ".html", ".png", ".txt"}
ERASED = "<erased>"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


class ModelError(Mendable):
    """A model directory that cannot be served, in one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model is, what it saw and how it scored; with it a training can be repeated."""

    id: str
    created: str
    """UTC, ISO 8601."""
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
    test_between: tuple[float, float] | None = None
    """Between which shares the held-out accuracy would lie in 95 of 100 cases, had other texts been asked."""

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
        if _sha256(directory / name) != expected:
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
    sealed = {**manifest.to_json(), "files": {name: _sha256(directory / name) for name in _files(directory)}}
    (directory / MANIFEST).write_text(json.dumps(sealed, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _files(directory: Path) -> list[str]:
    names = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir())
    return sorted(name for name in names if name not in (MANIFEST, SIGNATURE))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(path: Path, text: str) -> None:
    """At once or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


def _without(value: Any, texts: Collection[str]) -> Any:
    """JSON in which these strings are not told."""
    if isinstance(value, dict):
        return {name: _without(one, texts) for name, one in value.items()}
    if isinstance(value, list):
        return [_without(one, texts) for one in value]
    return ERASED if isinstance(value, str) and value in texts else value


class Registry:
    """The models below `home/models`, and which of them is served."""

    def __init__(self, home: Path, *, unsigned: bool = False) -> None:
        """With `unsigned`, models that nobody signed are taken, too."""
        self.folder = home / "models"
        self.keys = Keys.of(home)
        self._unsigned = unsigned

    @property
    def trust(self) -> Trust:
        """Raises KeyProblem."""
        return Trust(self.keys.known(), self._unsigned)

    def training(self, busy: Callable[[str], None] | None = None) -> AbstractContextManager[None]:
        """While it is open nobody else trains for this registry. Raises ModelError if somebody does; but `busy` is told
        who that is, and then waited."""
        return locked(self.folder / _TRAINING, busy or self._refuse)

    def trains(self) -> bool:
        """Whether anybody does."""
        try:
            with self.training():
                return False
        except ModelError:
            return True

    def _refuse(self, holder: str) -> None:
        raise ModelError(
            f"A model is being trained for {self.folder} already, by {holder}. Wait until that has ended, or stop it."
        )

    def sign(self, directory: Path) -> None:
        """Vouches for a sound directory, whoever made it. Raises ModelError, and KeyProblem."""
        check_directory(directory)
        self.keys.sign(directory, (directory / MANIFEST).read_bytes())

    def check(self, model: str) -> Manifest:
        """Raises ModelError for a model that must not be served, and KeyProblem."""
        return check_directory(self.under_its_name(model), self.trust)

    def list(self) -> list[Manifest]:
        """Readable models, each under its directory's name, the newest first."""
        return sorted(self._manifests(), key=lambda manifest: (manifest.created, manifest.id), reverse=True)

    def manifest(self, model: str) -> Manifest:
        return read_manifest(self.directory(model))

    def directory(self, model: str) -> Path:
        """Raises ModelError if there is none of this id."""
        if not _ID.fullmatch(model) or not (self.folder / model).is_dir():
            raise ModelError(f"There is no model '{model}' in {self.folder}. See 'frontdesk models list'.")
        return self.folder / model

    def under_its_name(self, model: str) -> Path:
        """The directory. Raises ModelError if it holds another model: a signature tells whose it is, not which."""
        directory = self.directory(model)
        if (really := read_manifest(directory).id) != model:
            raise ModelError(f"{directory} is model {really} under another name. Name it so, or remove it.")
        return directory

    def current_id(self) -> str | None:
        """The id that the pointer names; None if nothing was ever promoted."""
        try:
            return (self.folder / _CURRENT).read_text("utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def current(self, data_hash: str | None = None) -> Path | None:
        """The current model's directory; with a hash, only if it was trained on that data."""
        model = self.current_id()
        if model is None or not (self.folder / model).is_dir():
            return None
        if data_hash is not None and self.manifest(model).data_hash != data_hash:
            return None
        return self.folder / model

    def usable(self) -> Path | None:
        """The current model if it is sound, else the newest one that is, and has passed."""
        newest = [manifest.id for manifest in self.list() if self.passed(manifest.id)]
        current = self.current_id()
        for model in [current, *newest] if current else newest:
            if self.is_sound(model):
                return self.folder / model
        return None

    def untainted(self) -> Path | None:
        """The usable model, if nothing that it learnt from was erased since: another one may build upon it."""
        found = self.usable()
        return None if found is not None and found.name in self.stained() else found

    def add(self, directory: Path) -> str:
        """Copies a signed model directory in. The current model stays what it is. Returns its id."""
        check_directory(directory, self.trust)
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self.folder) as scratch:
            copy = Path(scratch) / "model"
            shutil.copytree(directory, copy)
            return self.shelve(copy)

    def take(self, directory: Path) -> str:
        """Moves a signed directory in, which must lie on the same file system, and makes it current."""
        model = self.shelve(directory)
        self.promote(model)
        return model

    def shelve(self, directory: Path) -> str:
        """As `take`, but the current model stays what it is."""
        manifest = check_directory(directory, self.trust)
        if not _ID.fullmatch(manifest.id):
            raise ModelError(f"{directory} calls its model '{manifest.id[:80]}', which is no name. Train it again.")
        if (self.folder / manifest.id).exists():
            raise ModelError(f"There is a model '{manifest.id}' in {self.folder} already.")
        with locked(self.folder / _QUOTING):
            directory.rename(self.folder / manifest.id)
            self._remove_reports()  # somebody may have been erased since the training read its examples
        return manifest.id

    def promote(self, model: str) -> None:
        """Makes a sound model the current one, at once or not at all. It is held no longer."""
        self.check(model)
        _replace(self.folder / _CURRENT, model + "\n")
        if self.held(model):
            self._amend(model, held=False, promoted="by hand")
        with (self.folder / _HISTORY).open("a", encoding="utf-8") as history:
            history.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {model}\n")

    def rollback(self) -> str:
        """Makes the model current that was so before, and holds the one that is. Raises ModelError if there is none."""
        current, before = self.current_id(), self._before()
        if before is None:
            raise ModelError(f"No model in {self.folder} was current before. See 'frontdesk models list'.")
        self.promote(before)
        if current is not None and (self.folder / current).is_dir():
            self._amend(current, held=True, why=f"rolled back to {before}")
        return before

    def is_sound(self, model: str) -> bool:
        try:
            self.check(model)
        except ModelError:
            return False
        return True

    def tidy(self) -> None:
        """Removes what trainings that were killed left behind."""
        for left in (*self.folder.glob(f"{_SCRATCH}*"), *self.folder.glob(f"{UNFINISHED}*")):
            with suppress(OSError):  # another process may tidy, too
                if time.time() - left.stat().st_mtime > LONGEST_TRAINING:
                    shutil.rmtree(left)

    def prune(self, keep: int) -> Sequence[str]:
        """Removes all models but the newest, the current one and the one before it, and those that learnt from what
        was erased, unless one is current. Returns their ids."""
        models = [manifest.id for manifest in self.list()]
        kept = {self._before(), *models[:keep]} - set(self.stained()) | {self.current_id()}
        gone = [model for model in models if model not in kept]
        for model in gone:
            shutil.rmtree(self.folder / model)
            (self.folder / _DECISIONS / f"{model}.json").unlink(missing_ok=True)
            self.page(model).unlink(missing_ok=True)
        return gone

    def _before(self) -> str | None:
        """The model that was current before, and is still there and not held."""
        current = self.current_id()
        known = (model for model in reversed(self.promoted()) if model != current and not self.held(model))
        return next((model for model in known if (self.folder / model).is_dir()), None)

    def decide(self, model: str, decision: Mapping[str, Any]) -> None:
        """Notes what the gate said of a model: with `held` it is not served unless a person promotes it."""
        self.directory(model)
        (self.folder / _DECISIONS).mkdir(exist_ok=True)
        _replace(self.folder / _DECISIONS / f"{model}.json", json.dumps(decision, ensure_ascii=False) + "\n")

    def _amend(self, model: str, **more: Any) -> None:
        with locked(self.folder / _QUOTING):
            self.decide(model, {**self.decision(model), **more})

    @contextmanager
    def quoting(self, since: datetime) -> Iterator[bool]:
        """Whether what was read since then may be quoted: not if anybody was erased, and nobody is while it is open."""
        with locked(self.folder / _QUOTING):
            yield not Erased.of(self.folder).since(since)

    def decision(self, model: str) -> Mapping[str, Any]:
        """Empty if nothing was decided."""
        try:
            found = json.loads((self.folder / _DECISIONS / f"{model}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def forget(self, keys: Collection[str], texts: Collection[str], at: datetime) -> None:
        """Notes the lineage keys of erased utterances, takes their texts out of what the gate said, and removes the
        pages and reports that may show them and the trainings that were not finished."""
        if not self.folder.is_dir():
            return
        with locked(self.folder / _QUOTING):
            self._forget(keys, texts, at)

    def _forget(self, keys: Collection[str], texts: Collection[str], at: datetime) -> None:
        for left in (*self.folder.glob(f"{UNFINISHED}*"), *self._unfinished_of(set(keys))):
            shutil.rmtree(left, ignore_errors=True)
        _replace(self.folder / erased.FILE, Erased.of(self.folder).with_keys(keys, at).to_text())
        for path in (self.folder / _DECISIONS).glob("*.json"):
            try:
                said = json.loads(path.read_text("utf-8"))
            except ValueError:
                path.unlink()  # nobody can tell whether it quotes them, and what cannot be read decides nothing
                continue
            if (silent := _without(said, texts)) != said:
                _replace(path, json.dumps(silent, ensure_ascii=False) + "\n")
        self._remove_pages([str(escape(text)) for text in texts])
        self._remove_reports()

    def _remove_reports(self) -> None:
        """Those of models that learnt from what was erased: they show what is confused."""
        for model in self.stained():
            shutil.rmtree(self.folder / model / REPORT, ignore_errors=True)

    def _unfinished_of(self, keys: Collection[str]) -> Iterable[Path]:
        """Models that learnt from them, and that a training which was killed, or still runs, has begun to write."""
        return [made for made in self.folder.glob(f"{_SCRATCH}*/*") if not read_lineage(made).isdisjoint(keys)]

    def _remove_pages(self, texts: Collection[str]) -> None:
        """Those of models that learnt from what was erased, perhaps in other words, and those that quote a text."""
        learnt = set(self.stained())
        for page in (self.folder / _DECISIONS).glob("*.html"):
            shown = page.read_text("utf-8")
            if page.stem in learnt or any(text in shown for text in texts):
                page.unlink()

    def stained(self) -> Sequence[str]:
        """The models that learnt from utterances which were erased since, the newest first: they need a successor."""
        gone = Erased.of(self.folder)
        return [one.id for one in self.list() if gone.learnt_by(self.folder / one.id, one.created)]

    def page(self, model: str) -> Path:
        """Where the page lies that shows what the model changed, if there is one."""
        return self.folder / _DECISIONS / f"{model}.html"

    def held(self, model: str) -> bool:
        return bool(self.decision(model).get("held"))

    def passed(self, model: str) -> bool:
        """Whether it may be served though nobody asks for it: it was current before or the gate let it pass, and it is
        not held. On a model whose training ended before the gate nobody decided yet."""
        decision = self.decision(model)
        return not decision.get("held") and (bool(decision) or model in self.promoted())

    def promoted(self) -> Sequence[str]:
        """Every model that was ever current, the last one last."""
        try:
            lines = (self.folder / _HISTORY).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []
        return [line.partition(" ")[2] for line in lines]

    def _manifests(self) -> Iterable[Manifest]:
        for directory in self.folder.glob("*"):
            try:
                if not directory.name.startswith(".") and directory.is_dir():
                    yield replace(read_manifest(directory), id=directory.name)
            except ModelError:
                continue
