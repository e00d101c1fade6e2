"""Plain pages with the widget in the corner."""

from __future__ import annotations

from html import escape

from aiohttp import web

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="/widget/page.css">
<link rel="icon" href="data:,">
</head>
<body>
<header><a href="/">{name}</a></header>
<main>{body}</main>
{chat}<script type="module" src="/widget/frontdesk.js"></script>
</body>
</html>
"""
_POLICY = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' https: data:; frame-ancestors 'none'"


def plain_page(name: str, language: str, title: str, body: str, chat: str = "") -> web.Response:
    """`body` is HTML, and so is `chat`, the widget's element if it is to be set up; everything else is text."""
    page = _PAGE.format(language=escape(language), title=escape(title), name=escape(name), body=body, chat=chat)
    return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": _POLICY})
