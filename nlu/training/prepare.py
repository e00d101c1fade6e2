"""Runs the trunk once over all examples: fine-tuning changes only the layers above it."""

from __future__ import annotations

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

    @property
    def tag_count(self) -> int:
        return 1 + 2 * len(self.labels)


def prepare(
    data: TrainingData, encoder: Encoder, tokenizer: Tokenizer, device: torch.device, done: Callable[[int], None]
) -> Prepared:
    """`done` is told how many examples each step took."""
    tokens = tokenize(tokenizer, [example.text for example in data.examples])
    names = tuple(data.intents)
    labels = labels_of(data.examples)
    numbers = {label: number for number, label in enumerate(labels)}
    matcher = Matcher(data.patterns)
    tags = []
    for example, split in zip(data.examples, tokens, strict=True):
        of_tokens = torch.full((len(split.ids),), IGNORED)
        for word, tag in zip(split.words, tags_of(example, split.words, numbers, matcher), strict=True):
            of_tokens[word.token] = tag
        tags.append(of_tokens.to(device))
    hidden, low, embeddings = embed(encoder, [split.ids for split in tokens], device, done)
    classes = [OUTLIER if example.outlier else names.index(example.intent) for example in data.examples]
    return Prepared(hidden, low, embeddings, torch.tensor(classes, device=device), tags, names, labels)


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
