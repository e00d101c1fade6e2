"""The knowledge base of a folder: articles of every format, and the questions that lead to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nlu.data.article import Article
from nlu.data.sources.answers import Key, read_answers
from nlu.data.sources.html import read_page
from nlu.data.sources.markdown import read_markdown
from nlu.data.sources.pdf import read_pdf
from nlu.data.sources.sitemap import read_sitemap
from nlu.source import DataError, did_you_mean

FOLDER = "kb"
"""Only what lies below a folder of this name is knowledge."""
KINDS = (".md", ".html", ".htm", ".csv", ".pdf", ".xml")
_LARGEST = 10_000_000
_LARGEST_PDF = 100_000_000
_MOST = 1_000_000
"""Passages; the vectors of so many take gigabytes at training."""


def read_knowledge(files: Sequence[Path]) -> tuple[Article, ...]:
    """The articles in the files' order, with every question that leads to them. Raises DataError."""
    for file in files:
        _check_size(file)
    addresses = {page: url for file in _of(files, ".xml") for page, url in read_sitemap(file).items()}
    found: list[tuple[Path, Article]] = []
    keys: list[Key] = []
    for file in files:
        if file.suffix.lower() == ".csv":
            articles, more = read_answers(file)
            found += [(file, article) for article in articles]
            keys += more
        elif file.suffix.lower() != ".xml":
            found.append((file, _read(file, addresses.get(file, ""))))
    _check(found)
    return tuple(_asked([article for _, article in found], keys))


def _of(files: Sequence[Path], suffix: str) -> Iterator[Path]:
    return (file for file in files if file.suffix.lower() == suffix)


def _read(file: Path, address: str) -> Article:
    if file.suffix.lower() in (".html", ".htm"):
        return read_page(file, address)
    readers: dict[str, Callable[[Path], Article]] = {".md": read_markdown, ".pdf": read_pdf}
    return readers[file.suffix.lower()](file)


def _check_size(file: Path) -> None:
    most = _LARGEST_PDF if file.suffix.lower() == ".pdf" else _LARGEST
    if file.is_file() and file.stat().st_size > most:
        size = f"{file.stat().st_size / 1e6:.0f} MB"
        raise DataError(
            file, None, f"the file has {size}, and {most / 1e6:.0f} MB are read at most.", "Part it into several."
        )


def _check(found: Sequence[tuple[Path, Article]]) -> None:
    seen: dict[str, Path] = {}
    for file, article in found:
        first = seen.setdefault(article.id, file)
        if first != file:
            raise DataError(
                file, None, f"an article of {first.name} is called '{article.id}' too.", "Rename one of the two."
            )
    passages = sum(len(article.sections) for _, article in found)
    if passages > _MOST:
        raise DataError(
            found[0][0].parent,
            None,
            f"there are {passages} passages, and {_MOST} are searched at most.",
            "Leave out what customers do not ask about.",
        )


def _asked(articles: Sequence[Article], keys: Sequence[Key]) -> Iterator[Article]:
    """The articles with the questions that the tables add, each once."""
    more: dict[str, list[str]] = {article.id: [] for article in articles}
    for key in keys:
        if key.article not in more:
            raise DataError(
                key.path,
                key.line,
                f"there is no article '{key.article}'.",
                did_you_mean(key.article, list(more)) or "Name one by its file, without the suffix.",
            )
        more[key.article].append(key.question)
    for article in articles:
        questions = {" ".join(question.casefold().split()): question for question in more[article.id]}
        known = {" ".join(question.casefold().split()) for question in article.questions}
        new = tuple(question for bare, question in questions.items() if bare not in known)
        yield replace(article, questions=(*article.questions, *new)) if new else article
