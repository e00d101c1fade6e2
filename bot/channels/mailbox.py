"""Reads mailboxes: each mail is verified, parsed, accepted, and only then marked as read.

A crash between the two reads it again, under an id that is known by then. One server reads a mailbox at a time, as far
as Redis is there to say so; two do no harm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from types import TracebackType
from typing import Self, TypeVar

from bot import metrics
from bot.admission import Busy
from bot.channels.connector import Connector, Mailbox
from bot.channels.imap import LEFT, READ, Folder, MailboxError, Withheld
from bot.channels.intake import Intake
from bot.channels.received import Received, Request
from bot.journal.errors import StaleFence, Unavailable
from bot.sessions import Held, Lease, Sessions
from bot.wire import Malformed

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""For each answer of the mail server."""
AT_ONCE = 100
"""Mails of one look; the next one follows at once."""
LOOKS = 3
"""In which the server did not give out a mail, and then it is left: some have one that they never do."""
FIRST_PAUSE, LONGEST_PAUSE, LOOKS_MISSED = 1.0, 300.0, 30
"""Seconds after a failure, and as looks: a mailbox that is looked at often is soon come back to."""
"""Between tries to reach a server that does not answer: seconds at first, and so many times those between two looks
at last."""

Value = TypeVar("Value")


@asynccontextmanager
async def reading(connectors: Iterable[Connector], intake: Intake, sessions: Sessions) -> AsyncIterator[None]:
    """The mailboxes that there are, until the end of the block."""
    async with AsyncExitStack() as stack:
        for connector in connectors:
            if mailbox := connector.mailbox():
                await stack.enter_async_context(MailReader(connector, mailbox, intake, sessions))
        yield


class MailReader:
    """`async with MailReader(...)`: reads until the end of the block."""

    def __init__(self, connector: Connector, mailbox: Mailbox, intake: Intake, sessions: Sessions) -> None:
        self._connector, self._mailbox = connector, mailbox
        self._intake, self._sessions = intake, sessions
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mailbox")
        self._folder: Folder | None = None
        self._lease: Lease | None = None
        self._pause, self._told = 0.0, ""
        self._granted = ""
        """The mail that may be taken though it took its token before: it could not be stored."""
        self._withheld = Counter[str]()
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read(), name=f"mailbox of {self._connector.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        if self._folder:
            self._folder.interrupt()
        self._thread.shutdown(wait=False)
        if self._lease:
            self._lease.release()

    # -- again and again

    async def _read(self) -> None:
        while True:
            more = False
            try:
                more = await self._look()
                self._pause, self._told = 0.0, ""
            except MailboxError as error:
                await self._failed(str(error))
            except (Busy, StaleFence, Unavailable) as away:
                self._pause = getattr(away, "retry_after", FIRST_PAUSE)
            except Exception:
                log.exception("reading the mailbox of %s stumbled", self._connector.name)
                await self._failed("")
            if not more:
                await asyncio.sleep(self._pause or self._mailbox.every)

    async def _failed(self, sentence: str) -> None:
        metrics.MAILBOX_FAILURES.labels(self._connector.name).inc()
        if sentence != self._told:  # once, not at every try
            log.error("the mailbox of %s cannot be read: %s", self._connector.name, sentence)
        self._told = sentence
        self._pause = min(self._longest, max(FIRST_PAUSE, self._pause * 2))
        await self._forget()

    @property
    def _longest(self) -> float:
        every = self._mailbox.every
        return min(LOOKS_MISSED * every, max(LONGEST_PAUSE, every))

    async def _look(self) -> bool:
        """Takes what is new; whether there may be more."""
        if not await self._ours():
            await self._forget()
            return False
        folder = self._folder or await self._opened()
        since = datetime.now(UTC).date() - timedelta(self._mailbox.days)
        uids = await self._blocking(partial(folder.unread, since))
        for uid in uids[:AT_ONCE]:
            if self._lease and self._lease.lost:
                return False
            await self._one(folder, uid)
        return len(uids) > AT_ONCE

    async def _one(self, folder: Folder, uid: str) -> None:
        try:
            raw = await self._blocking(partial(folder.fetch, uid))
        except Withheld:
            await self._left_out(folder, uid)
            return
        if raw is not None:
            flag = READ if await self._taken(raw, folder.name(uid)) else LEFT
            await self._blocking(partial(folder.mark, uid, flag))

    async def _left_out(self, folder: Folder, uid: str) -> None:
        """One that is withheld must not keep those behind it from being read."""
        name = folder.name(uid)
        self._withheld[name] += 1
        if self._withheld[name] >= LOOKS:
            metrics.IGNORED.labels(self._connector.name, "withheld").inc()
            await self._blocking(partial(folder.mark, uid, LEFT))
            del self._withheld[name]

    async def _ours(self) -> bool:
        if self._lease is None or self._lease.lost:
            lease = await self._sessions.lease(f"mailbox:{self._connector.name}")
            self._lease = lease if isinstance(lease, Lease) else None
            return not isinstance(lease, Held)
        return True

    async def _opened(self) -> Folder:
        self._folder = await self._blocking(partial(Folder.open, self._mailbox, ANSWER_SECONDS))
        return self._folder

    async def _forget(self) -> None:
        folder, self._folder = self._folder, None
        if folder:
            await self._blocking(folder.close)

    async def _blocking(self, work: Callable[[], Value]) -> Value:
        """In the one thread that talks to the server."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # -- one mail

    async def _taken(self, raw: bytes, where: str) -> bool:
        """False: it is left to people. Raises Busy, StaleFence or Unavailable if it cannot be stored now."""
        left = None
        try:
            left = await self._accepted(Request("IMAP", {}, {}, raw, time.time(), where))
        except (Busy, StaleFence, Unavailable):
            raise
        except Malformed:
            left = "malformed"
        except Exception as error:  # one strange mail must not keep the others from being read
            log.error("a mail to %s cannot be read (%s) and is left", self._connector.name, type(error).__name__)
            left = "strange"
        if left:
            metrics.IGNORED.labels(self._connector.name, left).inc()
        return left is None

    async def _accepted(self, request: Request) -> str | None:
        """None if it was, else why it is left."""
        received = await self._blocking(partial(self._parsed, request))
        if received is None:
            return "forged"
        if request.path != self._granted and not await self._paced(received):
            return "too_many"
        self._granted = request.path
        await self._intake.take(self._connector, received, request.now)
        return None

    def _parsed(self, request: Request) -> Received | None:
        """In the thread: some mails take their time. None: nobody vouches for the sender."""
        return self._connector.parse(request) if self._connector.verify(request) else None

    async def _paced(self, received: Received) -> bool:
        """A machine that answers each of our answers, and does not say that it is one, ends here."""
        hourly = self._mailbox.hourly
        for message in received.messages:
            whose = sha256(message.conversation_id.encode()).hexdigest()[:16]
            if await self._sessions.allow(f"mail:{whose}", hourly / 3600, hourly) > 0:
                return False
        return True
