"""Instagram's messages: Messenger's Send API with shorter texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bot.simulators.messenger import PAGE, MessengerSendApi
from bot.simulators.meta import SAMPLE


@dataclass
class InstagramSendApi(MessengerSendApi):
    name: ClassVar[str] = "instagram"
    longest: ClassVar[int] = 1000

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        return {**SAMPLE, "account_id": PAGE, "api": url, "files": f"{url}/cdn"}
