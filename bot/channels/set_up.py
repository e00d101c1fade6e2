"""Which messaging channels there are: those that the settings name."""

from __future__ import annotations

from bot.channels.connector import Connector
from bot.channels.signed import Limits, Signed
from bot.config import Settings
from bot.secrets import read_secrets


def set_up(settings: Settings) -> dict[str, Connector]:
    """By their names."""
    found: list[Connector] = []
    if settings.webhook_url:
        keys = read_secrets(secret.get_secret_value() for secret in settings.webhook_secrets)
        found.append(Signed(settings.webhook_url, keys, Limits(settings.message_chars, settings.json_depth)))
    return {connector.name: connector for connector in found}
