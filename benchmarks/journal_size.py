"""What a turn costs in a small journal and in one of many conversations: `python -m benchmarks.journal_size`.

Fills one SQLite file with few conversations and one with many (two entries and a turn each, an utterance for every
tenth; every hundred-thousandth waits for a person), and asks both the same in turn. Conversations are picked at
random, so that nothing of them is in SQLite's own cache. Prints a Markdown table. `--home` belongs on the disk you
mean to use: a conversation takes about 0.8 KB.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles

from bot.journal.deliveries import Claimant
from bot.journal.journal import Journal
from bot.messages import Event, Inbound, Outbound, Owner, Turn

NAME = "c{:011d}"
STATE = {"slots": {"order": "LW-10234"}, "events": ["x" * 100] * 5}
EVENTS = tuple(Event("slot", 1.0, {"name": f"slot_{n}", "value": "a value"}) for n in range(3))
REPLY = (Outbound("Your order LW-10234 left our warehouse this morning and arrives tomorrow."),)
SECONDS = 10.0
"""Between two conversations."""

# n goes through the new conversations; the tables' other columns are as a turn writes them.
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :last)"
ID = "printf('c%011d', n)"
FILL = (
    f"""{NUMBERS} INSERT INTO conversations (id, channel, epoch, last_seq, owner, fence, version, created_at, last_at,
    queued_at, metadata, state) SELECT {ID}, 'web', hex(randomblob(16)), 2, iif(n % 100000 = 7, 'queue', 'bot'), 0, 1,
    :now - n * {SECONDS}, :now - n * {SECONDS}, iif(n % 100000 = 7, :now - n * {SECONDS}, NULL), '{{}}', :state
    FROM numbers""",
    f"""{NUMBERS} INSERT INTO entries (conversation_id, seq, author, at, text, body, message_id, digest, part, attempts)
    SELECT {ID}, 1, 'user', :now - n * {SECONDS}, 'where is my order LW-10234?', '{{"channel":"web"}}',
    hex(randomblob(8)), hex(randomblob(16)), 0, 0 FROM numbers""",
    f"""{NUMBERS} INSERT INTO entries (conversation_id, seq, author, at, text, body, reply_to, part, attempts)
    SELECT {ID}, 2, 'bot', :now - n * {SECONDS}, 'It left our warehouse this morning.', '{{}}', 1, 0, 0 FROM numbers""",
    f"""{NUMBERS} INSERT INTO turns (conversation_id, seq, at, owner, model, seconds, model_seconds, events)
    SELECT {ID}, 1, :now - n * {SECONDS}, 'bot', 'a-model', 0.02, 0.01,
    '[{{"event":"slot","name":"order","value":"LW-10234"}}]' FROM numbers""",
    f"""{NUMBERS} INSERT INTO utterances (source, conversation, message, customer, at, text, language, signals, intent,
    confidence, verdict, model) SELECT 'journal', {ID}, '1', {ID}, :now - n * {SECONDS}, 'where is my order?', 'en',
    '{{}}', 'track_order', 0.9, 'sure', 'a-model' FROM numbers WHERE n % 10 = 0""",
)


async def filled(path: Path, conversations: int) -> None:
    async with await Journal.open(path):
        pass
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -400000", "threads = 1"):
        database.execute(f"PRAGMA {pragma}")
    made = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    indexes = database.execute(made).fetchall()
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    for statement in FILL:
        _fill(database, statement, conversations)
    for name, sql in indexes:
        print(f"  {path.name}: {name}", file=sys.stderr)
        database.execute(sql)
    database.execute("UPDATE frontdesk SET collected = (SELECT max(id) FROM turns)")
    database.execute("PRAGMA journal_mode = WAL")
    database.close()


def _fill(database: sqlite3.Connection, statement: str, conversations: int) -> None:
    """A million at a time."""
    state = '{"slots":{"order":"LW-10234"},"events":["' + "x" * 100 + '"]}'
    for first in range(0, conversations, 1_000_000):
        last = min(conversations, first + 1_000_000)
        print(f"  {statement.partition('INTO ')[2].split()[0]}: {last:,}", file=sys.stderr)
        database.execute(statement, {"first": first, "last": last, "now": time.time(), "state": state})


Question = Callable[[Journal, str], Awaitable[object]]


async def turn(journal: Journal, conversation: str) -> None:
    """Accept, take, attempt, read, commit: an old conversation goes on, or a new one begins."""
    inbound = Inbound(conversation, f"m{random.random()}", "and when does it arrive?", "web", time.time())
    accepted = await journal.accept(inbound)
    fence = await journal.fence(conversation)
    await journal.attempt(conversation, accepted.seq)
    await journal.backlog(conversation, 20)
    await journal.conversation(conversation)
    await journal.commit(Turn(inbound, accepted.seq, EVENTS, REPLY, Owner.BOT, STATE), fence)


async def begun(journal: Journal, _: str) -> None:
    await turn(journal, f"new-{random.getrandbits(64):x}")


async def collect(journal: Journal, _: str) -> None:
    await journal.turns_after((await journal.collected()).turn, 100)


YEARS = 20 * 365 * 86400.0
"""Older than anything: retention has nothing to do."""
QUESTIONS: dict[str, tuple[int, Question]] = {
    "a turn of an old conversation": (200, turn),
    "a turn of a new conversation": (200, begun),
    "a conversation's entries": (200, lambda journal, name: journal.entries(name)),
    "its events, for a session that is built anew": (200, lambda journal, name: journal.events(name, 100)),
    "what nobody answered (recovery)": (20, lambda journal, _: journal.orphans(time.time() - 5)),
    "conversations that grew": (20, lambda journal, _: journal.grown(30)),
    "deliveries that are due": (20, lambda journal, _: journal.any_due(Claimant("me", ("line",), 30, 3600))),
    "the place in the queue": (20, lambda journal, _: journal.queue_position(NAME.format(7))),
    "collecting for learning": (20, collect),
    "retention, nothing is too old": (5, lambda journal, _: journal.expire_conversations(YEARS, 100)),
    "retention of utterances, nothing is too old": (5, lambda journal, _: journal.expire_utterances(YEARS, 100)),
    "the console's counts": (5, lambda journal, _: journal.counts()),
    "the console's list, all": (5, lambda journal, _: journal.conversations()),
    "the console's list, who waits": (5, lambda journal, _: journal.conversations(Owner.QUEUE)),
    "the console's list, a person's": (5, lambda journal, _: journal.conversations(Owner.AGENT)),
    "utterances to review": (5, lambda journal, _: journal.unreviewed(50)),
    "the review's counts": (5, lambda journal, _: journal.review_counts()),
}


async def opened(path: Path) -> float:
    started = time.perf_counter()
    async with await Journal.open(path) as journal:
        await journal.orphans(time.time())
        return time.perf_counter() - started


async def asked(journal: Journal, conversations: int, times: int, question: Question) -> list[float]:
    taken: list[float] = []
    for _ in range(times):
        name = NAME.format(random.randrange(conversations))
        started = time.perf_counter()
        await question(journal, name)
        taken.append(time.perf_counter() - started)
    return taken


def row(what: str, small: list[float], large: list[float]) -> str:
    middle, other = median(small) * 1e3, median(large) * 1e3
    last = quantiles(large, n=20)[-1] * 1e3
    return f"| {what} | {len(large)} | {middle:.2f} | {other:.2f} | {last:.2f} | {other / middle:.2f} |"


async def measure(files: tuple[Path, Path], sizes: tuple[int, int]) -> None:
    starts = [[await opened(path) for path in files] for _ in range(5)]
    print("| what | n | few, p50 ms | many, p50 ms | many, p95 ms | many / few |\n|---|---|---|---|---|---|")
    print(row("opened, with what nobody answered", *([pair[at] for pair in starts] for at in (0, 1))))
    async with await Journal.open(files[0]) as small, await Journal.open(files[1]) as large:
        for what, (times, question) in QUESTIONS.items():
            taken: tuple[list[float], list[float]] = ([], [])
            for _ in range(5):  # in turn, for whatever else the machine does
                for journal, size, so_far in zip((small, large), sizes, taken, strict=True):
                    so_far.extend(await asked(journal, size, max(1, times // 5), question))
            print(row(what, *taken), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=10_000_000)
    parser.add_argument("--home", type=Path, default=Path.cwd())
    parser.add_argument(
        "--files", type=Path, help="a folder in which the files are made if they are not there, and stay"
    )
    options = parser.parse_args()
    random.seed()  # the pages that an earlier run read must not help
    with tempfile.TemporaryDirectory(dir=options.home, prefix=".benchmark-") as scratch:
        folder: Path = options.files or Path(scratch)
        sizes = options.few, options.many
        few, many = (folder / f"{size}.db" for size in sizes)
        for path, size in zip((few, many), sizes, strict=True):
            if not path.exists():
                await filled(path, size)
        print(f"{options.few:,} conversations against {options.many:,} ({many.stat().st_size / 2**30:.1f} GB)\n")
        await measure((few, many), sizes)


if __name__ == "__main__":
    asyncio.run(main())
