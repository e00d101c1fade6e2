"""The examples word for word: whoever taught a sentence expects that it is understood as taught."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -2
"""The class of a text that is no example."""
CERTAINTY = 0.98
"""Share of the probability that goes to the intent of a known text; people mislabel, so not all of it."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Remembered:
    """Hashes, so that a model does not tell its examples' words."""

    keys: NDArray[np.int64]
    """Sorted."""
    classes: NDArray[np.int64]
    """Of each, the number of its intent, or OUTLIER."""

    @classmethod
    def of(cls, texts: Sequence[str], classes: Sequence[int]) -> Self:
        """Texts that were taught as two things are left to the model."""
        taught: dict[int, set[int]] = defaultdict(set)
        for text, number in zip(texts, classes, strict=True):
            if (key := _key(text)) is not None:
                taught[key].add(number)
        pairs = sorted((key, *numbers) for key, numbers in taught.items() if len(numbers) == 1)
        columns = np.array(pairs, np.int64).reshape(-1, 2)
        return cls(columns[:, 0], columns[:, 1])

    def __contains__(self, text: str) -> bool:
        return self.find(text) != UNKNOWN

    def find(self, text: str) -> int:
        """The text's class, or UNKNOWN."""
        if (key := _key(text)) is None:
            return UNKNOWN
        place = int(np.searchsorted(self.keys, key))
        return int(self.classes[place]) if place < len(self.keys) and self.keys[place] == key else UNKNOWN


def _key(text: str) -> int | None:
    """Capitals and punctuation do not count; None if nothing is left."""
    words = _WORD.findall(text.casefold())
    if not words:
        return None
    return int.from_bytes(blake2b(" ".join(words).encode(errors="replace"), digest_size=8).digest(), "big", signed=True)
