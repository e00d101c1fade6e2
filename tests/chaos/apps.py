"""A round with messaging apps: their providers are played here, the servers are killed at every step of a message.

What a customer saw, the played provider knows; what was said and what became of it, the journal. One provider
recognises a repeated call by its key, the other shows it twice: there an answer may be missing, as a dead letter that
says that nobody knows.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from bot.channels.telegram_updates import CHANNEL as TELEGRAM
from bot.config import channels
from bot.journal.journal import Journal
from bot.journal.values import Delivery, DeliveryState
from bot.messages import Author, Entry
from bot.simulators.all import simulator
from bot.simulators.provider import Event, Provider
from tests.chaos.deaths import APP_POINTS, Death
from tests.chaos.invariants import Violation, violations
from tests.chaos.ledger import Ledger
from tests.chaos.rounds import Report, Round
from tests.chaos.stub import GIVEN_UP, mark
from tests.chaos.world import World, world

NAMES = ("signed", TELEGRAM)
STATEMENTS = 2
"""Kills before some SQL statement, besides those at each step."""
DEATH_SECONDS = 30.0
"""For a server to come to the step at which it has to die."""
ANSWER_SECONDS = 30.0
PAUSE_SECONDS = 1.2
"""Between two messages of a customer: Telegram takes one a second for each."""
AGAIN_SECONDS = 0.1
CLAIM_SECONDS = 2.0


@dataclass(slots=True)
class Writer:
    """A customer, and the provider between them and us, which sends the next event when the one before was taken."""

    provider: Provider
    name: str
    rng: Random
    said: int = 0
    resent: int = 0
    doubled: int = 0

    @property
    def conversation(self) -> str:
        return f"{self.provider.name}-{self.name}"

    async def live(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await asyncio.sleep(self.rng.uniform(0.5, 1.5) * PAUSE_SECONDS)
            await self._deliver(self.provider.said(self.name, "tell"))
            self.said += 1

    async def _deliver(self, event: Event) -> None:
        """Until it was taken: some in the same moment twice, some once more when it was."""
        twice = self.rng.random() < 0.15
        self.doubled += twice
        while not await self._taken(event, 1 + twice):
            self.resent += 1
            await asyncio.sleep(AGAIN_SECONDS)
        if self.rng.random() < 0.15:
            self.resent += 1
            await self.provider.post(event)

    async def _taken(self, event: Event, times: int) -> bool:
        statuses = await asyncio.gather(*(self.provider.post(event) for _ in range(times)))
        return all(200 <= status < 300 for status in statuses)


@dataclass(frozen=True, slots=True)
class AppStory:
    """One conversation, from all sides."""

    conversation: str
    said: int
    """Events that were taken."""
    seen: Sequence[str]
    entries: Sequence[Entry]
    deliveries: Sequence[Delivery] = field(default_factory=tuple)
    knows_keys: bool = True
    """Its provider recognises a repeated call."""

    @property
    def messages(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.author is Author.USER]

    @property
    def answers(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.reply_to is not None]


async def play(this: Round, folder: Path | None = None) -> Report:
    """Plays it; the ledger stays in the folder."""
    folder = folder or Path(tempfile.mkdtemp(prefix="chaos-ledger-"))
    began, rng = time.monotonic(), Random(this.seed)
    report = Report(this, ledger=folder / f"{this.name}-{this.seed}.jsonl")
    assert report.ledger is not None
    report.ledger.unlink(missing_ok=True)
    with Ledger(report.ledger) as ledger:
        async with AsyncExitStack() as stack:
            providers = [await _opened(stack, name) for name in NAMES]
            settings = {provider.name: simulator(provider.name).sample(provider.url) for provider in providers}
            plan = replace(this.plan, settings={"delivery_timeout": CLAIM_SECONDS, **settings})
            it = await stack.enter_async_context(world(plan, rng, ledger))
            for provider in providers:
                provider.webhook = f"{it.url}/webhooks/{provider.name}"
            writers = _writers(this, providers, rng)
            await _under_kills(it, writers, report)
            settled = await _settled(it, this.shape.patience)
            report.deaths = it.deaths
            await it.restart()
            report.violations += await _judged(it, writers, report, settled)
        for violation in report.violations:
            ledger.note("violation", invariant=violation.invariant, sentence=str(violation))
    report.seconds = time.monotonic() - began
    return report


async def _opened(stack: AsyncExitStack, name: str) -> Provider:
    played = simulator(name)
    assert issubclass(played, Provider)
    made = played.of(channels()[name].model_validate(played.sample("http://127.0.0.1:9")))
    return await stack.enter_async_context(made.open())


def _writers(this: Round, providers: Sequence[Provider], rng: Random) -> list[Writer]:
    each = this.shape.conversations // len(providers)
    return [Writer(provider, str(7000 + n), Random(rng.random())) for provider in providers for n in range(each)]


async def _under_kills(it: World, writers: Sequence[Writer], report: Report) -> None:
    """All write until all servers have died that had to."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer.live(over))
        for death in _deaths(it.rng):
            await _kill(it, death, report)
        over.set()


def _deaths(rng: Random) -> list[Death]:
    steps = [Death(point, rng.randint(1, 2)) for point in APP_POINTS]
    deaths = [*steps, *(Death("statement", rng.randint(30, 150)) for _ in range(STATEMENTS))]
    return rng.sample(deaths, len(deaths))


