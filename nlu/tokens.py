"""Text to token ids, with the place of every word in the original text."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from string import punctuation

from tokenizers import Encoding, Tokenizer

from nlu.spelling import MOST_CHARACTERS, WITHOUT_SPACES, Corrected, Known, Speller, dictionary

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
    read: Corrected
    """The text as it was read: with its spelling corrected."""

    @property
    def text(self) -> str:
        return self.read.text

    def within(self, start: int, end: int) -> slice:
        """The tokens of the words that begin between two places of the original text; empty if none does."""
        first, last = (bisect_left(self.words, place, key=attrgetter("start")) for place in (start, end))
        tokens = [*(word.token for word in self.words[first : last + 1]), len(self.ids) - 1]
        return slice(tokens[0], tokens[last - first])

    def shown(self, original: str) -> str:
        """The beginning of the text as it was read, as far as words are corrected, if a reader would notice; else
        empty."""
        return self.text[:MOST_CHARACTERS] if self.read.differs(original) else ""


def prepared(tokenizer: Tokenizer, most: int) -> Tokenizer:
    """Cut at the encoder's length, never padded: batches are padded where they are made."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    return tokenizer


@dataclass(frozen=True, slots=True)
class TextReader:
    """Reads texts the same way in training and in serving."""

    tokenizer: Tokenizer
    speller: Speller

    def read(self, texts: Sequence[str]) -> list[Tokens]:
        return tokenize(self.tokenizer, texts, self.speller)


def tokenize(tokenizer: Tokenizer, texts: Sequence[str], speller: Speller | None = None) -> list[Tokens]:
    read = [_encodable(text) for text in texts]
    corrected = [speller.corrected(text) if speller else Corrected(text) for text in read]
    encodings = tokenizer.encode_batch([one.text for one in corrected])
    return [
        Tokens(encoding.ids, _words(encoding, one), one) for encoding, one in zip(encodings, corrected, strict=True)
    ]


def known_to(tokenizer: Tokenizer, languages: Iterable[str]) -> Known:
    """Whether a word is in a dictionary of the languages, by their ISO 639-1 codes, or the base model has a token for
    all of it, and so has often seen it."""
    in_dictionary = dictionary(languages)
    return lambda word: in_dictionary(word) or len(tokenizer.encode(word, add_special_tokens=False).ids) == 1


def _encodable(text: str) -> str:
    """As long as the text, so that offsets stay right; a lone surrogate cannot be encoded and becomes U+FFFD."""
    text = text[:MAX_CHARACTERS]
    if text.isascii():
        return text
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


_NOT = re.compile(r"(?<=n)['’]t\b", re.IGNORECASE)
"""Of `don't`, which the encoder sees as three words."""


def _words(encoding: Encoding, corrected: Corrected) -> tuple[Word, ...]:
    """Their places are those in the original text."""
    words: list[Word] = []
    last = None
    text = corrected.text
    apostrophe = "'" in text or "’" in text
    inside = {place for match in _NOT.finditer(text) for place in range(*match.span())} if apostrophe else ()
    for token, number, start, end in _pieces(encoding, text):
        before = words[-1].end if words else 0
        goes_on = start < before or (number == last and not _parted(text, start))
        if goes_on or (words and start == before and start in inside):
            words[-1] = Word(words[-1].start, max(end, before), words[-1].token)
        else:
            words.append(Word(start, end, token))
        last = number
    if not corrected.edits:
        return tuple(words)
    return tuple(Word(*corrected.original(word.start, word.end), word.token) for word in words)


_SPACE = "\u2581"
"""SentencePiece's; a token of nothing else has the place of the letter behind it."""


def _pieces(encoding: Encoding, text: str) -> Iterator[tuple[int, int, int, int]]:
    """Tokens with their number of a word, start and end: of those that stand in the text, without spaces around."""
    pieces = zip(encoding.tokens, encoding.word_ids, encoding.offsets, strict=True)
    for token, (piece, number, (first, last)) in enumerate(pieces):
        shown = text[first:last]
        start = last - len(shown.lstrip())
        end = start + len(shown.strip())
        if number is not None and start < end and piece != _SPACE:
            yield token, number, start, end


def _parted(text: str, place: int) -> bool:
    """Whether a word ends here that the tokenizer may see as one with the next: SentencePiece parts at spaces alone."""
    return any(_stands_alone(character) for character in text[place - 1 : place + 1])


def _stands_alone(character: str) -> bool:
    if character.isascii():
        return character in punctuation
    return unicodedata.category(character)[0] == "P" or bool(_ALONE.match(character))


_ALONE = re.compile(f"{WITHOUT_SPACES}|[\u2600-\u27bf\U0001f000-\U0001faff]")
"""Scripts without spaces, of which each token is a word, and emoji."""
