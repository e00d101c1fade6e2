"""What people chose who took a conversation over: the intent that their labels on it name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from bot.dialogue.requests import HUMAN
from bot.journal.values import Utterance
from bot.messages import LABELS
from nlu.data.examples import OUT_OF_SCOPE

_SEPARATORS = str.maketrans("- .", "___")


def chosen(utterance: Utterance, intents: Collection[str]) -> str | None:
    """The intent that one of the labels is called like; None if none is, or several are."""
    named = _named(utterance.signals.get(LABELS) or (), intents)
    return named.pop() if len(named) == 1 else None


def _named(labels: Iterable[str], intents: Collection[str]) -> set[str]:
    """A label is a word in lower case, with hyphens as often as not."""
    if not (wanted := {_spelled(label) for label in labels}):
        return set()
    return {name for name in choosable(intents) if _spelled(name) in wanted}


def choosable(intents: Iterable[str]) -> Sequence[str]:
    """Those that say what a customer wanted: not that it was a person, nor that it was nothing we deal with."""
    return [name for name in intents if name not in (HUMAN, *OUT_OF_SCOPE)]


def _spelled(name: str) -> str:
    return name.casefold().translate(_SEPARATORS)