async def _kill(it: World, death: Death, report: Report) -> None:
    """All servers are told to end, and the next life of one ends at that step. Until then it is alone: a provider's
    connections stay where they are, and it would be brought nothing."""
    await it.until(lambda: len(it.up) == len(it.servers))
    server, ends = it.some_server(), it.deaths[-9] + 1
    async with AsyncExitStack() as stack:
        for other in it.servers:
            if other is not server:
                await stack.enter_async_context(it.down(other))
        it.doom(server, death)
        it.ledger.note("doomed", where=death.at, n=death.n)
        await asyncio.gather(*(each.terminate() for each in it.servers))
        try:
            async with asyncio.timeout(DEATH_SECONDS):
                await it.until(lambda: it.deaths[-9] >= ends)
        except TimeoutError:
            it.ledger.note("survived", where=death.at, n=death.n)
            return
    report.done[death.at] += 1
    await _answered(it)


async def _answered(it: World) -> None:
    """What the dead left: nobody is to die three times on one message, for that would be given up."""
    died = time.time()
    async with await Journal.open(it.home / "frontdesk.db") as journal:
        with suppress(TimeoutError):  # what waits for ever is told at the end
            async with asyncio.timeout(ANSWER_SECONDS):
                while await journal.orphans(died):
                    await asyncio.sleep(0.02)


async def _settled(it: World, patience: float) -> bool:
    """Whether everything was answered, and every answer delivered or given up."""
    async with await Journal.open(it.home / "frontdesk.db") as journal:
        try:
            async with asyncio.timeout(patience):
                while (counts := await journal.counts()).unanswered or counts.undelivered:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return False
    return True


async def _judged(it: World, writers: Sequence[Writer], report: Report, settled: bool) -> list[Violation]:
    found = [] if settled else [Violation("I3", "all", "something waits for ever")]
    async with await Journal.open(it.home / "frontdesk.db") as journal:
        deliveries = await journal.deliveries(tuple(DeliveryState))
        for writer in writers:
            entries = await journal.entries(writer.conversation, limit=10_000)
            mine = [one for one in deliveries if one.entry.conversation_id == writer.conversation]
            texts = writer.provider.texts(writer.name)
            story = AppStory(writer.conversation, writer.said, texts, entries, mine, writer.provider.name != TELEGRAM)
            _count(report, writer, story)
            found += check(story)
    return found


def _count(report: Report, writer: Writer, story: AppStory) -> None:
    report.messages += writer.said
    report.resent += writer.resent
    report.doubled += writer.doubled
    report.accepted += len(story.messages)
    report.answered += len(story.answers)
    report.given_up += sum(entry.message.text == GIVEN_UP for entry in story.answers)


def check(story: AppStory) -> list[Violation]:
    return violations(
        story.conversation,
        I1=_lost(story),
        I2=_twice(story),
        I3=_unanswered(story),
        I4=_disorder(story),
        I6=_cross_talk(story),
        I11=_shown(story),
    )


def _lost(story: AppStory) -> Iterator[str]:
    if len(story.messages) < story.said:
        yield f"{story.said} events were taken, and the log has {len(story.messages)}"


def _twice(story: AppStory) -> Iterator[str]:
    if len(story.messages) > story.said:
        yield f"{story.said} events were taken, and the log has {len(story.messages)}"
    answers = Counter(entry.reply_to for entry in story.answers)
    yield from (f"{seq} has {times} answers" for seq, times in answers.items() if times > 1)
    yield from (f"{text!r} was shown {times} times" for text, times in Counter(story.seen).items() if times > 1)


def _unanswered(story: AppStory) -> Iterator[str]:
    answered = {entry.reply_to for entry in story.answers}
    yield from (f"{entry.seq} has no answer" for entry in story.messages if entry.seq not in answered)


def _disorder(story: AppStory) -> Iterator[str]:
    """A provider numbers its events, and brought each one when the one before was taken."""
    numbers = [int("".join(filter(str.isdigit, entry.message_id or ""))) for entry in story.messages]
    replies = [entry.reply_to or 0 for entry in story.answers]
    for what, order in (("messages", numbers), ("answers", replies)):
        if order != sorted(order):
            yield f"the {what} stand in the order {order}"


def _cross_talk(story: AppStory) -> Iterator[str]:
    asked = {entry.seq: entry for entry in story.messages}
    count = 0
    for entry in story.answers:
        if entry.message.text == GIVEN_UP:
            continue
        count += 1
        question = asked.get(entry.reply_to or 0)
        ours = mark(story.conversation, (question and question.message_id) or "")
        if entry.message.text != f"{ours} {count}":
            yield f"the answer {entry.message.text!r} to {entry.reply_to} is another message's, or of another state"


def _shown(story: AppStory) -> Iterator[str]:
    """The customer saw what was delivered, in order, and what nobody knows of perhaps."""
    unknown = {one.entry.message.text for one in story.deliveries if one.state is DeliveryState.UNKNOWN}
    wanted = [entry.message.text for entry in story.entries if entry.author is not Author.USER]
    if story.knows_keys and unknown:
        yield f"of {len(unknown)} answers nobody knows, though the provider knows repeated calls"
    sure = [text for text in wanted if text not in unknown or text in story.seen]
    if list(story.seen) != sure:
        yield f"{list(story.seen)} was shown, and {sure} said"
    states = [one.state.value for one in story.deliveries]
    if len(states) != len(wanted) or set(states) - {DeliveryState.DELIVERED, DeliveryState.UNKNOWN}:
        yield f"{len(wanted)} answers have the deliveries {states}"
