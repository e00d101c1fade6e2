"""Reads CSV: `text,intent` (or `text,category`) for examples, `question,article` for the knowledge base's scores."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from nlu.data.examples import Example
from nlu.source import DataError, is_blank, read_text

_SURPLUS = "\0"
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
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restkey=_SURPLUS, strict=True)
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or []]
    except csv.Error as error:
        raise DataError(path, 1, f"the CSV is broken ({error}).") from None
    if twice := next((name for name in columns if name and columns.count(name) > 1), None):
        raise DataError(path, 1, f"the column '{twice}' is there twice.", "Rename or remove one of them.")
    reader.fieldnames = columns
    return columns, _numbered(path, reader)


def _numbered(path: Path, reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Without empty rows, such as a spreadsheet leaves behind."""
    begins = reader.line_num + 1
    try:
        for row in reader:
            surplus = row.pop(_SURPLUS, None) or []
            if any(cell.strip() for cell in (*row.values(), *surplus) if cell):
                _check_width(path, reader, surplus)
                yield reader.line_num, dict(row)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError(path, begins, f"the CSV is broken here ({error}).", "Check the quotes.") from None


def _check_width(path: Path, reader: csv.DictReader[str], surplus: Sequence[str]) -> None:
    """What stands behind a comma too many would be lost, and the wrong half of a text taken for its intent."""
    wide = len(reader.fieldnames or ())
    if any(cell.strip() for cell in surplus):
        found = f"there are {wide + len(surplus)} values for {wide} columns."
        raise DataError(path, reader.line_num, found, "Put a text with commas in double quotes.")


def _example(path: Path, line: int, text: str | None, intent: str | None) -> Example:
    if is_blank(text or ""):
        raise DataError(path, line, "the text is empty.", "Fill it in or remove the line.")
    if is_blank(intent or ""):
        raise DataError(path, line, "the intent is empty.", "Fill it in or remove the line.")
    return Example((text or "").strip(), (intent or "").strip(), (), path, line)
