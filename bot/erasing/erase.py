"""`frontdesk erase`: a customer and all that they said, out of everything that Frontdesk keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

import typer

from bot.config import Settings
from bot.desk import with_journal
from bot.embedded import reached_valkey
from bot.erasing.receipt import Receipt, begin, in_words, is_unfinished
from bot.erasing.whose import whose
from bot.fanout import ERASED
from bot.journal.journal import Journal
from bot.journal.values import Traces
from bot.learning.forgetting import forget, learnt_from
from bot.printed import print_json
from bot.sessions import Sessions
from bot.transcripts.keeper import Keeper

LET_GO_SECONDS = 5.0
"""Who answered one of the conversations has let go of it by then."""
_PAUSE = 0.1
_UNSURE = "Not everything may be erased; call it again."


def show(customer: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Exit code 1 if nobody is known by that name."""
    settings = Settings.read()
    keeper = Keeper.of(settings)

    async def look(journal: Journal) -> Traces:
        return await journal.traces(await whose(journal, keeper, customer))

    found = with_journal(look, "Nothing was erased.")
    if not any(found.rows.values()) and not is_unfinished(settings.home, keeper.customer(customer)):
        typer.echo("Nobody is known by that name: give a conversation's id, or a customer's id or address.", err=True)
        raise typer.Exit(1)
    models = learnt_from(settings.home, found.utterances)
    if dry_run:
        _preview(found, models, as_json=as_json)
        return
    if not yes:
        _preview(found, models, as_json=False, ask=True)
        typer.confirm("It cannot be taken back. Erase it?", abort=True, err=True)
    receipt = with_journal(lambda journal: Erasure(settings, keeper, journal).of(customer), _UNSURE)
    place = receipt.write(settings.home)
    if as_json:
        print_json(receipt.to_json())
    else:
        typer.echo(f"{receipt.to_text()}\nReceipt: {place}")


def _preview(found: Traces, models: Sequence[str], *, as_json: bool, ask: bool = False) -> None:
    if as_json:
        print_json({"removed": dict(found.rows), "models": models})
        return
    typer.echo(f"Would be removed: {in_words(found.rows)}.", err=ask)
    if models:
        typer.echo(f"Learnt from by {', '.join(models)}.", err=ask)


@dataclass(frozen=True, slots=True)
class Erasure:
    settings: Settings
    keeper: Keeper
    journal: Journal

    async def of(self, customer: str) -> Receipt:
        """Redis is reached first: what cannot be done whole is not begun. Raises SessionsError and EmbeddedError."""
        at, digest, home = datetime.now(UTC), self.keeper.customer(customer), self.settings.home
        async with self._sessions() as sessions:
            theirs = await whose(self.journal, self.keeper, customer)
            begin(home, at, digest)
            before = await self.journal.traces(theirs)
            forget(home, before.utterances, before.texts, at)
            gone = await self.journal.erase(theirs)
            models = forget(home, gone.utterances, gone.texts, at)
            snapshots = await self._out_of_redis(sessions, theirs.conversations)
        rewritten, embedded = await self.journal.scrub(), self.settings.redis_url is None
        return Receipt(at, digest, gone.rows, snapshots, tuple(models), rewritten, embedded)

    @asynccontextmanager
    async def _sessions(self) -> AsyncIterator[Sessions]:
        url = self.settings.redis_url
        if url is not None:
            async with Sessions(url, self.journal.name) as sessions:
                await sessions.ping()
                yield sessions
            return
        async with reached_valkey(self.settings.home) as own, Sessions(own, self.journal.name) as sessions:
            await sessions.ping()
            yield sessions

    async def _out_of_redis(self, sessions: Sessions, names: Sequence[str]) -> int:
        """Twice: whoever had a conversation in hand may just have been writing its snapshot."""
        for name in names:
            sessions.publish(name, 0, ERASED)
        gone = await _forgotten(sessions, names)
        until = monotonic() + LET_GO_SECONDS
        while await sessions.leased(names) and monotonic() < until:  # noqa: ASYNC110  it is in other processes
            await asyncio.sleep(_PAUSE)
        gone += await _forgotten(sessions, names)
        if self.settings.redis_url is None:
            await sessions.rewrite()
        return gone


async def _forgotten(sessions: Sessions, names: Sequence[str]) -> int:
    return sum(await asyncio.gather(*map(sessions.forget, names)))
