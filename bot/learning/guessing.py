"""What the new model is sure of in the messages that nobody labelled yet, as further examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.journal.values import Utterance
from bot.learning.labels import MOST_OF_ONE
from nlu.budget import Curve
from nlu.data.examples import Example
from nlu.data.reader import same_text
from nlu.learning.guesses import WEIGHT, confident
from nlu.learning.learned import PLACE, Learned
from nlu.learning.placeholders import filled
from nlu.lineage import lineage_key

if TYPE_CHECKING:
    from nlu.understand import Model

LEAST = 50
"""Fewer guesses are not worth a training."""
NEWEST = 5000
"""Open utterances that are looked at."""
_AT_ONCE = 64


def with_guesses(learned: Learned, waiting: Sequence[Utterance], model: Model, orders: Sequence[str] = ()) -> Learned:
    """`learned` and the guesses of a model that was trained on it; unchanged if those are few."""
    guessed = list(_guessed(_different(waiting, model), model))
    if len(guessed) < LEAST:
        return learned
    examples = tuple(
        Example(filled(one.text, orders), intent, (), PLACE, one.id, WEIGHT, marked=False, guessed=True)
        for one, intent in guessed
    )
    keys = tuple(lineage_key(*one.key) for one, _ in guessed)
    return replace(learned, guesses=examples, keys=(*learned.keys, *keys))


def _different(waiting: Sequence[Utterance], model: Model) -> list[Utterance]:
    """Of the same words one, of one customer a few, and nothing that was taught."""
    texts, customers, kept = set[str](), Counter[str](), []
    for one in waiting:
        text, customer = same_text(one.text), one.customer or one.conversation
        if text not in texts and customers[customer] < MOST_OF_ONE and one.text not in model.remembered:
            texts.add(text)
            customers[customer] += 1
            kept.append(one)
    return kept


def _guessed(utterances: Sequence[Utterance], model: Model) -> Iterator[tuple[Utterance, str]]:
    curve, names = Curve.from_json(model.manifest.budget), model.manifest.intents
    for start in range(0, len(utterances), _AT_ONCE):
        part = utterances[start : start + _AT_ONCE]
        seen = model.insight([one.text for one in part])
        yield from ((part[row], names[number]) for row, number in confident(seen, curve))
