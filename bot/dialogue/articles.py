"""Which messages are answered without the knowledge base, so that nobody has to search it for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from bot.dialogue.rules import Done, Path, Said
from bot.dialogue.tracker import Tracker
from bot.messages import Inbound, Owner

_SHOWING = frozenset({"action_knowledge", "action_default_fallback"})
"""Actions that may show an article."""
NONE: frozenset[str] = frozenset()


def answered_without(paths: Sequence[Path]) -> frozenset[str]:
    """Intents for which a rule has an action wherever no form is active, and after which nothing shows an article."""
    showing = {said for path in paths for said, actions in _stretches(path) if actions & _SHOWING}
    return frozenset(intent for path in paths for intent in _always(path) if intent not in showing)


def _always(path: Path) -> Iterator[str]:
    """The intent that the path has an action for, whatever was said and done before."""
    match path.steps:
        case (Said(str(intent), None, ()), Done(), *_) if path.is_rule and not path.at_start:
            if not any(gap.slots or set(gap.loops) - {None} for gap in path.gaps[:2]):
                yield intent


def _stretches(path: Path) -> Iterator[tuple[str | None, set[str]]]:
    """Each intent with the actions up to the next message."""
    places = [number for number, step in enumerate(path.steps) if isinstance(step, Said)]
    for place, end in pairwise([*places, len(path.steps)]):
        said, *then = path.steps[place:end]
        if isinstance(said, Said):
            yield said.intent, {step.action for step in then if isinstance(step, Done)}


def without_articles(intents: frozenset[str], tracker: Tracker, inbound: Inbound) -> frozenset[str]:
    """Those of them that need no articles as things stand: a form may ask whether an article answers, and for a button
    the model is asked for nothing else."""
    free = tracker.owner is Owner.BOT and tracker.loop is None and tracker.followup is None
    return intents if free and inbound.payload is None else NONE
