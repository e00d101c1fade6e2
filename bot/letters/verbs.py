"""The verbs of `frontdesk outbox` and `frontdesk dead`; the database is imported when one is called."""

from __future__ import annotations

from typing import Annotated

import typer

outbox_cli = typer.Typer(help="Replies on their way to messaging providers.", no_args_is_help=True)
dead_cli = typer.Typer(help="Customers' messages that were given up.", no_args_is_help=True)

Numbers = Annotated[list[int] | None, typer.Argument(metavar="ID", help="Deliveries, as `list` numbers them.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Messages, as `list` names them.")]
All = Annotated[bool, typer.Option("--all", help="All dead letters.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@outbox_cli.command("list")
def outbox_list(as_json: AsJson = False) -> None:
    """Show the replies that wait for their provider, and those that did not arrive."""
    from bot.letters import outbox

    outbox.show(as_json)


@outbox_cli.command("retry")
def outbox_retry(ids: Numbers = None, every: All = False, as_json: AsJson = False) -> None:
    """Offer replies to their provider again, now."""
    from bot.letters import outbox

    outbox.retry(ids, every, as_json)


@outbox_cli.command("drop")
def outbox_drop(ids: Numbers = None, every: All = False, as_json: AsJson = False) -> None:
    """Never send these replies; they stay in the conversation."""
    from bot.letters import outbox

    outbox.drop(ids, every, as_json)


@dead_cli.command("list")
def dead_list(as_json: AsJson = False) -> None:
    """Show the customers' messages that got an apology instead of an answer."""
    from bot.letters import dead

    dead.show(as_json)


@dead_cli.command("retry")
def dead_retry(ids: Names = None, every: All = False, as_json: AsJson = False) -> None:
    """Give messages a turn anew: the customer gets the answer late."""
    from bot.letters import dead

    dead.retry(ids, every, as_json)


@dead_cli.command("drop")
def dead_drop(ids: Names = None, every: All = False, as_json: AsJson = False) -> None:
    """Note that a person has dealt with these messages."""
    from bot.letters import dead

    dead.drop(ids, every, as_json)
