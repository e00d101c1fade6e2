"""A reviewer's decisions, as the terminal and the console hand them in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.journal.values import Kind, Review
from nlu.data.examples import OUT_OF_SCOPE
from nlu.source import Mendable

ANSWERED = "This question was answered meanwhile."
_INTENT = re.compile(r"[^\W_][\w.+-]*(/[\w.+-]+)?")
_MOST_CHARACTERS = 80
_SHOWN = 8
"""Names that are shown where several fit."""


class BadDecision(Mendable):
    """Nothing was kept; the sentence says why."""


def intent_named(name: str) -> str:
    """An intent's name as one may write it. Raises BadDecision."""
    name = "_".join(name.split())
    if not _INTENT.fullmatch(name) or len(name) > _MOST_CHARACTERS:
        raise BadDecision(
            f"'{name[:40]}' is no name for an intent. Use letters, digits and underscores, as in order_status."
        )
    return name


def one_of(names: Sequence[str], typed: str, what: str) -> str:
    """The name that is, begins with or holds what is typed. Raises BadDecision if there is not exactly one."""
    fitting = [name for name in names if name == typed] or [name for name in names if name.startswith(typed)]
    fitting = fitting or [name for name in names if typed in name]
    if not (typed and fitting):
        raise BadDecision(f"There is no such {what}.")
    if len(fitting) > 1:
        more = f" or another of {len(fitting)}" if len(fitting) > _SHOWN else ""
        raise BadDecision(f"Which {what}: {', '.join(fitting[:_SHOWN])}{more}?")
    return fitting[0]


def reviews(ids: Sequence[int], kind: Kind, label: str | None, reviewer: str) -> list[Review]:
    """One decision on several utterances. Raises BadDecision."""
    if not ids:
        raise BadDecision("Name the utterances: the ids that `frontdesk review list` shows.")
    if kind is Kind.INTENT:
        label = intent_named(label or "")
        if label in OUT_OF_SCOPE:
            kind, label = Kind.OUT_OF_SCOPE, None
    elif kind is Kind.ARTICLE and not label:
        raise BadDecision("Name the article that answers.")
    return [Review(one, kind, label, reviewer) for one in dict.fromkeys(ids)]
