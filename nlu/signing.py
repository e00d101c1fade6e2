"""Who wrote a model directory: an Ed25519 signature of its manifest, which names the sum of every other file."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from nlu.source import Mendable

SIGNATURE = "manifest.sig"
FOLDER = "keys"
"""In the home folder."""
_PRIVATE, _TRUSTED = "models.pem", "trusted.txt"
_PURPOSE = b"frontdesk model 1\n"
"""Signed along, so that a signature made for anything else is none."""
_KEY = re.compile(r"[0-9a-f]{64}")


class KeyProblem(Mendable):
    """A key that cannot be used, in one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose models are taken."""

    keys: frozenset[str] | None
    """Public keys, in hexadecimal digits; None: anybody's."""
    unsigned: bool = False
    """Whether models that nobody signed are taken, too."""

    def objection(self, directory: Path, manifest: bytes) -> str:
        """Why the directory with this manifest is refused, in a sentence that says what to do; empty if it is not."""
        try:
            said = json.loads((directory / SIGNATURE).read_bytes())
            key, signature = said["key"], bytes.fromhex(said["signature"])
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, _PURPOSE + manifest)
        except FileNotFoundError:
            return "" if self.unsigned else _unsigned(directory)
        except InvalidSignature:
            return f"{directory} is not what was signed: its manifest was damaged or edited. Train the model again."
        except (OSError, ValueError, TypeError, KeyError):
            return f"{directory / SIGNATURE} cannot be understood. Train the model again."
        return "" if self.keys is None or key in self.keys else _stranger(directory, key)


ANYBODY = Trust(None, unsigned=True)
"""Only what was damaged or edited is refused."""


def _unsigned(directory: Path) -> str:
    return (
        f"{directory} is not signed: nobody says who made it. Train the model again, or, if you know, "
        f"sign it with `frontdesk models sign {directory}`."
    )


def _stranger(directory: Path, key: str) -> str:
    return (
        f"{directory} was signed by a key that is not trusted here. Remove it, or, if you know whose key that is, "
        f"trust it with `frontdesk models trust {key}`."
    )


@dataclass(frozen=True, slots=True)
class Keys:
    """The key of this home folder, and those of others that are trusted."""

    folder: Path

    @classmethod
    def of(cls, home: Path) -> Keys:
        return cls(home / FOLDER)

    def own(self) -> str | None:
        """The public key; None before the first training. Raises KeyProblem."""
        return _public(self._private()) if (self.folder / _PRIVATE).exists() else None

    def sign(self, directory: Path, manifest: bytes) -> None:
        """With the key of this home folder, which is made if there is none. Raises KeyProblem."""
        if not (self.folder / _PRIVATE).exists():
            self._make()
        key = self._private()
        said = {"key": _public(key), "signature": key.sign(_PURPOSE + manifest).hex()}
        (directory / SIGNATURE).write_text(json.dumps(said) + "\n", "utf-8")

    def renew(self) -> str:
        """Makes another key the own one, and returns it; what was signed with the old one stays trusted."""
        if old := self.own():
            self.trust(old, "this machine's before")
            (self.folder / _PRIVATE).unlink()
        self._make()
        return _public(self._private())

    def trusted(self) -> Mapping[str, str]:
        """The others' public keys, and whose each is."""
        try:
            lines = (self.folder / _TRUSTED).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return {}
        pairs = (line.partition(" ") for line in lines if line and not line.startswith("#"))
        return {key: name.strip() for key, _, name in pairs}

    def trust(self, key: str, name: str) -> None:
        """Raises KeyProblem for what is no key."""
        if not _KEY.fullmatch(key):
            raise KeyProblem(f"'{key[:80]}' is no public key: copy one from `frontdesk models keys`, 64 digits.")
        self._write({**self.trusted(), key: " ".join(name.split())})

    def distrust(self, key: str) -> None:
        """Raises KeyProblem if it is the own key, or not trusted anyway."""
        known = dict(self.trusted())
        if key == self.own():
            raise KeyProblem("That is this machine's own key. Make another one first: `frontdesk models keys --new`.")
        if key not in known:
            raise KeyProblem(f"'{key[:80]}' is not trusted. See `frontdesk models keys`.")
        del known[key]
        self._write(known)

    def known(self) -> frozenset[str]:
        """All whose models are taken. Raises KeyProblem."""
        own = self.own()
        return frozenset({*self.trusted(), *([own] if own else [])})

    def _private(self) -> Ed25519PrivateKey:
        path = self.folder / _PRIVATE
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except OSError as error:
            raise KeyProblem(f"{path} cannot be read ({error.strerror}). Change its permissions.") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise _damaged(path) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _damaged(path)
        return key

    def _make(self) -> None:
        """Whole or not at all, and readable for nobody else."""
        self._open()
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        name = _written(self.folder, pem)
        with suppress(FileExistsError):  # another process was faster: its key is everybody's
            os.link(name, self.folder / _PRIVATE)
        name.unlink()

    def _write(self, trusted: Mapping[str, str]) -> None:
        self._open()
        lines = [f"{key} {name}".rstrip() + "\n" for key, name in trusted.items()]
        _written(self.folder, "".join(lines).encode("utf-8")).replace(self.folder / _TRUSTED)

    def _open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def _damaged(path: Path) -> KeyProblem:
    return KeyProblem(
        f"{path} is no Ed25519 key. Remove it: a new one is made, and models of the old one are signed "
        "anew with `frontdesk models sign`."
    )


def _written(folder: Path, content: bytes) -> Path:
    handle, name = tempfile.mkstemp(prefix=".new-", dir=folder)  # 0600
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
