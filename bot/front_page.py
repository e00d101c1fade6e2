"""The page at `/` of an assistant that is not the demo: a place to try it, and how to put it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from aiohttp import web

from bot.pages import plain_page
from bot.wire import clean_text

_BODY = """<h1>Try the assistant</h1>
<p>The assistant is in the corner of this page. Open it and write to it as your customers would.</p>
<h2>On a page of your own</h2>
<p>Add this line to the page, and the page's origin to <code>FRONTDESK_ORIGINS</code>:</p>
<pre><code>{tag}</code></pre>
<p>Its greeting, language and colours, and how to tell it who is signed in, stand in <code>docs/widget.md</code>.</p>
"""


@dataclass(frozen=True, slots=True)
class FrontPage:
    name: str
    language: str

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self.page)]

    def chat(self) -> str:
        """Nobody is signed in: the widget is as the script puts it."""
        return ""

    async def page(self, request: web.Request) -> web.Response:
        place = f"{request.scheme}://{clean_text(request.host)}"
        tag = f'<script type="module" src="{place}/widget/frontdesk.js"></script>'
        body = _BODY.format(tag=escape(tag))
        return plain_page(self.name, self.language, self.name, body)
