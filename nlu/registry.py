"""The models of a home folder: which is current, which are held, and which must not be loaded. No torch, no pickle."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nlu import decisions, erased
from nlu.atomic import write_text
from nlu.decisions import Decisions
from nlu.erased import Erased
from nlu.lineage import read_lineage
from nlu.lock import locked
from nlu.manifest import MANIFEST, REPORT, Manifest, ModelError, check_directory, read_manifest
from nlu.signing import Keys, Trust

UNFINISHED = ".unfinished-"
"""Begins the name of a folder with the checkpoints of a training."""
SEEN = ".seen.safetensors"
"""What the layers of the model that was trained last make of its examples."""
_SCRATCH = ".new-"
_CURRENT = "current"
_HISTORY = ".history"
"""A line for each promotion: when, and which model."""
_TRAINING = ".training"
"""The lock of whoever trains."""
_QUOTING = ".quoting"
"""The lock of whoever writes what quotes customers, or erases it."""
LONGEST_TRAINING = 2 * 24 * 3600.0
"""Seconds after which an unfinished model is taken for one that nobody works on."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


class Registry:
    """The models below `home/models`, and which of them is served."""

    def __init__(self, home: Path, *, unsigned: bool = False) -> None:
        """With `unsigned`, models that nobody signed are taken, too."""
        self.folder = home / "models"
        self._decisions = Decisions(self.folder / decisions.FOLDER)
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
        return self._usable_but(())

    def untainted(self) -> Path | None:
        """The same of those that learnt from nothing that was erased since: another one may build upon it."""
        return self._usable_but(self.stained())

    def _usable_but(self, these: Collection[str]) -> Path | None:
        newest = [manifest.id for manifest in self.list() if self.passed(manifest.id)]
        current = self.current_id()
        for model in [current, *newest] if current else newest:
            if model not in these and self.is_sound(model):
                return self.folder / model
        return None

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
        write_text(self.folder / _CURRENT, model + "\n")
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
            self._decisions.remove(model)
        return gone

    def _before(self) -> str | None:
        """The model that was current before, and is still there and not held."""
        current = self.current_id()
        known = (model for model in reversed(self.promoted()) if model != current and not self.held(model))
        return next((model for model in known if (self.folder / model).is_dir()), None)

    def decide(self, model: str, decision: Mapping[str, Any]) -> None:
        """Notes what the gate said of a model: with `held` it is not served unless a person promotes it."""
        self.directory(model)
        self._decisions.write(model, decision)

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
        return self._decisions.of(model)

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
        (self.folder / SEEN).unlink(missing_ok=True)
        write_text(self.folder / erased.FILE, Erased.of(self.folder).with_keys(keys, at).to_text())
        self._decisions.forget(texts, self.stained())
        self._remove_reports()

    def _remove_reports(self) -> None:
        """Those of models that learnt from what was erased: they show what is confused."""
        for model in self.stained():
            shutil.rmtree(self.folder / model / REPORT, ignore_errors=True)

    def _unfinished_of(self, keys: Collection[str]) -> Iterable[Path]:
        """Models that learnt from them, and that a training which was killed, or still runs, has begun to write."""
        return [made for made in self.folder.glob(f"{_SCRATCH}*/*") if not read_lineage(made).isdisjoint(keys)]

    def stained(self) -> Sequence[str]:
        """The models that learnt from utterances which were erased since, the newest first: they need a successor."""
        gone = Erased.of(self.folder)
        return [one.id for one in self.list() if gone.learnt_by(self.folder / one.id, one.created)]

    def page(self, model: str) -> Path:
        """Where the page lies that shows what the model changed, if there is one."""
        return self._decisions.page(model)

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
