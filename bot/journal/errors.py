"""What can go wrong in the journal; few kinds, each with one right answer of the caller."""

from __future__ import annotations

from nlu.source import Mendable


class JournalError(Exception):
    """The journal refuses; the sentence says why."""


class CannotOpen(JournalError, Mendable):
    """The database cannot be used at all; the sentence says what to do."""


class Unavailable(JournalError):
    """The database is away, full or read-only just now: nothing was stored, try again after `retry_after` seconds."""

    def __init__(self, sentence: str, retry_after: float = 1.0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class BadId(JournalError):
    """A conversation or message id that is empty or too long."""


class IdConflict(JournalError):
    """Another message came under the same id before."""


class NotFound(JournalError):
    """There is no such conversation or entry."""


class StaleFence(JournalError):
    """Somebody else owns the conversation by now: drop the work, they do it."""


class AlreadyProcessed(JournalError):
    """The message has its answer: drop the work."""


class OutOfOrder(JournalError):
    """An earlier message of the conversation still waits for its answer: that one first."""
