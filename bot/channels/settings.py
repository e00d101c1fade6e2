"""The settings of a channel: a value that knows the connector it is for."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

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


def _base(url: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9._\[\]:-]+(/[!-\"$->@-~]*)?", url):
        raise ValueError("must be a URL such as https://api.example.com")
    return url.rstrip("/")


Base = Annotated[str, AfterValidator(_base)]
"""An address below which a provider has what we call; without a slash at the end."""


class ChannelSettings(BaseModel, ABC):
    """Named `FRONTDESK_<CHANNEL>__<FIELD>` in the environment, a table `[<channel>]` in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def connect(self, limits: Limits) -> Connector: ...
