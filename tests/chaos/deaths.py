"""When a server under test is to die or to stand still: at its nth SQL statement, its nth commit, or at a named point.

Nothing of this is in the product: a server's process is prepared from outside before it serves.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Literal

from aiohttp import web
from sqlalchemy import Engine, event

from bot.channels.intake import Intake
from bot.journal.journal import Journal
from bot.sending import Sender
from bot.sessions import Sessions

_Hook = Callable[[], None]
Way = Literal["kill", "stop"]
POINTS = (
    "accepted",  # the message is committed, its sender does not know yet
    "acknowledged",  # the acknowledgement is on its way
    "owned",  # the fence was raised
    "starting",  # an action's start is recorded, it did not run
    "acted",  # it ran, its end is not recorded
    "answering",  # the turn is done, nothing of it is committed
    "answered",  # it is committed, nobody was told and no snapshot was saved
)
"""In the order in which a message passes them."""
APP_POINTS = (
    "received",  # what a provider sent is verified and parsed
    "accepted",
    "taken",  # all of it is committed, the provider does not know yet
    "owned",
    "answering",
    "answered",
    "claimed",  # the answer is about to be delivered
    "calling",  # the provider is called
    "called",  # it has answered, nothing of that is committed
    "settled",  # it is
)
"""The same of a messaging app's message."""
_BEFORE_COMMIT_SECONDS = 0.03
"""A slow disk: whoever tells of a commit before it happened has the time to."""


@dataclass(frozen=True, slots=True)
class Death:
    at: str
    """`statement`, `commit`, or one of the points."""
    n: int = 1
    """The how-manieth of them."""
    way: Way = "kill"


class _Counter:
    """Counts passages, from any thread."""

    def __init__(self, death: Death) -> None:
        self._death, self._passed, self._lock = death, 0, threading.Lock()

    def __call__(self, *_: object) -> None:
        with self._lock:
            self._passed += 1
            due = self._passed == self._death.n
        if due and self._death.at == "commit":
            time.sleep(_BEFORE_COMMIT_SECONDS)
        if due:
            os.kill(os.getpid(), signal.SIGKILL if self._death.way == "kill" else signal.SIGSTOP)


def prepare(death: Death) -> None:
    """Call it before the service opens anything."""
    count = _Counter(death)
    if death.at in ("statement", "commit"):
        _count_sqlite(count, death.at == "commit")
        _count_others(count, death.at)
    else:
        _AT[death.at](count)


def _count_sqlite(count: _Counter, commits: bool) -> None:
    """SQLite itself tells of each statement; the journal begins and commits past SQLAlchemy."""
    connect = sqlite3.connect

    def told(statement: str) -> None:
        if not commits or statement.startswith("COMMIT"):
            count()

    @wraps(connect)
    def counted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(told)
        return connection

    sqlite3.connect = counted  # type: ignore[assignment]  # the whole process is ours


def _count_others(count: _Counter, at: str) -> None:
    name = "commit" if at == "commit" else "before_cursor_execute"

    def told(connection: Any, *rest: Any) -> None:
        if connection.dialect.name != "sqlite":
            count()

    event.listen(Engine, name, told)


def _nothing() -> None:
    pass


def _after(owner: type, name: str) -> Callable[[_Counter], None]:
    return lambda count: _wrap(owner, name, after=count)


def _before(owner: type, name: str) -> Callable[[_Counter], None]:
    return lambda count: _wrap(owner, name, before=count)


def _wrap(owner: type, name: str, before: _Hook = _nothing, after: _Hook = _nothing) -> None:
    original = getattr(owner, name)
    setattr(owner, name, _around(original, before, after))


def _around(original: Callable[..., Any], before: _Hook, after: _Hook) -> Callable[..., Any]:
    @wraps(original)
    async def awaited(*arguments: Any, **options: Any) -> Any:
        before()
        result = await original(*arguments, **options)
        after()
        return result

    @wraps(original)
    def called(*arguments: Any, **options: Any) -> Any:
        before()
        result = original(*arguments, **options)
        after()
        return result

    return awaited if iscoroutinefunction(original) else called


def _after_an_acknowledgement(count: _Counter) -> None:
    original = web.WebSocketResponse.send_str

    async def wrapped(socket: Any, data: str, compress: int | None = None) -> None:
        await original(socket, data, compress)
        if '"type":"ack"' in data:
            count()

    setattr(web.WebSocketResponse, "send_str", wrapped)  # noqa: B010  the whole process is ours


_AT: dict[str, Callable[[_Counter], None]] = {
    "accepted": _after(Journal, "accept"),
    "acknowledged": _after_an_acknowledgement,
    "owned": _after(Journal, "take"),
    "starting": _after(Journal, "start_action"),
    "acted": _before(Journal, "finish_action"),
    "answering": _before(Journal, "commit"),
    "answered": _before(Sessions, "save"),
    "received": _before(Intake, "take"),
    "taken": _after(Intake, "take"),
    "claimed": _after(Journal, "claim"),
    "calling": _before(Sender, "send"),
    "called": _after(Sender, "send"),
    "settled": _after(Journal, "settle"),
}
assert set(_AT) == {*POINTS, *APP_POINTS}
