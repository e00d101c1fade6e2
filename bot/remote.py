"""The model as a service of its own: the texts of concurrent turns go to it together."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import ClientConnectionError, ClientError, ClientPayloadError, ClientSession, ClientTimeout, TCPConnector

from bot.gathering import Gathering
from nlu.source import Mendable
from nlu.types import Query, Understanding
from nlu.wire import CONTENT_TYPE, LONGEST, PATH, Answer, Question, Unreadable, packed, read_answer

TEXTS = 64
"""In one request."""
AT_ONCE = 2
"""Requests under way: while the model works on one, the next is on its way to it."""
CONNECT_SECONDS = 2.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Between two tries to reach a service that restarts; the first one is made at once."""
_QUESTION = "hello"

log = logging.getLogger(__name__)


class ModelAway(Exception):
    """The model service cannot understand now; quotes nobody."""

    retry_after = 1.0


class ModelRefuses(Mendable):
    """The model service will not understand before a person has mended something."""


class _Failed(ModelAway):
    """One of the texts may be the reason."""


@dataclass(frozen=True, slots=True)
class _Asked:
    query: Query
    until: float


@asynccontextmanager
async def remote(url: str, token: str, seconds: float) -> AsyncIterator[Remote]:
    """`seconds`: how long an understanding may be waited for."""
    session = ClientSession(
        connector=TCPConnector(limit=AT_ONCE, keepalive_timeout=60.0),
        headers={"Content-Type": CONTENT_TYPE, **({"Authorization": f"Bearer {token}"} if token else {})},
    )
    async with session:
        model = Remote(session, url, seconds)
        try:
            yield model
        finally:
            await model.close()


class Remote:
    """Understander. A service that restarts is waited for as long as the turns last."""

    def __init__(self, session: ClientSession, url: str, seconds: float) -> None:
        self._session, self._url, self._seconds = session, url, seconds
        self._gathering: Gathering[_Asked, Understanding] = Gathering(self._exchange, TEXTS, AT_ONCE)
        self._away = False
        self.model = ""
        """As the last answer says."""
        self.on_model: Callable[[str], None] = lambda model: None
        """Called with the id of another model than before."""

    async def understand(
        self, texts: Sequence[str], without_articles: frozenset[str] = frozenset()
    ) -> list[Understanding]:
        """Raises ModelAway, ModelRefuses, and TimeoutError if the answer does not come in time."""
        until = self._now() + self._seconds
        async with asyncio.timeout_at(until):
            asked = (_Asked(Query(text, without_articles), until) for text in texts)
            return list(await asyncio.gather(*map(self._gathering.put, asked)))

    async def meet(self) -> None:
        """Returns once the service answers. Raises ModelRefuses."""
        while not self.model:
            try:
                await self.understand([_QUESTION])
            except (ModelAway, TimeoutError):
                await asyncio.sleep(LONGEST_PAUSE)

    async def close(self) -> None:
        await self._gathering.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _exchange(self, asked: Sequence[_Asked]) -> Sequence[Understanding | Exception]:
        """Whoever waited too long while the service was away has gone, and costs it nothing."""
        now = self._now()
        in_time = [one for one in asked if one.until > now]
        found = iter(await self._understood(in_time) if in_time else ())
        return [next(found) if one.until > now else TimeoutError() for one in asked]

    async def _understood(self, asked: Sequence[_Asked]) -> Sequence[Understanding | Exception]:
        """A text on which the service fails must not fail the others."""
        try:
            return await self._answers([one.query for one in asked], max(one.until for one in asked))
        except _Failed as failure:
            if len(asked) == 1:
                return [failure]
            return [await self._alone(one) for one in asked]

    async def _alone(self, one: _Asked) -> Understanding | Exception:
        try:
            return (await self._answers([one.query], one.until))[0]
        except (ModelAway, ModelRefuses, TimeoutError) as failure:
            return failure

    async def _answers(self, queries: Sequence[Query], until: float) -> Sequence[Understanding]:
        """Asked again on another connection if one breaks: to be understood twice does no harm."""
        pause = 0.0
        while True:
            try:
                answer = await self._post(queries, until)
            except (ClientConnectionError, ClientPayloadError, ConnectionError) as broken:
                if pause:  # a connection that was idle for long may just have been closed
                    self._lost(broken)
                if self._now() + pause > until:
                    raise ModelAway(f"The model service at {self._url} cannot be reached.") from None
                await asyncio.sleep(pause)
                pause = min(2 * pause or FIRST_PAUSE, LONGEST_PAUSE)
            except ClientError:
                raise self._stranger() from None
            else:
                self._heard(answer.model)
                return answer.understood

    async def _post(self, queries: Sequence[Query], until: float) -> Answer:
        left = max(0.001, until - self._now())
        body = packed(Question.of(queries, min(int(left * 1000), LONGEST)))
        # Else aiohttp rounds what is longer than five seconds up to a whole one.
        limits = ClientTimeout(total=left, sock_connect=CONNECT_SECONDS, ceil_threshold=math.inf)
        async with self._session.post(
            f"{self._url}{PATH}", data=body, timeout=limits, allow_redirects=False
        ) as response:
            return self._read(response.status, await response.read(), len(queries))

    def _read(self, status: int, body: bytes, texts: int) -> Answer:
        if status != HTTPStatus.OK:
            raise self._refusal(status)
        try:
            answer = read_answer(body)
        except Unreadable:
            raise self._stranger() from None
        if len(answer.understood) != texts:
            raise self._stranger()
        return answer

    def _refusal(self, status: int) -> Exception:
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return ModelRefuses(
                f"The model service at {self._url} refuses our FRONTDESK_MODEL_TOKEN: give both the same."
            )
        if status in (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            return _Failed(f"The model service at {self._url} failed ({status}); its log tells why.")
        if status == HTTPStatus.BAD_GATEWAY:
            return ClientConnectionError("nobody answers behind the proxy")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return ModelAway(f"The model service at {self._url} is overloaded: start another, or give it more cores.")
        if status == HTTPStatus.GATEWAY_TIMEOUT:
            return TimeoutError()
        return self._stranger()

    def _stranger(self) -> ModelRefuses:
        return ModelRefuses(
            f"What answers at {self._url} is no model service of this version of Frontdesk: correct "
            "FRONTDESK_MODEL_URL, or start `frontdesk models serve` there."
        )

    def _lost(self, broken: Exception) -> None:
        if not self._away:
            log.warning("The model service at %s cannot be reached (%s).", self._url, type(broken).__name__)
        self._away = True

    def _heard(self, model: str) -> None:
        if self._away:
            log.info("The model service at %s answers again.", self._url)
        self._away = False
        if model != self.model:
            self.model = model
            self.on_model(model)
