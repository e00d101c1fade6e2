"""Runs the trunk once over all examples: fine-tuning changes only the layers above it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nlu.data.examples import OUTLIER, Example, TrainingData
from nlu.encoder import Encoder, padded
from nlu.engine.signals import by_length
from nlu.entities import IGNORED, Label, Matcher, labels_of, tags_of
from nlu.tokens import TextReader, Tokens
from nlu.training.mistyped import copies, mistyped_copies
from nlu.training.seen import Seen, key_of

_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_BETWEEN = re.compile(r"[\W_]+")
_TOKENS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Prepared:
    hidden: list[Tensor]
    """Per example, tokens x width: what the trunk made of it."""
    low: Tensor
    """Examples x width, unit length: the mean of `hidden`."""
    embeddings: Tensor
    """The same of the frozen encoder's top."""
    intents: Tensor
    """Per example its class, or OUTLIER."""
    weights: Tensor
    """Per example how much its label counts."""
    tags: list[NDArray[np.int64]]
    """Per example and token, its tag or IGNORED."""
    names: tuple[str, ...]
    labels: tuple[Label, ...]
    examples: range
    """The rows of the data's examples."""
    named: range
    """The rows after them: the intents' names, in their own words."""
    mistyped: range
    """The rows after those, of which only `hidden` and `tags` are known: all examples with typing errors, and once more
    with others, and so on."""

    keys: tuple[int, ...] = ()
    """Of the examples, as Seen knows them."""
    points: Mapping[int, Tensor] = field(default_factory=dict)
    """Of the examples that were seen before: where the intent head sees them. Their `hidden` is empty."""

    @property
    def tag_count(self) -> int:
        return 1 + 2 * len(self.labels)


def spoken(intent: str) -> str:
    """The words of a name: `faq/card_arrival` and `cardArrival` say "card arrival". Empty if there are none."""
    words = _BETWEEN.sub(" ", _CAMEL.sub(" ", intent.rpartition("/")[2])).strip().lower()
    return words if any(character.isalpha() for character in words) else ""


def prepare(
    data: TrainingData,
    encoder: Encoder,
    reader: TextReader,
    device: torch.device,
    done: Callable[[float], None],
    *,
    mistyped: bool = True,
    seen: Seen | None = None,
) -> Prepared:
    """`done` is told how many examples each step took; `mistyped`: the examples with typing errors, too; `seen`: what
    the same layers made of examples before."""
    names = tuple(data.intents)
    spoken_names = [(words, number) for number, name in enumerate(names) if (words := spoken(name))]
    labels = labels_of(data.examples, data.patterns)
    typed = list(mistyped_copies(data.examples, copies(data.examples))) if mistyped else []
    tokens = reader.read([*(e.text for e in data.examples), *(words for words, _ in spoken_names)])
    of_typed = reader.read([example.text for example in typed])
    matcher, numbers = Matcher(data.patterns), {label: number for number, label in enumerate(labels)}
    tags = [
        _tags(example, split, numbers, matcher)
        for example, split in [*zip(data.examples, tokens, strict=False), *zip(typed, of_typed, strict=True)]
    ]
    blank = [np.full(len(split.ids), IGNORED) for split in tokens[len(data.examples) :]]
    tags[len(data.examples) : len(data.examples)] = blank
    keys = tuple(key_of(split.ids) for split in tokens[: len(data.examples)])
    known = seen.places(keys) if seen else {}
    done(len(known))
    new = [row for row in range(len(tokens)) if row not in known]
    embedded = embed(encoder, [tokens[row].ids for row in new], device, done)
    hidden, low, embeddings = _in_place(embedded, new, len(tokens))
    if seen and known:
        there = list(known.values())
        low[list(known)] = (seen.points[there, : encoder.shape.width] * 2**0.5).to(device)  # see two_heights
        embeddings[list(known)] = seen.embeddings[there].to(device)
    points = {row: seen.points[place] for row, place in known.items()} if seen else {}
    hidden += hidden_states(encoder, [split.ids for split in of_typed], device, lambda batch, *_: done(len(batch) / 2))
    classes = [OUTLIER if example.outlier else names.index(example.intent) for example in data.examples]
    intents = torch.tensor([*classes, *(number for _, number in spoken_names)], device=device)
    weights = torch.ones(len(intents), device=device)
    weights[: len(classes)] = torch.tensor([example.weight for example in data.examples])
    rows = range(len(classes)), range(len(classes), len(intents)), range(len(intents), len(hidden))
    return Prepared(hidden, low, embeddings, intents, weights, tags, names, labels, *rows, keys, points)


def _in_place(
    embedded: tuple[list[Tensor], Tensor, Tensor], rows: Sequence[int], count: int
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Of some rows among so many; nothing is known of the others."""
    hidden: list[Tensor] = [torch.empty(0)] * count
    for row, states in zip(rows, embedded[0], strict=True):
        hidden[row] = states
    low, embeddings = (one.new_zeros(count, one.shape[1]) for one in embedded[1:])
    low[rows], embeddings[rows] = embedded[1:]
    return hidden, low, embeddings


def _tags(example: Example, split: Tokens, numbers: Mapping[Label, int], matcher: Matcher) -> NDArray[np.int64]:
    of_tokens = np.full(len(split.ids), IGNORED)
    if not example.marked:
        return of_tokens
    for word, tag in zip(split.words, tags_of(example, split, numbers, matcher), strict=True):
        of_tokens[word.token] = tag
    return of_tokens


def embed(
    encoder: Encoder, rows: Sequence[list[int]], device: torch.device, done: Callable[[float], None] = lambda _: None
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Of every row of token ids the trunk's hidden states, their mean, and the frozen embedding."""
    low = torch.empty(len(rows), encoder.shape.width, device=device)
    embeddings = torch.empty_like(low)

    def pooled(batch: list[int], states: Tensor, mask: Tensor | None) -> None:
        low[batch] = encoder.pool(states, mask)
        embeddings[batch] = encoder.pool(encoder.frozen(states, mask), mask)
        done(len(batch))

    return hidden_states(encoder, rows, device, pooled), low, embeddings


def hidden_states(
    encoder: Encoder,
    rows: Sequence[list[int]],
    device: torch.device,
    see: Callable[[list[int], Tensor, Tensor | None], None],
) -> list[Tensor]:
    """What the trunk makes of every row; `see` gets every batch: its rows, their states and the mask."""
    hidden: list[Tensor] = [torch.empty(0)] * len(rows)
    with torch.no_grad():
        for batch in by_length([len(row) for row in rows], _TOKENS_AT_ONCE):
            ids, mask = padded([rows[index] for index in batch], device)
            states = encoder.trunk(ids, mask)
            see(batch, states, mask)
            for place, index in enumerate(batch):
                hidden[index] = states[place, : len(rows[index])].clone()
    return hidden
