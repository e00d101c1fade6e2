"""The settings of a channel: a value that knows the connector it is for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from bot.channels.connector import Connector
from nlu.source import Mendable


class ChannelError(Mendable):
    """A channel cannot be set up; the sentence says what is missing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for every channel."""

    text: int
    """Characters of a message."""
    depth: int
    """Of JSON."""
    public_url: str = ""
    """Where the service is for the world, without a slash at the end; empty if nobody said."""


class ChannelSettings(BaseModel, ABC):
    """Named `FRONTDESK_<CHANNEL>__<FIELD>` in the environment, a table `[<channel>]` in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def connect(self, limits: Limits) -> Connector: ...
