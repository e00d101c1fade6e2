"""Which words of the data a mistyped one may have been."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer

from nlu.data.examples import TrainingData
from nlu.retriever import passage_texts, question_texts
from nlu.spelling import OFTEN, Speller, frequent_words, words_of
from nlu.tokens import known_to

LEAST_KNOWN = 0.8
"""Share of the examples' words that the base model must know to tell a mistyped word from a foreign one."""


def speller_of(data: TrainingData, tokenizer: Tokenizer, languages: Iterable[str]) -> Speller:
    """Corrects nothing if the examples are in a language that the base model hardly knows."""
    known = known_to(tokenizer, languages)
    words = [word for example in data.examples for word in words_of(example.text)]
    if sum(map(known, words)) < LEAST_KNOWN * len(words):
        return Speller([], known)
    return Speller(frequent_words(_texts(data)), known)


def _texts(data: TrainingData) -> Iterator[str]:
    """The examples, the articles, and the listed values, which count however rare they are."""
    yield from (example.text for example in data.examples)
    yield from passage_texts(data.articles)
    yield from question_texts(data.articles)
    for values in data.patterns.lookups.values():
        yield from OFTEN * values
