"""The one table from failures to HTTP: what went wrong inside never reaches the sender."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from bot import metrics
from bot.admission import Busy
from bot.journal.errors import BadId, IdConflict, StaleFence, Unavailable
from bot.remote import ModelAway
from bot.wire import Malformed

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def answer_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        return _refuse(answer.status, answer.reason, answer.text or answer.reason)
    except Exception as failure:
        return _failed(request, failure)


_TABLE: tuple[tuple[type[Exception], int, str, str], ...] = (
    (BadId, 400, "bad_id", "An id has 1 to 255 characters."),
    (IdConflict, 409, "id_conflict", "Another message has this id."),
    (Busy, 503, "busy", "Too many messages are waiting."),
    (StaleFence, 503, "busy", "The conversation is busy; try again."),
    (Unavailable, 503, "unavailable", "The service cannot take messages now."),
    (ModelAway, 503, "unavailable", "The model cannot be asked now; try again."),
    (web.RequestPayloadError, 400, "malformed", "The body is not what its headers say."),
    (TimeoutError, 504, "timeout", "The answer takes long; the message is kept and will be answered."),
    (ConnectionError, 499, "gone", "The caller hung up."),
)


def _failed(request: web.Request, failure: Exception) -> web.Response:
    if isinstance(failure, Malformed):
        return _refuse(400, "malformed", str(failure))
    for kind, status, code, message in _TABLE:
        if isinstance(failure, kind):
            return _refuse(status, code, message, getattr(failure, "retry_after", None))
    log.error("%s %s failed", request.method, request.path, exc_info=failure)
    return _refuse(500, "internal", "Something went wrong here; it has been logged.")


def _refuse(status: int, code: str, message: str, retry_after: float | None = None) -> web.Response:
    metrics.REFUSED.labels(code).inc()
    body = {"status": "failure", "code": status, "reason": code, "message": message}
    headers = {} if retry_after is None else {"Retry-After": str(max(1, round(retry_after)))}
    return web.json_response(body, status=status, headers=headers)
