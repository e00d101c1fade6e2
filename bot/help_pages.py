"""The knowledge base as pages that people can read: where an answer's source leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

from aiohttp import web
from markdown_it import MarkdownIt

from bot.pages import plain_page


@dataclass(frozen=True, slots=True)
class HelpPages:
    name: str
    language: str
    articles: Mapping[str, tuple[str, str]]
    """By URL path: title and Markdown body."""
    chat: Callable[[], str]
    """The widget's element, as HTML."""

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/help/{slug}", self.page)]

    async def page(self, request: web.Request) -> web.Response:
        article = self.articles.get(request.path)
        if article is None:
            raise web.HTTPNotFound(text="There is no such article.")
        title, markdown = article
        text = MarkdownIt("commonmark", {"html": False}).render(markdown)
        return plain_page(
            self.name, self.language, f"{title} · {self.name}", f"<h1>{escape(title)}</h1>{text}", self.chat()
        )
