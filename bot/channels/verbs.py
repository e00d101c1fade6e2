"""The verbs of `frontdesk channels`."""

from __future__ import annotations

from typing import Annotated

import typer

channels_cli = typer.Typer(help="Messaging channels: which there are, whether they work, a try.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A channel, as `list` names it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@channels_cli.command("list")
def channels_list(as_json: AsJson = False) -> None:
    """Show the channels, and which of them are set up."""
    from bot.channels import checking

    checking.show(as_json)


@channels_cli.command("check")
def channels_check(name: Name, as_json: AsJson = False) -> None:
    """Ask the provider whether credentials and webhook are right; exit code 1 if something is wrong."""
    from bot.channels import checking

    if not checking.check(name, as_json):
        raise typer.Exit(1)


@channels_cli.command("simulate")
def channels_simulate(
    name: Name,
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the simulated provider listens.")] = 8099,
    url: Annotated[str, typer.Option(help="Where the service runs; else where the settings say.")] = "",
    customer: Annotated[str, typer.Option(help="Who writes: a number or a name at the provider.")] = "4915112345678",
) -> None:
    """Play the provider against a running service: write as a customer and see what the app would show."""
    from bot.simulators import terminal

    terminal.simulate(name, port, url.rstrip("/"), customer)
