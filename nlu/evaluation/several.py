"""Messages with several requests, and how many a model finds: the `several` key of a held-out file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nlu.evaluation.intervals import Interval, interval
from nlu.evaluation.scores import SeveralScores
from nlu.source import Node, read_yaml
from nlu.types import Understanding, family

KEY = "several"


@dataclass(frozen=True, slots=True)
class Message:
    text: str
    intents: tuple[str, ...]
    """One: a message that only looks as if there were more."""


def read_several(path: Path) -> list[Message]:
    """Of a YAML file, or of all in a folder. Raises DataError."""
    files = [path] if path.is_file() else sorted([*path.rglob("*.yml"), *path.rglob("*.yaml")])
    return [message for file in files if file.suffix.lower() in (".yml", ".yaml") for message in _messages(file)]


def _messages(file: Path) -> Iterator[Message]:
    fields = read_yaml(file).mapping("the file")
    for item in fields[KEY].items(f"'{KEY}'") if KEY in fields else ():
        yield _message(item)


def _message(item: Node) -> Message:
    fields = item.mapping(f"an entry of '{KEY}'")
    if "text" not in fields or "intents" not in fields:
        item.fail(
            f"an entry of '{KEY}' needs a text and its intents.", "Write '- {intents: [first, second], text: ...}'."
        )
    intents = tuple(family(node.text("an intent")) for node in fields["intents"].items("'intents'"))
    if len(set(intents)) != len(intents) or len(intents) not in (1, 2):
        item.fail("a message has one or two intents, not the same.", "Split it, or leave it out.")
    return Message(fields["text"].text("a message"), intents)


Read = Sequence[tuple[Message, Understanding]]


def several_scores(read: Read) -> SeveralScores | None:
    """None where there are no messages with several requests."""
    found, split = _found(read), _split(read)
    if not found.size:
        return None
    return SeveralScores(len(found), float(found.mean()), len(split), float(split.mean()) if split.size else 0.0)


def several_intervals(read: Read) -> dict[str, Interval]:
    found, split = _found(read), _split(read)
    return {
        name: interval(lambda rows, hits=hits: hits[rows].mean(), len(hits))
        for name, hits in (("several_found", found), ("single_split", split))
        if hits.size
    }


def _found(read: Read) -> NDArray[np.bool_]:
    """Of the messages with several requests, whether every intent was found, and no other."""
    return np.array(
        [_meant(found) == set(message.intents) for message, found in read if len(message.intents) > 1], bool
    )


def _split(read: Read) -> NDArray[np.bool_]:
    """Of the messages with one, whether it was taken for more."""
    return np.array([bool(found.requests) for message, found in read if len(message.intents) == 1], bool)


def _meant(found: Understanding) -> set[str]:
    return {request.meant.intent.name for request in found.requests}
