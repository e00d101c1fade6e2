"""The error budget: what each threshold made of texts that the model had not seen, and which one keeps a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUDGETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
"""Those whose costs are shown."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Two thresholds, and what became of held-out texts under them: shares of the in-scope ones but for the last."""

    sure: float
    """Probability from which the first intent is acted on."""
    ambiguous: float
    """Probability that the two or three offered meanings must reach together."""
    answered: float
    """Acted on at once."""
    wrong: float
    """Acted on at once, wrongly."""
    asked: float
    """Answered by a question which of two or three meanings it is."""
    offered: float
    """Asked so, with the right meaning among them."""
    strangers: float
    """Of the out-of-scope texts those acted on; 0 where there were none."""

    @property
    def left(self) -> float:
        """To the knowledge base, else to a person."""
        return 1 - self.answered - self.asked


@dataclass(frozen=True, slots=True)
class Curve:
    """The choices, from the boldest to the most careful, which answers nothing."""

    texts: int
    """In-scope texts they were tried on."""
    choices: tuple[Choice, ...]

    def within(self, budget: float) -> Choice:
        """The one that answers most at once and keeps the budget.

        One error more than was seen is counted, so that new texts of the same kind keep the budget on average
        (conformal risk control, Angelopoulos et al. 2022). Too few texts for any promise are judged by what was seen.
        """
        unseen = 1 if self.texts * budget >= 1 else 0
        allowed = budget * (self.texts + unseen) - unseen
        keeping = (choice for choice in self.choices if choice.wrong * self.texts <= allowed + 1e-3)
        return next(keeping, self.choices[-1])

    def to_json(self) -> dict[str, Any]:
        rows = [[round(getattr(choice, name), 5) for name in _COLUMNS] for choice in self.choices]
        return {"texts": self.texts, "columns": list(_COLUMNS), "choices": rows}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Curve:
        rows = (dict(zip(values["columns"], row, strict=True)) for row in values["choices"])
        return cls(int(values["texts"]), tuple(Choice(**row) for row in rows))


_COLUMNS = tuple(column.name for column in fields(Choice))


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of texts under one choice: a flag each."""

    answered: NDArray[np.bool_]
    right: NDArray[np.bool_]
    """Whether the first intent is the right one."""
    asked: NDArray[np.bool_]
    among: NDArray[np.bool_]
    """Whether the right one is among the meanings that would be offered."""


def choice(sure: float, ambiguous: float, inside: Tried, strangers: NDArray[np.bool_]) -> Choice:
    """`strangers`: which of the out-of-scope texts were acted on."""
    return Choice(
        sure,
        ambiguous,
        answered=float(inside.answered.mean()),
        wrong=float((inside.answered & ~inside.right).mean()),
        asked=float(inside.asked.mean()),
        offered=float((inside.asked & inside.among).mean()),
        strangers=float(strangers.mean()) if len(strangers) else 0.0,
    )
