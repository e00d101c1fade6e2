"""What Prometheus may know."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which several processes keep their figures: the library looks at it when it is imported."""
_FILE_BYTES = 1 << 16


def _make_room(folder: Path) -> None:
    """The library maps sparse files, and on a disk that has filled up a write to one kills the process."""
    for kind in ("counter", "histogram", "gauge_livesum"):
        with (folder / f"{kind}_{os.getpid()}.db").open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, _FILE_BYTES)


if (_folder := os.environ.get(FOLDER_VARIABLE)) and hasattr(os, "posix_fallocate"):
    _make_room(Path(_folder))

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

ACCEPTED = Counter("frontdesk_messages_accepted", "Messages durably accepted", ["channel"])
REFUSED = Counter("frontdesk_messages_refused", "Messages refused at the door", ["code"])
IGNORED = Counter("frontdesk_events_ignored", "What providers told that matters to nobody", ["channel", "kind"])
MAILBOX_FAILURES = Counter("frontdesk_mailbox_failures", "Tries to read a mailbox that failed", ["channel"])
RECEIPTS = Counter("frontdesk_receipts", "What providers told of messages that they took", ["channel", "arrival"])
TURNS = Counter("frontdesk_turns", "Turns committed", ["channel"])
PASSED_OVER = Counter(
    "frontdesk_messages_passed_over", "Messages without an answer: their customer wrote more", ["channel"]
)
FAILED_TURNS = Counter("frontdesk_turns_failed", "Turns that raised or took too long", ["kind"])
HAND_OVERS = Counter("frontdesk_hand_overs", "Conversations handed to a person", ["reason"])
ACTIONS = Counter("frontdesk_actions", "Custom actions run", ["action", "outcome"])
CONNECTIONS = Gauge("frontdesk_widget_connections", "Open widget connections", multiprocess_mode="livesum")
WAITING = Gauge("frontdesk_messages_waiting", "Accepted messages without an answer yet", multiprocess_mode="livesum")
TURN_SECONDS = Histogram("frontdesk_turn_seconds", "From the start of a turn to its commit", buckets=_QUICK)
MODEL_TEXTS = Counter("frontdesk_model_texts", "Texts that the model service was asked", ["outcome"])
MODEL_SECONDS = Histogram("frontdesk_model_seconds", "Waiting for the language model", buckets=_QUICK)
DELIVERIES = Counter("frontdesk_deliveries", "What attempts to give a provider a reply came to", ["channel", "outcome"])
DELIVERIES_OPEN = Gauge("frontdesk_deliveries_open", "Replies in the database that wait or are dead letters", ["state"])
MEDIA = Counter("frontdesk_media", "Attachments that people asked for", ["channel", "outcome"])
CALL_SECONDS = Histogram("frontdesk_call_seconds", "One call to a provider", ["channel"], buckets=_QUICK)
DELIVERY_SECONDS = Histogram(
    "frontdesk_delivery_seconds", "From a reply's commit to its arrival", ["channel"], buckets=(*_QUICK, 60, 600, 3600)
)
ACCEPT_SECONDS = Histogram("frontdesk_accept_seconds", "From a message's arrival to its commit", buckets=_QUICK)


async def metrics_page(request: web.Request) -> web.Response:
    return web.Response(body=await asyncio.to_thread(_page), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _page() -> bytes:
    """Of all processes that serve together, whichever is asked."""
    registry: CollectorRegistry = REGISTRY
    if folder := os.environ.get(FOLDER_VARIABLE):
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def emptied(folder: Path) -> Path:
    """The figures of the processes of an earlier run are no longer ours."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def forget(process: int, folder: Path) -> None:
    """What a process that has ended was doing counts no longer; what it did still does."""
    mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]


def routes() -> list[web.RouteDef]:
    return [web.get("/metrics", metrics_page)]
