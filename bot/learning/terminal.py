"""The review queue in the terminal: a question, and a key for the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console as Screen
from rich.markup import escape
from rich.padding import Padding

from bot.journal.journal import Journal
from bot.journal.values import Kind
from bot.learning.around import NO_CONVERSATION, said_around
from bot.learning.articles import article_named
from bot.learning.deciding import ANSWERED, BadDecision, one_of, reviews
from bot.learning.queue import Item, Queue, words_on
from bot.messages import Author, Entry
from bot.printed import counted
from nlu.source import in_line
from nlu.types import Intent

SHOWN = 6
"""Texts of a cluster that are shown."""
KEYS = (
    "1-5 intent   i another   n new intent   a article   w article to write   o out of scope   x ignore   "
    "f first only   c conversation   space later   u undo   q end"
)

ENDS = ("q", "\x1b", "\x03", "\x04", "")

ReadKey = Callable[[], str]
ReadLine = Callable[[str], str]


@dataclass(slots=True)
class Round:
    """One reviewer at one queue."""

    journal: Journal
    queue: Queue
    intents: Sequence[str]
    articles: Sequence[str]
    reviewer: str
    screen: Screen
    read_key: ReadKey
    read_line: ReadLine
    share: float = 0.0
    """Of what a second opinion is asked for."""
    labelled: int = 0
    decided: int = 0
    _place: int = 0
    _first_only: bool = False
    _trail: list[tuple[int, int]] = field(default_factory=list)
    """Of each decision that can be taken back: where it was, and how many utterances it labelled."""
    _called: dict[str, str] = field(default_factory=dict)
    """What the reviewer calls intents that were proposed under another name."""

    async def play(self) -> None:
        self.screen.print(f"{self.queue.advice()} [dim]{KEYS}[/dim]", highlight=False)
        if self.queue.items and not self.queue.pays:
            self.screen.print("Any key asks all the same, [bold]q[/bold] ends.", highlight=False)
            if self.read_key() in ENDS:
                return
        shown = -1
        while self.queue.items:
            if shown != self._place:
                await self._pass_answered()
                self._show()
                shown = self._place
            key = self.read_key()
            if key in ENDS:
                break
            if not await self._press(key):
                self.screen.print(f"[dim]{KEYS}[/dim]", highlight=False)

    async def _pass_answered(self) -> None:
        """Others review, too."""
        passed = 0
        while self._place < len(self.queue.items):
            item = self.queue.items[self._place]
            if await self._left([item.number]):
                break
            passed, self._place = passed + 1, self._place + 1
        if passed:
            told = counted(passed, "question was answered", "questions were answered")
            self.screen.print(f"[dim]{told} by others meanwhile.[/dim]", highlight=False)

    async def _left(self, ids: Sequence[int]) -> set[int]:
        """Those on which the reviewer may still be asked."""
        words = await words_on(self.journal, ids, self.share)
        return {number for number, said in words.items() if said.asks(self.reviewer)}

    async def _press(self, key: str) -> bool:
        """Whether the key means something."""
        if key == "u":
            await self._undo()
            return True
        if self._place >= len(self.queue.items):
            return False
        item = self.queue.items[self._place]
        deeds: dict[str, Callable[[Item], Awaitable[None]]] = {
            "i": self._another,
            "n": self._new,
            "a": self._article,
            "w": self._to_write,
            "c": self._conversation,
            "f": self._first,
            " ": self._later,
        }
        if key.isdecimal() and 0 < int(key) <= len(item.guesses):
            await self._decide(item, Kind.INTENT, item.guesses[int(key) - 1].name)
        elif key in ("o", "x"):
            await self._decide(item, Kind.OUT_OF_SCOPE if key == "o" else Kind.IGNORE, None)
        elif key in deeds:
            await deeds[key](item)
        else:
            return False
        return True

    async def _decide(self, item: Item, kind: Kind, label: str | None) -> None:
        members = item.utterances[:1] if self._first_only else item.meant(label)
        try:
            wanted = reviews([one.id for one in members], kind, label, self.reviewer)
        except BadDecision as problem:
            self.screen.print(f"[yellow]{escape(str(problem))}[/yellow]", highlight=False)
            return
        left = await self._left([one.utterance_id for one in wanted])
        given = [one for one in wanted if one.utterance_id in left]
        if not given:
            self.screen.print(f"  [dim]{ANSWERED}[/dim]", highlight=False)
            self._go(self._place + 1)
            return
        await self.journal.decide(given)
        self._trail.append((self._place, len(given)))
        self.labelled += len(given)
        self.decided += 1
        name = given[0].label or given[0].kind.value.replace("_", " ")
        self.screen.print(f"  [green]{escape(name)}[/green]  ({len(given)})", highlight=False)
        self._go(self._place + 1)

    async def _another(self, item: Item) -> None:
        if name := self._chosen("intent", self.intents):
            await self._decide(item, Kind.INTENT, name)

    async def _new(self, item: Item) -> None:
        proposed = self._called.get(item.new, item.new)
        shown = f" ({proposed})" if proposed else ""
        if name := self.read_line(f"  name of the new intent{shown}: ").strip() or proposed:
            if item.new:
                self._called[item.new] = name
            await self._decide(item, Kind.INTENT, name)

    async def _article(self, item: Item) -> None:
        if name := self._chosen("article", self.articles):
            await self._decide(item, Kind.ARTICLE, name)

    async def _to_write(self, item: Item) -> None:
        if title := self.read_line("  what the article that has to be written is about: ").strip():
            try:
                name = article_named(title)
            except BadDecision as problem:
                self.screen.print(f"[yellow]{escape(str(problem))}[/yellow]", highlight=False)
                return
            await self._decide(item, Kind.ARTICLE, name)

    async def _conversation(self, item: Item) -> None:
        """What was said before and after."""
        first = item.utterances[0]
        lines = await said_around(self.journal, first)
        if not lines:
            self.screen.print(f"  [dim]{NO_CONVERSATION}[/dim]", highlight=False)
        for entry in lines:
            style = "bold" if str(entry.seq) == first.message.partition(".")[0] else "dim"
            self._print_indented(f"[{style}]{escape(_spoken(entry))}[/{style}]")

    def _print_indented(self, marked: str) -> None:
        """All of it, wrapped within the indentation."""
        self.screen.print(Padding(marked, (0, 0, 0, 2)), highlight=False, soft_wrap=False)

    async def _first(self, item: Item) -> None:
        self._first_only = not self._first_only
        told = "Only the first one is labelled." if self._first_only else "All of them are labelled."
        self.screen.print(f"  [dim]{told}[/dim]", highlight=False)

    async def _later(self, item: Item) -> None:
        self._go(self._place + 1)

    async def _undo(self) -> None:
        if not self._trail:
            self.screen.print("  [dim]There is nothing to take back.[/dim]", highlight=False)
            return
        await self.journal.undo(self.reviewer)
        place, count = self._trail.pop()
        self.labelled -= count
        self.decided -= 1
        self.screen.print("  [dim]Taken back.[/dim]", highlight=False)
        self._go(place)

    def _go(self, place: int) -> None:
        self._place, self._first_only = place, False

    def _chosen(self, what: str, names: Sequence[str]) -> str:
        """A name that fits what is typed; empty if there is not exactly one."""
        try:
            return one_of(names, self.read_line(f"  {what}: ").strip(), what)
        except BadDecision as problem:
            self.screen.print(f"  [dim]{escape(str(problem))}[/dim]", highlight=False)
            return ""

    def _show(self) -> None:
        if self._place >= len(self.queue.items):
            self.screen.print("That was all. u undo, q end", highlight=False)
            return
        item = self.queue.items[self._place]
        place = f"{self._place + 1} of {len(self.queue.items)}"
        self.screen.rule(f"[dim]{place}[/dim]", align="left")
        first, *others = item.texts
        self.screen.print(f"[bold]{escape(first)}[/bold]", highlight=False)
        for text in others[: SHOWN - 1]:
            self._print_indented(escape(text))
        if len(others) >= SHOWN:
            self.screen.print(f"  [dim]and {len(others) - SHOWN + 1} more[/dim]", highlight=False)
        told = ", ".join([*item.reasons, *filter(None, [item.said]), *([str(item.proposal)] if item.proposal else [])])
        if told:
            self.screen.print(f"  [yellow]{escape(told)}[/yellow]", highlight=False)
        for near in item.nearest:
            self.screen.print(f"  [dim]like {escape(near.intent)}: {escape(near.text)}[/dim]", highlight=False)
        self.screen.print("  " + "   ".join(_guess(*pair) for pair in enumerate(item.guesses, 1)), highlight=False)


def _spoken(entry: Entry) -> str:
    """Who said what, with the buttons that they offered."""
    who = "customer" if entry.author is Author.USER else entry.author.value
    buttons = "".join(f" [{button.title}]" for button in entry.message.buttons)
    return f"{who}: {in_line(entry.message.text)}{buttons}"


def _guess(number: int, guess: Intent) -> str:
    return f"[bold]{number}[/bold] {escape(guess.name)} [dim]{guess.confidence:.0%}[/dim]"
