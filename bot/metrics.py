"""What Prometheus may know."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

ACCEPTED = Counter("frontdesk_messages_accepted", "Messages durably accepted", ["channel"])
REFUSED = Counter("frontdesk_messages_refused", "Messages refused at the door", ["code"])
IGNORED = Counter("frontdesk_events_ignored", "Requests of providers without a message", ["channel"])
TURNS = Counter("frontdesk_turns", "Turns committed", ["channel"])
FAILED_TURNS = Counter("frontdesk_turns_failed", "Turns that raised or took too long", ["kind"])
HAND_OVERS = Counter("frontdesk_hand_overs", "Conversations handed to a person", ["reason"])
ACTIONS = Counter("frontdesk_actions", "Custom actions run", ["action", "outcome"])
CONNECTIONS = Gauge("frontdesk_widget_connections", "Open widget connections")
WAITING = Gauge("frontdesk_messages_waiting", "Accepted messages without an answer yet")
TURN_SECONDS = Histogram("frontdesk_turn_seconds", "From the start of a turn to its commit", buckets=_QUICK)
MODEL_SECONDS = Histogram("frontdesk_model_seconds", "Waiting for the language model", buckets=_QUICK)
DELIVERIES = Counter("frontdesk_deliveries", "What attempts to give a provider a reply came to", ["channel", "outcome"])
DELIVERIES_OPEN = Gauge("frontdesk_deliveries_open", "Replies in the database that wait or are dead letters", ["state"])
CALL_SECONDS = Histogram("frontdesk_call_seconds", "One call to a provider", ["channel"], buckets=_QUICK)
DELIVERY_SECONDS = Histogram(
    "frontdesk_delivery_seconds", "From a reply's commit to its arrival", ["channel"], buckets=(*_QUICK, 60, 600, 3600)
)
ACCEPT_SECONDS = Histogram("frontdesk_accept_seconds", "From a message's arrival to its commit", buckets=_QUICK)


async def metrics_page(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def routes() -> list[web.RouteDef]:
    return [web.get("/metrics", metrics_page)]
