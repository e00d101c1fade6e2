"""`frontdesk channels simulate`: a channel tried without an account."""

from __future__ import annotations

import asyncio
import json
import time
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import typer

from bot.channels.checking import chosen
from bot.config import Settings, address, channels, environment_name
from bot.simulators.all import simulator
from bot.simulators.simulator import Choice, Event, File, Shown, Simulator
from bot.typed import clean, lines


def simulate(name: str, port: int, url: str, customer: str) -> None:
    """Raises NoChannel, and Exit once it has said what to set."""
    settings = Settings.read()
    own = f"http://127.0.0.1:{port}"
    configured = getattr(settings, name, None)
    if name in channels() and f"127.0.0.1:{port}" not in str(configured and configured.model_dump()):
        typer.echo(_how(name, own, settings), err=True)
        raise typer.Exit(2)
    chosen(settings, name)
    assert configured is not None
    provider = simulator(name).of(configured)
    provider.webhook = f"{url or address(settings.host, settings.port)}/webhooks/{name}"
    provider.public_url = settings.public_url or provider.public_url
    provider.count_from(int(time.time() * 10))  # faster than anybody types
    asyncio.run(_talk(provider, port, customer))


def _how(name: str, own: str, settings: Settings) -> str:
    """The settings that lead to the simulator."""
    sample = simulator(name).sample(own)
    given = [f"  export {environment_name(name)}__{key.upper()}={_shell(value)}" for key, value in sample.items()]
    public = f"  export FRONTDESK_PUBLIC_URL={settings.public_url or address(settings.host, settings.port)}"
    first = f"So far the settings do not lead to a simulated {name}. Start the service, and then this command, with:"
    return "\n".join((first, *given, public))


def _shell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"'{text}'" if set(text) & set(' "$[]{}') else text


async def _talk(provider: Simulator, port: int, customer: str) -> None:
    offered: list[tuple[Choice, Shown]] = []

    def show(_: str, shown: Shown) -> None:
        offered[:] = [(choice, shown) for choice in shown.choices]
        typer.echo(f"< {clean(shown.text)}" + (f" [{shown.image}]" if shown.image else ""))
        for number, choice in enumerate(shown.choices, 1):
            typer.echo(f"    {number} {clean(choice.title)}")

    provider.on_shown = show
    async with provider.open(port):
        typer.echo(
            f"{provider.name}, played at {provider.url}. Write as {customer}; a number presses; /file PATH; /quit ends."
        )
        async for line in lines():
            if line.strip() == "/quit":
                break
            if line.strip():
                await _send(provider, customer, line.strip(), offered)
        await _idle(provider)
        for fault in provider.faults:
            typer.echo(f"! {provider.name} refused a call of the service: {fault}")
        provider.faults.clear()


async def _send(provider: Simulator, customer: str, line: str, offered: list[tuple[Choice, Shown]]) -> None:
    try:
        event = _event(provider, customer, line, offered)
    except (LookupError, OSError) as problem:
        typer.echo(getattr(problem, "strerror", None) or str(problem))
        return
    status = await provider.post(event)
    if not 200 <= status < 300:
        sentence = provider.refusals.get(status, "The service answered {status}.")
        typer.echo(sentence.format(webhook=provider.webhook, status=status))


def _event(provider: Simulator, customer: str, line: str, offered: list[tuple[Choice, Shown]]) -> Event:
    """What the line says that the customer does. Raises LookupError or OSError if it cannot be done."""
    if line.isdecimal() and 1 <= int(line) <= len(offered):
        return provider.pressed(customer, *offered[int(line) - 1])
    if line.startswith("/file "):
        path = Path(line.removeprefix("/file ").strip())
        kind = guess_type(path.name)[0] or "application/octet-stream"
        return provider.sent_file(customer, File(path.name, kind, path.read_bytes()))
    if line.split(maxsplit=1)[0] == "/resolve":
        return provider.resolved(customer, *line.split()[1:])
    return provider.said(customer, line)


async def _idle(provider: Simulator) -> None:
    """The last answer may be on its way when the input was a file."""
    before = len(provider.calls)
    try:
        await provider.until(lambda: len(provider.calls) > before, seconds=3)
    except TimeoutError:
        return
