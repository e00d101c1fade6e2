"""The wiring: the only file that knows everybody. Whoever opens something here closes it here."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from bot import interpreter, metrics
from bot.actions import ActionRunner, InProcess, OverHttp
from bot.agents import Agents
from bot.channels.intake import Intake
from bot.channels.mailbox import reading
from bot.channels.media import Media, MediaLimits
from bot.channels.media_types import TYPES
from bot.channels.model import ModelDoor
from bot.channels.rest import RestDoor, RestLimits
from bot.channels.set_up import set_up
from bot.channels.transports import Transports
from bot.channels.webhooks import WebhookDoor
from bot.channels.widget import WidgetDoor, WidgetLimits
from bot.config import Settings, address
from bot.console.attachments import Attachments
from bot.console.pages import Console
from bot.console.sign_in import SignIn
from bot.demo import Demo, is_demo
from bot.dialogue.assistant import Assistant
from bot.dialogue.defaults import HUMAN, RESPONSES
from bot.dialogue.responses import render, with_button
from bot.dispatcher import Bounds, Dispatcher
from bot.doors import DoorPolicy, Doors
from bot.embedded import embedded_valkey
from bot.erasing.retention import Periods, Retention
from bot.errors import answer_failures
from bot.fanout import Fanout
from bot.front_page import FrontPage
from bot.health import Health
from bot.help_pages import HelpPages
from bot.hub import Hub
from bot.journal.journal import Journal
from bot.language import Language
from bot.learning.live import LiveQueue
from bot.listening import REST_SECONDS, accepting, listen
from bot.messages import Button, Outbound
from bot.outbox import Outbox, Patience
from bot.pacing import Pacing
from bot.presence import Presence
from bot.sending import Sender
from bot.sessions import Sessions
from bot.signals import Signals
from bot.tokens import Signer, load_key
from bot.turn import Turns
from bot.widget import serve as widget_files

DRAIN_SECONDS = 3.0
"""Over how long the widgets of a server that goes away come back to the others."""
GRACE_SECONDS = 5.0
"""How long turns under way may take to end when the server stops."""
FAREWELL_SECONDS = 1.0
"""How long answers over HTTP may then take to leave."""


@dataclass(frozen=True, slots=True)
class Service:
    """The running service."""

    url: str
    journal: Journal
    sessions: Sessions
    signer: Signer
    redis: str
    """Which Redis is in use, in words."""
    database: str


@asynccontextmanager
async def serving(
    settings: Settings, assistant: Assistant, language: Language, listener: socket.socket | None = None
) -> AsyncIterator[Service]:
    """Everything open and listening, on `listener` if there is one; leaving drains and closes it in the opposite order.

    The model may come later: messages are accepted at once and answered when it is there.
    """
    interpreter.tune()
    async with AsyncExitStack() as stack:
        rest = REST_SECONDS if listener else 0.0
        listener = stack.enter_context(listener or listen(settings.host, settings.port))
        journal = await stack.enter_async_context(await Journal.open(settings.database_url or database_path(settings)))
        redis_url = settings.redis_url or str(await stack.enter_async_context(embedded_valkey(settings.home)))
        hub = Hub()
        sessions = Sessions(
            redis_url,
            journal.name,
            on_news=lambda name, _, signal: dispatcher.heard(name, signal),
            on_gap=hub.wake_all,
        )
        if settings.redis_url:
            await sessions.ping()
        actions = _actions(settings)
        stack.push_async_callback(actions.close)
        signer = Signer(load_key(settings.home, settings.secret))
        connectors = set_up(settings)
        calls = Transports(settings.delivery_timeout)
        stack.push_async_callback(calls.close)
        sender = Sender(calls)
        signals = Signals(connectors, sender)
        stack.push_async_callback(signals.close)
        outbox = Outbox(journal, sender, connectors, _patience(settings), pacing=Pacing(sessions.allow))
        outbox.start()
        stack.push_async_callback(outbox.close, GRACE_SECONDS)
        turns = Turns(assistant, language, actions, journal, settings.turn_timeout)
        fanout = Fanout(hub, sessions, journal)
        dispatcher = Dispatcher(
            journal, sessions, turns, fanout, _bounds(settings, assistant), during=signals.during, patient=connectors
        )
        await stack.enter_async_context(sessions)  # from here on it hears of news, and the dispatcher is told
        presence = await stack.enter_async_context(Presence(sessions))
        await stack.enter_async_context(Retention(journal, fanout, Periods.of(settings), settings.home))
        doors = Doors(_policy(settings), sessions, presence)
        widget = WidgetDoor(settings.bot_name, journal, dispatcher, fanout, doors, signer, _widget_limits(settings))
        health = Health(journal, sessions, language)
        agents = Agents(journal, fanout)
        queue = await stack.enter_async_context(LiveQueue(journal, settings, lambda: language.insightful))
        front = _front(settings, assistant, actions, signer)
        attachments = Attachments(journal, connectors, Media(sender.signed, _media_limits(settings)))
        intake = Intake(dispatcher, journal, fanout, agents, signals, settings.message_chars)
        webhooks = WebhookDoor(intake, connectors, calls.call)
        app = web.Application(middlewares=[answer_failures], client_max_size=settings.body_bytes)
        app.add_routes(
            [
                *widget.routes(),
                *RestDoor(dispatcher, doors, _rest_limits(settings)).routes(),
                *webhooks.routes(),
                *ModelDoor(language, doors, settings.message_chars, settings.json_depth).routes(),
                *health.routes(),
                *metrics.routes(),
                *Console(journal, agents, SignIn(signer, journal), lambda: language.page, queue, attachments).routes(),
                *HelpPages(settings.bot_name, settings.language, language.articles, front.chat).routes(),
                *front.routes(),
                *widget_files.routes(),
            ]
        )
        # Bodies are taken as they come: signatures are over those bytes, and what they unpack to may have any size.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=FAREWELL_SECONDS, auto_decompress=False)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        assert runner.server is not None
        close_doors = stack.enter_context(accepting(listener, runner.server, rest))
        stack.push_async_callback(_drain, close_doors, health, widget, dispatcher)
        await stack.enter_async_context(reading(connectors.values(), intake, sessions))
        starting = asyncio.create_task(_answer_when_loaded(language, dispatcher), name="answering")
        stack.callback(starting.cancel)
        yield Service(
            address(*listener.getsockname()[:2]),
            journal,
            sessions,
            signer,
            redis_in_words(settings),
            database_in_words(settings),
        )


async def _answer_when_loaded(language: Language, dispatcher: Dispatcher) -> None:
    await language.loaded.wait()
    await dispatcher.start()


async def _drain(close_doors: Callable[[], None], health: Health, widget: WidgetDoor, dispatcher: Dispatcher) -> None:
    """Nobody new; widgets go to other servers, turns under way end, and what is left is handed over."""
    health.draining.set()
    close_doors()
    await asyncio.gather(widget.drain(DRAIN_SECONDS), dispatcher.close(GRACE_SECONDS))


def check_port(settings: Settings) -> None:
    """Raises CannotServe if the port is taken, before anything long begins."""
    listen(settings.host, settings.port).close()


async def check_stores(settings: Settings) -> None:
    """Raises CannotOpen or SessionsError if a database or Redis that was named cannot be used, as `check_port`."""
    if settings.database_url:
        async with await Journal.open(settings.database_url):
            pass
    if settings.redis_url:
        async with Sessions(settings.redis_url, "check") as sessions:
            await sessions.ping()


def database_path(settings: Settings) -> str:
    return str(settings.home / "frontdesk.db")


def _actions(settings: Settings) -> ActionRunner:
    if settings.action_endpoint:
        return OverHttp(settings.action_endpoint, settings.action_timeout)
    # Actions are somebody else's program: they know the home folder from the environment, as an action server does.
    os.environ["FRONTDESK_HOME"] = str(settings.home.absolute())
    return InProcess(settings.actions, settings.action_timeout)


def _patience(settings: Settings) -> Patience:
    return Patience(settings.deliveries_at_once, settings.delivery_timeout, settings.delivery_hours * 3600)


def _bounds(settings: Settings, assistant: Assistant) -> Bounds:
    return Bounds(
        settings.queue_size,
        settings.backlog,
        settings.conversation_backlog,
        settings.turn_timeout,
        _apology(assistant),
        _said(assistant, "utter_crowded"),
    )


def _front(settings: Settings, assistant: Assistant, actions: ActionRunner, signer: Signer) -> Demo | FrontPage:
    if is_demo(assistant.domain):
        return Demo(actions, assistant.domain, signer)
    return FrontPage(settings.bot_name, settings.language)


def _apology(assistant: Assistant) -> Outbound:
    return with_button(_said(assistant, "utter_apology"), Button(HUMAN["title"], HUMAN["payload"]))


def _said(assistant: Assistant, name: str) -> Outbound:
    variations = assistant.domain.responses.get(name) or RESPONSES[name]
    return render(variations[0].content, {}, name)


def _policy(settings: Settings) -> DoorPolicy:
    return DoorPolicy(
        frozenset(settings.origins),
        frozenset(settings.trusted_proxies),
        settings.api_token.get_secret_value() if settings.api_token else None,
        settings.connections_per_address,
        settings.conversations_per_hour,
    )


def _widget_limits(settings: Settings) -> WidgetLimits:
    return WidgetLimits(
        settings.message_chars, settings.frame_bytes, settings.json_depth, settings.rate, settings.burst
    )


def _media_limits(settings: Settings) -> MediaLimits:
    types = frozenset(settings.media_types) or TYPES
    return MediaLimits(settings.media_megabytes, settings.media_timeout, types, settings.media_origins)


def _rest_limits(settings: Settings) -> RestLimits:
    return RestLimits(settings.message_chars, settings.json_depth, settings.turn_timeout + GRACE_SECONDS)


def redis_in_words(settings: Settings) -> str:
    return _without_password(settings.redis_url) if settings.redis_url else "embedded Valkey"


def database_in_words(settings: Settings) -> str:
    return _without_password(settings.database_url) if settings.database_url else f"SQLite, {database_path(settings)}"


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
