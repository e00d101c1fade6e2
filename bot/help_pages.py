"""The knowledge base as pages that people can read: where an answer's source leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from aiohttp import web
from markdown_it import MarkdownIt

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · {name}</title>
<link rel="stylesheet" href="/demo/help.css">
<link rel="icon" href="data:,">
</head>
<body>
<header><a href="/">{name}</a></header>
<main><h1>{title}</h1>{body}</main>
<script type="module" src="/widget/frontdesk.js"></script>
</body>
</html>
"""
_POLICY = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' https: data:; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class HelpPages:
    name: str
    language: str
    articles: Mapping[str, tuple[str, str]]
    """By URL path: title and Markdown body."""

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/help/{slug}", self.page)]

    async def page(self, request: web.Request) -> web.Response:
        article = self.articles.get(request.path)
        if article is None:
            raise web.HTTPNotFound(text="There is no such article.")
        title, body = article
        markdown = MarkdownIt("commonmark", {"html": False})
        page = _PAGE.format(
            language=escape(self.language), title=escape(title), name=escape(self.name), body=markdown.render(body)
        )
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": _POLICY})
