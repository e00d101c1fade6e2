"""Articles in the review: those that answer what customers ask, and those that somebody has to write first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import yaml

from bot.journal.values import Kind, Reviewed
from bot.learning.deciding import BadDecision
from bot.printed import counted
from nlu.data.article import slug
from nlu.data.reader import read_training_data
from nlu.learning.placeholders import filled


def article_named(title: str) -> str:
    """The id of an article that is not written yet: its file's name, without the ending. Raises BadDecision."""
    name = slug(title)
    if not name:
        raise BadDecision(f"'{title[:40]}' is no name for an article. Use a few words, as in old furniture.")
    return name


def check_article(name: str, data: Path) -> None:
    """Raises BadDecision: a question of an article that there is not would be learnt by nobody."""
    if name not in (known := written(data)):
        near = get_close_matches(name, known, n=1)
        meant = f"Did you mean '{near[0]}'?" if near else "An article is named as its file is, without the ending."
        raise BadDecision(f"There is no article '{name}' in {data}. {meant} One that has to be written: --new-article.")


def written(data: Path) -> set[str]:
    """The ids of the data folder's articles. Raises DataError."""
    return {article.id for article in read_training_data(data).articles}


def asked_of(reviewed: Sequence[Reviewed]) -> dict[str, list[str]]:
    """What customers asked, each text once, by the article that answers it."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for one in reviewed:
        if one.review.kind is Kind.ARTICLE and one.review.label:
            found[one.review.label][one.utterance.text] = None
    return {name: list(texts) for name, texts in sorted(found.items())}


def unwritten(reviewed: Sequence[Reviewed], known: Collection[str]) -> dict[str, int]:
    """Articles that there are not, and how many questions wait for them."""
    return {name: len(texts) for name, texts in asked_of(reviewed).items() if name not in known}


def to_write(waiting: Mapping[str, int]) -> list[str]:
    """A sentence each."""
    return [
        f"The article {name} has to be written: {counted(count, 'question waits', 'questions wait')} for it "
        f"(`frontdesk review export --article {name}`)."
        for name, count in waiting.items()
    ]


def draft(name: str, reviewed: Sequence[Reviewed]) -> str:
    """An article's beginning, with the questions that wait for it. Raises BadDecision if there are none."""
    asked = asked_of(reviewed)
    if name not in asked:
        others = f" There are some for {', '.join(asked)}." if asked else ""
        raise BadDecision(f"No question waits for an article '{name}'.{others}")
    questions = list(dict.fromkeys(" ".join(filled(text).split()) for text in asked[name]))
    head = {"title": name.replace("-", " ").capitalize(), "url": f"/help/{name}", "questions": questions}
    body = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{body}---\nWrite here what answers these questions.\n"
