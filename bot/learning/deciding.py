"""A reviewer's decisions, as the terminal and the console hand them in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.journal.values import Kind, Review
from nlu.data.examples import OUT_OF_SCOPE
from nlu.source import Mendable

_INTENT = re.compile(r"[^\W_][\w.+-]*(/[\w.+-]+)?")
_MOST_CHARACTERS = 80


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
