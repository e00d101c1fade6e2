"""The verbs of `frontdesk import`; the database is imported when one is called."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Annotated

import typer

import_cli = typer.Typer(help="What customers said elsewhere, for learning.", no_args_is_help=True)

FORMATS = ("jsonl", "csv", "rasa", "mail", "chat")
FIELDS = ("text", "author", "conversation", "message", "time", "customer")


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError:
        raise typer.BadParameter(f"there is no encoding '{name}'; utf-8, cp1252 and utf-16 are some.") from None


def _format(name: str) -> str:
    if name and name not in FORMATS:
        raise typer.BadParameter(f"it is one of {', '.join(FORMATS)}.")
    return name


def _source(name: str) -> str:
    if name and not re.fullmatch(r"[\w.-]{1,60}", name):
        raise typer.BadParameter("it is a word of letters, digits, '.', '_' and '-'.")
    return name


def _columns(given: list[str]) -> dict[str, str]:
    found = {}
    for one in given:
        field, equals, name = one.partition("=")
        if field.strip() not in FIELDS or not equals or not name.strip():
            raise typer.BadParameter(f"--column is FIELD=NAME, with {', '.join(FIELDS)} as FIELD.")
        found[field.strip()] = name.strip()
    return found


@import_cli.callback()
def _group() -> None:
    """What customers said elsewhere, for learning."""


@import_cli.command("transcripts")
def transcripts(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, folders of files, or a Maildir.")],
    dry: Annotated[bool, typer.Option("--dry-run", help="Read and count, and keep nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    kind: Annotated[
        str,
        typer.Option(
            "--format", help="`jsonl`, `csv`, `rasa`, `mail`, `chat`; else told from each file.", callback=_format
        ),
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(help=f"FIELD=NAME: the column of a field ({', '.join(FIELDS)}); else told from its name."),
    ] = None,
    customers: Annotated[
        list[str] | None, typer.Option(help="A name in the column of writers that is a customer's.")
    ] = None,
    own: Annotated[list[str] | None, typer.Option(help="An e-mail address or domain of yours.")] = None,
    source: Annotated[
        str, typer.Option(help="The name under which it is kept; else the format's.", callback=_source)
    ] = "",
    encoding: Annotated[
        str, typer.Option(help="Of text files; else UTF-8, or what they begin with.", callback=_encoding)
    ] = "",
) -> None:
    """Keep what customers said in transcripts of elsewhere, redacted; the same message is kept once."""
    from bot.transcripts.importing import Wish, show
    from bot.transcripts.message import Way

    way = Way(
        kind,
        encoding,
        _columns(column or []),
        frozenset(name.casefold() for name in customers or ()),
        frozenset(name.strip().lstrip("@").casefold() for name in own or ()),
    )
    show(Wish(paths, way, source, dry), as_json)
