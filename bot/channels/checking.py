"""`frontdesk channels list` and `check`: whether a channel is set up, and what its provider says to that."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import typer

from bot.channels.connector import Check, Connector
from bot.channels.set_up import set_up
from bot.channels.transports import Transports
from bot.channels.verdict import Answer, Call, Outcome, Silence
from bot.config import Settings, channels, environment_name
from bot.printed import print_json, print_table
from nlu.source import Mendable, did_you_mean


class NoChannel(Mendable):
    """It cannot be checked or tried; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    wrong: str | None
    """None if all is well."""
    warning: str | None = None
    """What is not wrong and yet dangerous."""

    @property
    def line(self) -> str:
        state = "wrong  " if self.wrong else "warning" if self.warning else "good   "
        sentence = self.wrong or self.warning
        return f"{state}  {self.what}{': ' + sentence if sentence else ''}"


def show(as_json: bool) -> None:
    there = set_up(Settings.read())
    if as_json:
        print_json([{"channel": name, "set_up": name in there} for name in channels()])
        return
    rows = [(name, "set up" if name in there else "", f"docs/channels/{name}.md") for name in channels()]
    print_table(("channel", "state", "page"), rows)


def check(name: str, as_json: bool) -> bool:
    """Whether all is well. Raises NoChannel."""
    settings = Settings.read()
    found = asyncio.run(findings(chosen(settings, name), settings))
    if as_json:
        print_json([{"what": one.what, "wrong": one.wrong, "warning": one.warning} for one in found])
    else:
        for one in found:
            typer.echo(one.line)
    return not any(one.wrong for one in found)


def chosen(settings: Settings, name: str) -> Connector:
    """Raises NoChannel for a channel that is not there, or not set up."""
    known = channels()
    if name not in known:
        guess = did_you_mean(name, list(known))
        raise NoChannel(f"There is no channel {name}. {guess or '`frontdesk channels list` shows them.'}")
    connector = set_up(settings).get(name)
    if connector is None:
        needed = [field.upper() for field, info in known[name].model_fields.items() if info.is_required()]
        names = ", ".join(f"{environment_name(name)}__{field}" for field in needed)
        raise NoChannel(f"{name} is not set up: it needs {names}; docs/channels/{name}.md says where they come from.")
    return connector


async def findings(connector: Connector, settings: Settings) -> list[Finding]:
    caller = Transports(settings.delivery_timeout)
    try:
        found = [await _ask(caller, check) for check in _credentials(connector)]
        if not any(one.wrong for one in found):  # nothing else can be right then
            found += [await _ask(caller, check) for check in connector.checks(settings.public_url)]
        found += [Finding(risk.what, None, risk.warning) for risk in connector.risks]
        if connector.mailbox() is None:
            found.append(await _reached(caller, connector, settings.public_url))
        return found
    finally:
        await caller.close()


def _credentials(connector: Connector) -> tuple[Check, ...]:
    """Whether the provider lends a token, if it does that."""
    asked = connector.grant(time.time())

    def judge(outcome: Outcome) -> str | None:
        if isinstance(outcome, Silence):
            return outcome.reason
        if connector.token(outcome) is None:
            return f"the provider lends no token ({outcome.status}); compare id and secret with its console."
        return None

    return (Check("The credentials", asked, judge),) if asked else ()


async def _ask(caller: Transports, check: Check) -> Finding:
    return Finding(check.what, check.judge(await caller.call(check.call)))


async def _reached(caller: Transports, connector: Connector, public_url: str) -> Finding:
    """An unsigned request is refused by us, and by nobody else in just this way."""
    what = "The webhook's address"
    if not public_url:
        return Finding(what, "FRONTDESK_PUBLIC_URL is not set, so nobody knows where the service is for the world.")
    address = f"{public_url}/webhooks/{connector.name}"
    outcome = await caller.call(Call(address))
    if isinstance(outcome, Silence):
        return Finding(what, f"{address} does not answer: {outcome.reason}")
    if not isinstance(outcome, Answer) or outcome.status != 401 or outcome.body:
        return Finding(what, f"{address} answers {outcome.status}, and that is not Frontdesk; look at the proxy.")
    return Finding(f"{what} {address}", None)
