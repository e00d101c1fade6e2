"""Reads CSV: `text,intent` (or `text,category`) for examples, `question,article` for the knowledge base's scores."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from nlu.data.examples import Example
from nlu.source import DataError, read_text

_LABELS = ("intent", "category", "label")


def read_table(path: Path) -> list[Example]:
    """Raises DataError for a missing column, an empty text or an empty intent."""
    columns, rows = rows_of(path)
    label = next((name for name in _LABELS if name in columns), None)
    if "text" not in columns or label is None:
        raise other_columns(path, columns, "text,intent")
    return [_example(path, line, row.get("text"), row.get(label)) for line, row in rows]


def read_questions(path: Path) -> list[tuple[str, str]]:
    """Questions with the id of the article that answers each."""
    columns, rows = rows_of(path)
    if not {"question", "article"} <= set(columns):
        raise other_columns(path, columns, "question,article")
    return [(row.get("question") or "", row.get("article") or "") for _, row in rows]


def other_columns(path: Path, columns: list[str], wanted: str) -> DataError:
    found = f"the columns are {', '.join(columns)}." if columns else "the file is empty."
    return DataError(path, 1, found, f"The first line must be '{wanted}', with commas.")


def columns_of(path: Path) -> list[str]:
    return rows_of(path)[0]


def rows_of(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, str | None]]]]:
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or []]
    except csv.Error as error:
        raise DataError(path, 1, f"the CSV is broken ({error}).") from None
    reader.fieldnames = columns
    return columns, _numbered(path, reader)


def _numbered(path: Path, reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str | None]]]:
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(path, reader.line_num, f"the CSV is broken ({error}).", "Check the quotes.") from None


def _example(path: Path, line: int, text: str | None, intent: str | None) -> Example:
    if not text or not text.strip():
        raise DataError(path, line, "the text is empty.", "Fill it in or remove the line.")
    if not intent or not intent.strip():
        raise DataError(path, line, "the intent is empty.", "Fill it in or remove the line.")
    return Example(text.strip(), intent.strip(), (), path, line)
