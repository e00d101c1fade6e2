"""What is known of a large knowledge base beside its articles, as it lies in a model's directory."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from nlu.large.keys import Keys, opened
from nlu.large.mapped import mapped
from nlu.large.postings import Postings

ARRAYS = "kb.large.safetensors"
INDEX = "kb.usearch"


@dataclass(frozen=True, slots=True)
class Catalogue:
    keys: Keys
    """Of passage_texts, and then of question_texts."""
    common: NDArray[np.float32]
    """Per article, its mean similarity to the questions closest to it, of some thousands."""
    postings: Postings

    def write(self, directory: Path) -> None:
        named = {f"postings.{field.name}": getattr(self.postings, field.name) for field in fields(Postings)}
        arrays = {"points": self.keys.points, "coarse": self.keys.coarse, "common": self.common, **named}
        save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, directory / ARRAYS)
        if self.keys.index is not None:
            self.keys.index.save(str(directory / INDEX))

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """None if there is none. It stays on the disk. Raises ValueError, KeyError and RuntimeError if damaged."""
        if not (directory / ARRAYS).is_file():
            return None
        stored, index = mapped(directory / ARRAYS), directory / INDEX
        keys = Keys(stored["points"], stored["coarse"], opened(str(index)) if index.is_file() else None)
        keys.check()
        return cls(keys, stored["common"], Postings(**{f.name: stored[f"postings.{f.name}"] for f in fields(Postings)}))
