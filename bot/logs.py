"""How the service logs: short lines or JSON, one event each, without secrets and customers' words."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson
from aiohttp.http_exceptions import HttpProcessingError

_QUIET = (
    "aiohttp.access",
    "httpx",
    "rasa_sdk",
    "sanic",
    "urllib3",
    "sentence_transformers",
    "transformers",
    "filelock",
)


class _JsonLines(logging.Formatter):
    def __init__(self, worker: int) -> None:
        super().__init__()
        self._worker = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._worker,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\r", "\\r")


def _ours(record: logging.LogRecord) -> bool:
    """A stranger who sends what is no HTTP gets 400, and no traceback with what he sent in our log."""
    error = record.exc_info[1] if record.exc_info else None
    return not (record.name == "aiohttp.server" and isinstance(error, HttpProcessingError))


def set_up(level: str, style: str, worker: int = 0) -> None:
    """Of several server processes each line tells which worker's it is."""
    who = f"worker {worker} " if worker else ""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonLines(worker)
        if style == "json"
        else _TextLines(f"%(asctime)s %(levelname)-7s {who}%(name)s: %(message)s", "%H:%M:%S")
    )
    handler.addFilter(_ours)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
