"""Messages that get no turn of their own, because too many of their conversation wait: they stay in the log."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, update

from bot.journal import outcome
from bot.journal.outcome import Written
from bot.journal.tables import entries
from bot.journal.values import Passing


@dataclass(frozen=True, slots=True)
class Passed:
    count: int
    written: Written


def pass_over(connection: Connection, given: Passing, now: float) -> Passed:
    """None of them waits any more, and the customer knows. Raises StaleFence and NotFound."""
    written = outcome.said(connection, given, now)
    waiting = (
        entries.c.conversation_id == given.conversation_id,
        entries.c.seq <= given.upto,
        entries.c.pending_since.is_not(None),
    )
    count = connection.execute(update(entries).where(*waiting).values(pending_since=None)).rowcount
    return Passed(count, written)
