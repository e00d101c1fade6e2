"""The registry of the home folder, as the settings want it."""

from __future__ import annotations

from bot.config import Settings
from nlu.registry import Registry


def registry_of(settings: Settings) -> Registry:
    return Registry(settings.home, unsigned=settings.unsigned_models == "accept")
