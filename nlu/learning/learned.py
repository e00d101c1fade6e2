"""What customers said and what it was found to mean, as examples beside those of the data folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nlu.data.article import Article
from nlu.data.examples import Example, Finding, TrainingData
from nlu.data.reader import same_text

PLACE = Path("utterances")
"""Stands for a file in what is said of them; the line is the utterance's number."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Labelled utterances."""

    examples: tuple[Example, ...] = ()
    keys: tuple[str, ...] = ()
    """Their lineage: the key of each example's utterance, and no words. Then those of the questions' ones."""
    questions: tuple[tuple[str, str], ...] = ()
    """Articles' ids, and what was asked that they answer."""
    guesses: tuple[Example, ...] = ()
    """What a model was sure of by itself. They follow from the rest, so the hash leaves them out."""

    @property
    def hash(self) -> str:
        """Names the content; empty if there is none."""
        if not self.examples and not self.questions:
            return ""
        content = [sorted([e.text, e.intent, str(e.weight)] for e in self.examples), sorted(self.questions)]
        return hashlib.sha256(json.dumps(content).encode("utf-8", "surrogatepass")).hexdigest()


NOTHING = Learned()


def joined(data: TrainingData, learned: Learned) -> TrainingData:
    """The folder's word counts: of what it says itself nothing is taken from the conversations."""
    meant = {same_text(example.text): example.intent for example in data.examples}
    new = [example for example in (*learned.examples, *learned.guesses) if same_text(example.text) not in meant]
    against = [
        example for example in learned.examples if meant.get(same_text(example.text), example.intent) != example.intent
    ]
    warnings = [_contradicts(example, meant[same_text(example.text)]) for example in against]
    articles = tuple(_asked(article, learned.questions) for article in data.articles)
    return replace(data, examples=(*data.examples, *new), articles=articles, warnings=(*data.warnings, *warnings))


def _asked(article: Article, questions: Sequence[tuple[str, str]]) -> Article:
    known = {same_text(question) for question in article.questions}
    new = dict.fromkeys(text for name, text in questions if name == article.id and same_text(text) not in known)
    return replace(article, questions=(*article.questions, *new)) if new else article


def _contradicts(example: Example, meant: str) -> Finding:
    return Finding(
        example.path,
        example.line,
        f"'{example.text[:60]}' was labelled '{example.intent}', and the data folder says '{meant}'.",
        "The folder's word counts; change it there if it is wrong.",
    )


def used(data: TrainingData, learned: Learned) -> Sequence[str]:
    """The lineage of those that `joined` takes."""
    known = {same_text(example.text) for example in data.examples}
    pairs = zip(learned.examples, learned.keys, strict=False)
    of_questions = learned.keys[len(learned.examples) :]
    return sorted({*(key for example, key in pairs if same_text(example.text) not in known), *of_questions})
