"""What layers make of the examples, kept beside the models: a head that is trained alone reads only new ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nlu.encoder import Encoder
from nlu.registry import SEEN

_LAYERS = "layers"


@dataclass(frozen=True, slots=True)
class Seen:
    """Vectors and hashes: nobody reads a word in it."""

    layers: str
    """Names those that saw the texts."""
    keys: tuple[int, ...]
    """Of each text."""
    points: Tensor
    """Where the intent head sees them: texts x two widths."""
    embeddings: Tensor
    """Of the frozen branch: texts x width."""

    @classmethod
    def nothing(cls) -> Self:
        return cls("", (), torch.empty(0, 0), torch.empty(0, 0))

    @classmethod
    def read(cls, folder: Path, encoder: Encoder) -> Self:
        """Of a folder of models; nothing if other layers saw it, or nobody can read it."""
        layers = layers_of(encoder)
        try:
            with safe_open(folder / SEEN, "pt") as file:
                if (file.metadata() or {}).get(_LAYERS) != layers:
                    return cls.nothing()
                keys, points, embeddings = (file.get_tensor(name) for name in ("keys", "points", "embeddings"))
        except (OSError, SafetensorError):
            return cls.nothing()
        return cls(layers, tuple(keys.tolist()), points, embeddings)

    def write(self, folder: Path) -> None:
        """A disk too full for it costs the next training time, and this one nothing."""
        new = folder / f"{SEEN}.{os.getpid()}.new"
        tensors = {"keys": torch.tensor(self.keys), "points": self.points, "embeddings": self.embeddings}
        try:
            save_file({name: one.contiguous() for name, one in tensors.items()}, new, {_LAYERS: self.layers})
            new.replace(folder / SEEN)
        except (OSError, SafetensorError):
            with suppress(OSError):
                new.unlink()

    def places(self, keys: Sequence[int]) -> dict[int, int]:
        """Of the texts that are known, by their place in `keys`, the place here."""
        known = {key: place for place, key in enumerate(self.keys)}
        return {row: known[key] for row, key in enumerate(keys) if key in known}


def key_of(ids: Sequence[int]) -> int:
    """Of a text as the layers read it."""
    content = np.array(ids, np.int32).tobytes()
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)


def layers_of(encoder: Encoder) -> str:
    digest = sha256()
    for name, weight in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
