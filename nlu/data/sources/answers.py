"""CSV of the knowledge base: `question,answer` makes articles, `question,article` gives more questions to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nlu.data.article import Article, help_url, sections_of, slug
from nlu.data.sources.html import is_link
from nlu.data.table import other_columns, rows_of
from nlu.source import DataError

Row = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Key:
    """A question that some article answers."""

    question: str
    article: str
    path: Path
    line: int


def read_answers(path: Path) -> tuple[list[Article], list[Key]]:
    """Rows with the same answer are one article, asked for in several ways. Raises DataError with the line."""
    columns, rows = rows_of(path)
    if not {"question", "answer"} <= set(columns):
        if not {"question", "article"} <= set(columns):
            raise other_columns(path, columns, "question,answer' or 'question,article")
        return [], [_key(path, line, row) for line, row in rows]
    found: dict[str, Article] = {}
    for line, row in rows:
        answer = _filled(path, line, row, "answer")
        one = _article(path, line, row, answer)
        first = found.get(answer)
        found[answer] = replace(first, questions=(*first.questions, *one.questions)) if first else one
    if not found:
        raise DataError(path, 1, "there are no answers below the first line.", "Add rows or remove the file.")
    return list(_named(found.values())), []


def _key(path: Path, line: int, row: Row) -> Key:
    return Key(_filled(path, line, row, "question"), _filled(path, line, row, "article"), path, line)


def _article(path: Path, line: int, row: Row, answer: str) -> Article:
    question = _filled(path, line, row, "question")
    title = (row.get("title") or "").strip() or question
    url = (row.get("url") or "").strip()
    if url and not is_link(url):
        raise DataError(path, line, f"'{url[:60]}' is no address.", "Begin it with https:// or with /.")
    intents = tuple(re.findall(r"[^\s,;]+", row.get("intents") or ""))
    return Article(slug(title) or slug(path.stem), title, url, intents, (question,), tuple(sections_of("", answer)))


def _named(articles: Iterable[Article]) -> Iterator[Article]:
    """Titles may repeat, ids may not."""
    counts: Counter[str] = Counter()
    for article in articles:
        counts[article.id] += 1
        number = counts[article.id]
        name = article.id if number == 1 else f"{article.id}-{number}"
        yield replace(article, id=name, url=article.url or help_url(name))


def _filled(path: Path, line: int, row: Row, column: str) -> str:
    text = (row.get(column) or "").strip()
    if not text:
        raise DataError(path, line, f"the {column} is empty.", "Fill it in or remove the line.")
    return text
