"""What a model sees in many texts, some at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nlu.understand import Insight, Model  # torch takes seconds to import

_AT_ONCE = 64


def looked(texts: Sequence[str], model: Model) -> Insight:
    """Of one text at least."""
    parts = [model.insight(texts[start : start + _AT_ONCE]) for start in range(0, len(texts), _AT_ONCE)]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in type(parts[0]).__slots__}
    return type(parts[0])(**columns)
