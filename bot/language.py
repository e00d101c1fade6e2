"""The language part as the service knows it: a model that may come after the doors have opened."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from bot.console.model_page import ModelPage
from nlu.types import Understander, Understanding

TO_COME = ModelPage("The model is being loaded", (), None)


class Language:
    """A model and what people may know of it. An Understander itself: who asks before the model is there, waits."""

    def __init__(
        self, understander: Understander | None, page: ModelPage, articles: Mapping[str, tuple[str, str]]
    ) -> None:
        self.page = page
        self.articles = articles
        """URL path to title and Markdown of the knowledge base."""
        self.loaded = asyncio.Event()
        if understander is not None:
            self.use(understander, page)

    @classmethod
    def to_come(cls, articles: Mapping[str, tuple[str, str]]) -> Language:
        return cls(None, TO_COME, articles)

    def use(self, understander: Understander, page: ModelPage) -> None:
        self._understander, self.page = understander, page
        self.loaded.set()

    @property
    def model(self) -> str:
        return self._understander.model if self.loaded.is_set() else ""

    @property
    def insightful(self) -> Any:
        """The model itself, where it can say what it sees in texts; None before it is there."""
        return getattr(self._understander, "now", None) if self.loaded.is_set() else None

    async def understand(
        self, texts: Sequence[str], without_articles: frozenset[str] = frozenset()
    ) -> list[Understanding]:
        await self.loaded.wait()
        return await self._understander.understand(texts, without_articles)
