"""Runs the trunk once over all examples: fine-tuning changes only the layers above it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from nlu.data.examples import TrainingData
from nlu.encoder import Encoder, padded
from nlu.engine.torch_engine import by_length
from nlu.entities import IGNORED, Label, Matcher, labels_of, tags_of
from nlu.tokens import tokenize

_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_BETWEEN = re.compile(r"[\W_]+")
OUTLIER = -1
"""The class of an out-of-scope example."""
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
    tags: list[Tensor]
    """Per example and token, its tag or IGNORED."""
    names: tuple[str, ...]
    labels: tuple[Label, ...]
    examples: range
    """The rows of the data's examples."""
    named: range
    """The rows after them: the intents' names, in their own words."""

    @property
    def tag_count(self) -> int:
        return 1 + 2 * len(self.labels)


def spoken(intent: str) -> str:
    """The words of a name: `faq/card_arrival` and `cardArrival` say "card arrival". Empty if there are none."""
    words = _BETWEEN.sub(" ", _CAMEL.sub(" ", intent.rpartition("/")[2])).strip().lower()
    return words if any(character.isalpha() for character in words) else ""


def prepare(
    data: TrainingData, encoder: Encoder, tokenizer: Tokenizer, device: torch.device, done: Callable[[int], None]
) -> Prepared:
    """`done` is told how many examples each step took."""
    names = tuple(data.intents)
    spoken_names = [(words, number) for number, name in enumerate(names) if (words := spoken(name))]
    tokens = tokenize(tokenizer, [*(e.text for e in data.examples), *(words for words, _ in spoken_names)])
    labels = labels_of(data.examples)
    numbers = {label: number for number, label in enumerate(labels)}
    matcher = Matcher(data.patterns)
    tags = []
    for example, split in zip(data.examples, tokens, strict=False):
        of_tokens = torch.full((len(split.ids),), IGNORED)
        for word, tag in zip(split.words, tags_of(example, split.words, numbers, matcher), strict=True):
            of_tokens[word.token] = tag
        tags.append(of_tokens.to(device))
    tags += [torch.full((len(split.ids),), IGNORED, device=device) for split in tokens[len(tags) :]]
    hidden, low, embeddings = embed(encoder, [split.ids for split in tokens], device, done)
    classes = [OUTLIER if example.outlier else names.index(example.intent) for example in data.examples]
    intents = torch.tensor([*classes, *(number for _, number in spoken_names)], device=device)
    rows = range(len(classes)), range(len(classes), len(intents))
    return Prepared(hidden, low, embeddings, intents, tags, names, labels, *rows)


def embed(
    encoder: Encoder, rows: Sequence[list[int]], device: torch.device, done: Callable[[int], None] = lambda _: None
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Of every row of token ids the trunk's hidden states, their mean, and the frozen embedding."""
    hidden: list[Tensor] = [torch.empty(0)] * len(rows)
    low = torch.empty(len(rows), encoder.shape.width, device=device)
    embeddings = torch.empty_like(low)
    with torch.no_grad():
        for batch in by_length([len(row) for row in rows], _TOKENS_AT_ONCE):
            ids, mask = padded([rows[index] for index in batch], device)
            states = encoder.trunk(ids, mask)
            low[batch] = encoder.pool(states, mask)
            embeddings[batch] = encoder.pool(encoder.frozen(states, mask), mask)
            for place, index in enumerate(batch):
                hidden[index] = states[place, : len(rows[index])].clone()
            done(len(batch))
    return hidden, low, embeddings
