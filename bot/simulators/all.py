"""The simulators by their channels' names."""

from __future__ import annotations

from importlib import import_module

from bot.simulators.simulator import Simulator


def simulator(channel: str) -> type[Simulator]:
    """Raises LookupError for a channel that has none."""
    try:
        module = import_module(f"bot.simulators.{channel}")
    except ModuleNotFoundError:
        raise LookupError(f"There is no simulator of {channel}.") from None
    (kind,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Simulator) and value.__module__ == module.__name__
    )
    return kind
