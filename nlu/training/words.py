"""Which words of the data a mistyped one may have been."""

from __future__ import annotations

from collections.abc import Iterator

from tokenizers import Tokenizer

from nlu.data.examples import TrainingData
from nlu.retriever import passage_texts, question_texts
from nlu.spelling import OFTEN, Speller, frequent_words
from nlu.tokens import known_to


def speller_of(data: TrainingData, tokenizer: Tokenizer) -> Speller:
    return Speller(frequent_words(_texts(data)), known_to(tokenizer))


def _texts(data: TrainingData) -> Iterator[str]:
    """The examples, the articles, and the listed values, which count however rare they are."""
    yield from (example.text for example in data.examples)
    yield from passage_texts(data.articles)
    yield from question_texts(data.articles)
    for values in data.patterns.lookups.values():
        yield from OFTEN * values
