"""`frontdesk import transcripts`: the customers' words in transcripts of elsewhere become utterances, each once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import typer

from bot.config import Settings
from bot.desk import DeskError, with_journal
from bot.journal.journal import Journal
from bot.journal.values import Utterance, UtteranceKey
from bot.messages import Json
from bot.printed import counted, print_json
from bot.transcripts import formats
from bot.transcripts.heard import SOURCE
from bot.transcripts.keeper import REPEATED, Keeper, Repeats
from bot.transcripts.message import COMMAND, STAFF, Item, LeftOut, Message, Way, Writer
from bot.transcripts.progress import Progress, shown
from bot.transcripts.report import Report, kept
from nlu.source import DataError

BATCH = 500
"""Utterances in one transaction."""
UNKNOWN = "nobody knows whether a customer wrote it"
_NAMES_SHOWN = 5
_NO_CONVERSATION = "-"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for."""

    paths: Sequence[Path]
    way: Way
    source: str = ""
    """The name under which it is kept; else the format's."""
    dry: bool = False


@dataclass(slots=True)
class File:
    """What became of a file."""

    path: Path
    format: str = ""
    messages: int = 0
    remarks: list[str] = field(default_factory=list)
    problem: str = ""

    def line(self) -> str:
        said = f"{self.format}, {counted(self.messages, 'message', 'messages')}"
        return f"{self.path}: {'; '.join([said, *self.remarks])}."

    def to_json(self) -> Json:
        return {
            "path": str(self.path),
            "format": self.format,
            "messages": self.messages,
            "remarks": self.remarks,
            "problem": self.problem,
        }


def show(wish: Wish, as_json: bool) -> None:
    settings = Settings.read()
    check(wish)
    files = [file for path in wish.paths for file in formats.files_of(path)]
    if not files:
        raise DeskError(f"There is no file in {', '.join(map(str, wish.paths))}.")

    async def work(journal: Journal) -> tuple[Import, int]:
        with shown(files) as progress:
            done = Import(journal, Keeper.of(settings), wish, progress)
            for file in files:
                await done.read(file)
        return done, sum((await journal.utterance_counts()).values())

    done, everything = with_journal(work, "What was read is kept; import again, it is not added twice.", begin=True)
    if as_json:
        print_json({"dry_run": wish.dry, **done.to_json()})
    else:
        done.print(everything)
    problems = [file.problem for file in done.files if file.problem]
    if len(problems) == len(files):
        raise DeskError(problems[0] if len(problems) == 1 else f"No file could be read. {problems[0]}")
    for problem in problems:
        typer.echo(f"Left out: {problem}", err=True)


def check(wish: Wish) -> None:
    """Raises DeskError."""
    if missing := [path for path in wish.paths if not path.exists()]:
        raise DeskError(f"There is no {missing[0]}.")
    if wish.source == SOURCE:
        raise DeskError(f"The name {SOURCE} is the conversation log's; choose another with --source.")


@dataclass(slots=True)
class Import:
    journal: Journal
    keeper: Keeper
    wish: Wish
    progress: Progress
    report: Report = field(default_factory=Report)
    files: list[File] = field(default_factory=list)
    strangers: dict[str, int] = field(default_factory=dict)
    """Writers of whom nobody knows whether they are customers, and how often each wrote."""
    _waiting: list[Utterance] = field(default_factory=list)
    _seen: set[UtteranceKey] = field(default_factory=set)
    _repeats: Repeats = field(default_factory=Repeats)

    async def read(self, path: Path) -> None:
        """A file that cannot be read to its end is told in `files`; what came before is kept."""
        way = replace(self.wish.way, remarks=[])
        file = File(path, remarks=way.remarks)
        self.files.append(file)
        try:
            file.format, items = formats.read(path, way)
            source = self.wish.source or file.format
            for item in items:
                file.messages += isinstance(item, Message) or item.reason in (STAFF, COMMAND)
                self._take(item, path, source)
                if len(self._waiting) >= BATCH:
                    await self._flush()
                    self.progress(path, way.position())
        except DataError as problem:
            file.problem = str(problem)
        await self._flush()

    def _take(self, item: Item, path: Path, source: str) -> None:
        place = f"{path}:{item.line}"
        if isinstance(item, LeftOut):
            self.report.skip(item.reason, place)
        elif why := self._why_not(item):
            self.report.skip(why, place)
        else:
            utterance = self._utterance(item, source)
            if self._is_repeated(item, utterance):
                self.report.skip(REPEATED, place)
            else:
                self._waiting.append(utterance)

    def _why_not(self, message: Message) -> str | None:
        if message.writer is Writer.STAFF:
            return STAFF
        if message.writer is Writer.UNKNOWN:
            self.strangers[message.who] = self.strangers.get(message.who, 0) + 1
            return UNKNOWN
        return COMMAND if message.text.startswith("/") else self.keeper.why_not(message.text)

    def _utterance(self, message: Message, source: str) -> Utterance:
        words = self.keeper.words(message.text)
        customer = self.keeper.customer(message.customer) if message.customer else None
        conversation = _conversation(self.keeper, message)
        return Utterance(
            source=source,
            conversation=conversation or customer or _NO_CONVERSATION,
            message=_name(message, self.keeper.mark(message.text)),
            text=words.text,
            customer=customer or conversation,
            at=message.at,
            language=words.language,
            asked=message.asked,
            intent=message.intent,
            confidence=message.confidence,
        )

    def _is_repeated(self, message: Message, utterance: Utterance) -> bool:
        if utterance.customer is None:
            return False  # the next line may be another customer's
        same = self._repeats.before(f"{utterance.source} {utterance.customer}", message.text, utterance.key)
        return same is not None and same != utterance.key

    async def _flush(self) -> None:
        new = self._waiting
        if self.wish.dry:
            known = await self.journal.known_utterances([utterance.key for utterance in new])
            keys = {utterance.key for utterance in new} - known - self._seen
            self._seen |= keys
            added = len(keys)
        else:
            added = await self.journal.keep_utterances(new)
        self.report.added += added
        self.report.known += len(new) - added
        self._waiting = []

    def print(self, everything: int) -> None:
        for file in self.files:
            if not file.problem:
                typer.echo(file.line())
        typer.echo(kept(self.report, everything, dry=self.wish.dry))
        self.report.print_skipped()
        if self.strangers:
            typer.echo("Are these customers? Name those who are: " + " ".join(self._names()), err=True)

    def _names(self) -> Iterator[str]:
        often = sorted(self.strangers, key=lambda name: -self.strangers[name])
        yield from (f'--customers "{name}"' for name in often[:_NAMES_SHOWN])

    def to_json(self) -> Json:
        return {
            "files": [file.to_json() for file in self.files],
            **self.report.to_json(),
            "unknown_writers": self.strangers,
        }


def _conversation(keeper: Keeper, message: Message) -> str | None:
    return keeper.conversation(message.conversation, message.customer) if message.conversation else None


def _name(message: Message, words: str) -> str:
    """The same each time the message is read, and another one for other words: an export may count its messages anew in
    every file."""
    if message.id is not None:
        place = message.id if len(message.id) < 100 and "@" not in message.id else _digest(message.id)
    else:
        place = f"{message.line}" if message.at is None else f"{message.at:.3f}"
    return f"{place}.{words}"


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
