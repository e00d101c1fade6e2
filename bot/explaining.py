"""What `frontdesk parse --explain` adds: why the model understood a text as it did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson
from rich.console import Console as Screen

from bot.config import EXPLAINED, Settings
from bot.printed import bars, short
from nlu.data.reader import read_training_data
from nlu.explain import Explanation, Word, explain
from nlu.nearest import Near, Nearest, nearest
from nlu.source import DataError, in_line
from nlu.types import Understanding
from nlu.understand import Model

_BAR = 20
"""Characters of a word that decides alone."""
_WORDS = 6
_LEAST = 0.005
"""What weighs less is not shown."""


def explained(
    model: Model, settings: Settings, data: Path, batches: Iterable[Sequence[Understanding]], *, as_json: bool
) -> Iterator[str]:
    """Lines to print. What a person should know of the examples in `data` is said on standard error."""
    known = _nearest(model, settings, data, Screen(stderr=True, soft_wrap=True))
    for found in batches:
        for one, why in zip(found, explain(model, found, known), strict=True):
            if as_json:
                yield orjson.dumps({**one.to_rasa(), "explanation": why.to_json()}).decode()
            else:
                yield from _shown(one, why)


def _nearest(model: Model, settings: Settings, data: Path, screen: Screen) -> Nearest | None:
    try:
        examples = read_training_data(data)
    except DataError as problem:
        screen.print(f"No nearest examples are shown. {problem}", markup=False, highlight=False)
        return None
    if examples.hash != model.manifest.data_hash:
        sentence = f"{data} is not what {model.id} was trained on: examples that it was not taught are marked."
        screen.print(sentence, markup=False, highlight=False)
    with bars(screen) as begin:
        return nearest(model, examples, settings.home / EXPLAINED, begin("Reading the examples"))


def _shown(found: Understanding, why: Explanation) -> Iterator[str]:
    yield in_line(found.text)
    yield f"  {why.intent} {found.intent.confidence:.1%}, {found.verdict}; scope score {found.scope:.2f}"
    if why.example:
        yield "  It is a training example, word for word; that decided."
    yield from (f"    {line}" for line in _words(why.words))
    wide = max((len(near.intent) for near in why.nearest), default=0)
    yield from (f"    {_near(near, wide)}" for near in why.nearest)
    yield ""


def _words(words: Sequence[Word]) -> Iterator[str]:
    """The heaviest, each with what the probability would be less without it."""
    heavy = [word for word in words if abs(word.weight) >= _LEAST]
    most = sorted(heavy, key=lambda word: -abs(word.weight))[:_WORDS]
    wide = max((len(short(word.text)) for word in most), default=0)
    for word in most:
        bar = "█" * max(1, round(_BAR * abs(word.weight)))
        against = "" if word.weight > 0 else "  speaks against it"
        yield f"{short(word.text):{wide}}  {100 * word.weight:+6.1f}  {bar}{against}"
    if not most:
        yield "no single word decides"


def _near(near: Near, wide: int) -> str:
    untaught = "" if near.taught else "  (not taught)"
    return f"{near.distance:.3f}  {near.intent:{wide}}  {short(near.text)}  {near.path}:{near.line}{untaught}"
