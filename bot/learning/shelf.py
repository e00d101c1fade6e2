"""The registry of the home folder, as the settings want it."""

from __future__ import annotations

from bot.config import Settings
from nlu.registry import Registry

STANDING = {"*": "current", "-": "held until a person promotes it", "?": "not judged yet", " ": "not current"}


def registry_of(settings: Settings) -> Registry:
    return Registry(settings.home, unsigned=settings.unsigned_models == "accept")


def mark(registry: Registry, model: str) -> str:
    """What STANDING explains."""
    if model == registry.current_id():
        return "*"
    if registry.held(model):
        return "-"
    return " " if registry.passed(model) else "?"
