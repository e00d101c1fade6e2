"""Text to token ids, with the place of every word in the original text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

MAX_CHARACTERS = 8000
"""Far more than the encoder's tokens can hold; the rest is not even looked at."""


@dataclass(frozen=True, slots=True)
class Word:
    start: int
    end: int
    token: int
    """Position of the word's first token in the encoder's input."""


@dataclass(frozen=True, slots=True)
class Tokens:
    ids: list[int]
    words: tuple[Word, ...]


def prepared(tokenizer: Tokenizer, most: int) -> Tokenizer:
    """Cut at the encoder's length, never padded: batches are padded where they are made."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    return tokenizer


def tokenize(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Tokens]:
    encodings = tokenizer.encode_batch([_encodable(text) for text in texts])
    return [Tokens(encoding.ids, _words(encoding)) for encoding in encodings]


def _encodable(text: str) -> str:
    """As long as the text, so that offsets stay right; a lone surrogate cannot be encoded and becomes U+FFFD."""
    text = text[:MAX_CHARACTERS]
    if text.isascii():
        return text
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


def _words(encoding: Encoding) -> tuple[Word, ...]:
    words: list[Word] = []
    last = None
    for token, (number, (start, end)) in enumerate(zip(encoding.word_ids, encoding.offsets, strict=True)):
        if number is None or end <= start:
            continue
        if number == last:
            words[-1] = Word(words[-1].start, end, words[-1].token)
        else:
            words.append(Word(start, end, token))
        last = number
    return tuple(words)
