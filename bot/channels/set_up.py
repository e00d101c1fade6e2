"""Which messaging channels there are: those that the settings name."""

from __future__ import annotations

from bot.channels.connector import Connector
from bot.channels.settings import ChannelSettings, Limits
from bot.config import Settings


def set_up(settings: Settings) -> dict[str, Connector]:
    """By their names."""
    limits = Limits(settings.message_chars, settings.json_depth, settings.public_url)
    named = (getattr(settings, name) for name in type(settings).model_fields)
    found = [value.connect(limits) for value in named if isinstance(value, ChannelSettings)]
    return {connector.name: connector for connector in found}
