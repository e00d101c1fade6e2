"""What people decided, as training examples in Rasa's format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import yaml

from bot.journal.values import Reviewed
from bot.learning.labels import decided
from nlu.learning.placeholders import filled

_UNMARKED = str.maketrans("[]", "()")
"""Square brackets would mark an entity."""


class _Lines(str):
    """Written as a block, one example a line, as people write them."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Lines, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def as_yaml(reviewed: Sequence[Reviewed]) -> tuple[str, int]:
    """The file's text, and how many examples are in it."""
    by_intent: dict[str, list[str]] = defaultdict(list)
    for one in reviewed:
        if (pair := decided(one)) is not None:
            text = " ".join(filled(pair[0].text).split()).translate(_UNMARKED)
            if text not in by_intent[pair[1]]:
                by_intent[pair[1]].append(text)
    entries = [
        {"intent": intent, "examples": _Lines("".join(f"- {text}\n" for text in texts))}
        for intent, texts in sorted(by_intent.items())
    ]
    body = yaml.dump(
        {"version": "3.1", "nlu": entries}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000
    )
    return body, sum(map(len, by_intent.values()))
