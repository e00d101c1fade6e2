"""What one conversation still has to answer, as far as this process knows. Pure: it asks nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from bot.journal.values import Backlog, Waiting


@dataclass(slots=True)
class Tally:
    """Messages in this process's hands that still have to be answered, in all lines together."""

    waiting: int = 0


@dataclass(slots=True)
class Line:
    """The messages in hand, and which one is next.

    A conversation's numbers have no holes. So a message is next if every number before it is known to be settled: an
    answered message, or a reply of ours. A number that is not known means that somebody else has written, and then
    only the journal can say what is next.
    """

    tally: Tally = field(default_factory=Tally)
    most: int | None = None
    """So many are kept in hand: of those before them the journal knows."""
    unsure: bool = False
    """Somebody else may have written: the journal has to be read."""
    _waiting: dict[int, Waiting] = field(default_factory=dict)
    _taken_up: set[int] = field(default_factory=set)
    _settled: int = 0
    """Every number up to here is settled."""
    _islands: dict[int, int] = field(default_factory=dict)
    """First to last number of what is settled further on."""

    def __len__(self) -> int:
        return len(self._waiting)

    def accepted(self, waiting: Waiting) -> None:
        """This process has just stored the message."""
        self.tally.waiting += waiting.seq not in self._waiting
        self._waiting[waiting.seq] = waiting
        self._taken_up.add(waiting.seq)
        if self.most is not None and len(self._waiting) > self.most:
            del self._waiting[min(self._waiting)]
            self.tally.waiting -= 1

    def begin(self, settled: int) -> None:
        """The conversation is ours from now on; all up to `settled` is settled."""
        self._settled = settled
        self._islands = {first: last for first, last in self._islands.items() if first > settled}
        self._join()
        self._hold({seq: waiting for seq, waiting in self._waiting.items() if seq > settled})

    def read(self, backlog: Backlog) -> None:
        """What the journal knows, and what was accepted here since."""
        since = {seq: waiting for seq, waiting in self._waiting.items() if seq > backlog.last_seq}
        waiting = {one.seq: one for one in backlog.waiting}
        bounds = sorted({*waiting, backlog.last_seq + 1})
        self._hold(since | waiting)
        self._settled = bounds[0] - 1
        self._islands = {seq + 1: after - 1 for seq, after in pairwise(bounds) if after > seq + 1}
        self.unsure = False

    def next(self) -> Waiting | None:
        """The message whose turn it is; None if there is none, or if that cannot be told."""
        if self.unsure:
            return None
        found = self._waiting.get(self._settled + 1)
        self.unsure = found is None and bool(self._waiting)
        return found

    def settle(self, first: int, last: int) -> None:
        """These numbers are settled: a message that has its answer, or the replies to it."""
        for seq in range(first, last + 1):
            if self._waiting.pop(seq, None):
                self.tally.waiting -= 1
        self._islands[first] = last
        self._join()

    def take_up(self, seq: int) -> bool:
        """Whether this process takes up a message that another one accepted, for the first time."""
        if seq in self._taken_up:
            return False
        self._taken_up.add(seq)
        return True

    def leave(self) -> None:
        """It is somebody else's from now on."""
        self._hold({})

    def _join(self) -> None:
        while (end := self._islands.pop(self._settled + 1, None)) is not None:
            self._settled = end

    def _hold(self, waiting: dict[int, Waiting]) -> None:
        self.tally.waiting += len(waiting) - len(self._waiting)
        self._waiting = waiting
