"""`frontdesk outbox`: replies on their way to messaging providers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import typer

from bot.channels.set_up import set_up
from bot.config import Settings
from bot.desk import DeskError, check_choice, with_journal
from bot.journal.journal import Journal
from bot.journal.values import Delivery, DeliveryState
from bot.messages import Json
from bot.printed import counted, print_json, print_table, when

_STATES = {
    DeliveryState.WAITING: "waiting",
    DeliveryState.GIVEN_UP: "given up",
    DeliveryState.UNKNOWN: "may have arrived",
}


def show(as_json: bool) -> None:
    found, counts = with_journal(_deliveries)
    if as_json:
        print_json({"counts": counts, "deliveries": [_delivery_json(delivery) for delivery in found]})
    elif not found:
        typer.echo("Nothing waits to be delivered, and there is no dead letter.", err=True)
    else:
        head = ("id", "channel", "conversation", "state", "tried", "since", "next", "what was the matter")
        print_table(head, [_delivery_row(delivery) for delivery in found])
        typer.echo(_summary(counts))
        _tell_of_strangers(found)


def retry(ids: Sequence[int] | None, every: bool, as_json: bool) -> None:
    _change(ids, every, lambda journal, chosen: journal.offer_again(chosen), "retried", as_json)


def drop(ids: Sequence[int] | None, every: bool, as_json: bool) -> None:
    _change(ids, every, lambda journal, chosen: journal.drop(chosen), "dropped", as_json)


def _tell_of_strangers(found: list[Delivery]) -> None:
    waiting = {delivery.channel for delivery in found if delivery.state is DeliveryState.WAITING}
    for channel in sorted(waiting - set_up(Settings.read()).keys()):
        typer.echo(f"The channel '{channel}' is not set up here: what waits for it is not sent.", err=True)


async def _deliveries(journal: Journal) -> tuple[list[Delivery], dict[str, int]]:
    counts = {state.value: number for state, number in (await journal.delivery_counts()).items()}
    return await journal.deliveries(), counts


def _change(
    ids: Sequence[int] | None,
    every: bool,
    change: Callable[[Journal, list[int] | None], Awaitable[list[int]]],
    done: str,
    as_json: bool,
) -> None:
    check_choice(ids, every)

    async def apply(journal: Journal) -> list[int]:
        known = {delivery.id for delivery in await journal.deliveries()}
        if strange := [number for number in ids or () if number not in known]:
            raise DeskError(
                f"There is no delivery {strange[0]} that waits or is a dead letter; `frontdesk outbox list` shows them."
            )
        return await change(journal, None if every else list(ids or ()))

    changed = with_journal(apply)
    if as_json:
        print_json({done: changed})
        return
    if every and not changed:
        typer.echo("There is no dead letter.", err=True)
        return
    then = ": the service sends them soon, or once it runs." if done == "retried" else "."
    typer.echo(f"{counted(len(changed), 'delivery', 'deliveries')} {done}{then}")
    for number in ids or ():
        if number not in changed:
            typer.echo(f"Delivery {number} is under way just now; look again in a minute.", err=True)


def _delivery_row(delivery: Delivery) -> tuple[str, ...]:
    waiting = delivery.state is DeliveryState.WAITING
    return (
        str(delivery.id),
        delivery.channel,
        f"{delivery.entry.conversation_id}/{delivery.entry.seq}",
        _STATES[delivery.state],
        str(delivery.attempts),
        when(delivery.offered_at),
        when(delivery.due_at) if waiting else "",
        delivery.error or "",
    )


def _delivery_json(delivery: Delivery) -> Json:
    return {
        "id": delivery.id,
        "channel": delivery.channel,
        "conversation": delivery.entry.conversation_id,
        "seq": delivery.entry.seq,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "offered_at": delivery.offered_at,
        "due_at": delivery.due_at,
        "error": delivery.error,
        "parts_arrived": delivery.parts,
        "provider_ids": list(delivery.provider_ids),
        "text": delivery.entry.message.text,
    }


def _summary(counts: dict[str, int]) -> str:
    dead = counts[DeliveryState.GIVEN_UP] + counts[DeliveryState.UNKNOWN]
    return f"{counts[DeliveryState.WAITING]} waiting, {counted(dead, 'dead letter', 'dead letters')}."
