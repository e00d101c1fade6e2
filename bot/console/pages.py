"""The console's pages and what their forms do."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from bot.agents import Agents
from bot.channels.guard import Refused
from bot.console.attachments import Attachments
from bot.console.model_page import ModelPage
from bot.console.review import ReviewPages
from bot.console.sign_in import COOKIE, Agent, SignIn, check_same_site, set_cookie
from bot.journal.errors import NotFound
from bot.journal.journal import Journal
from bot.journal.values import Conversation
from bot.learning.choice import choosable
from bot.learning.live import LiveQueue
from bot.learning.standing import Standing, page_of, report_of
from bot.messages import Owner
from bot.widget.serve import read
from bot.wire import Malformed, clean_text

_FOLDER = Path(__file__).parent
_STATIC = sorted((_FOLDER / "static").iterdir())
_OWNERS = {Owner.BOT: "Assistant", Owner.QUEUE: "Waiting", Owner.AGENT: "With a person"}
_TABS = (("queue", "Waiting"), ("agent", "With people"), ("all", "All"))
_SHOWN = 200
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; form-action 'self'; "
    "base-uri 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Page = Callable[[web.Request, Agent], Awaitable[web.StreamResponse]]


def _ago(at: float) -> str:
    seconds = max(0, round(time.time() - at))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def _told(text: str) -> Markup:
    """What stands between backticks is a command."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped before


def _templates() -> Environment:
    environment = Environment(loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True)
    environment.filters["iso"] = lambda at: datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    environment.filters["ago"] = _ago
    environment.filters["told"] = _told
    return environment


@dataclass(frozen=True, slots=True)
class Console:
    journal: Journal
    agents: Agents
    sign_in: SignIn
    model: Callable[[], ModelPage]
    queue: LiveQueue
    attachments: Attachments
    templates: Environment = field(init=False, default_factory=_templates)

    def routes(self) -> list[web.AbstractRouteDef]:
        talk, number, name = "/console/conversations/{id}", "[0-9]{1,9}", "[A-Za-z0-9][A-Za-z0-9._-]*"
        review = ReviewPages(self.queue, self._page)

        async def reviewed(request: web.Request, agent: Agent) -> web.Response:
            return await review.act(await _form(request), agent)

        return [
            web.get("/console", self._for_agents(self.inbox)),
            web.get("/console/list", self._for_agents(self.list)),
            web.get(talk, self._for_agents(self.conversation)),
            web.get(f"{talk}/transcript", self._for_agents(self.transcript)),
            web.get(f"{talk}/attachments/{{seq:{number}}}/{{number:{number}}}", self._for_agents(self.attachment)),
            web.post(f"{talk}/{{deed:take|release|reply}}", self._for_agents(self.act)),
            web.get("/console/review", self._for_agents(review.page)),
            web.post("/console/review", self._for_agents(reviewed)),
            web.get("/console/model", self._for_agents(self.model_page)),
            web.get("/console/report", self._for_agents(self.report)),
            # As in the registry: the first page leads to the second.
            web.get(f"/console/models/.decisions/{{model:{name}}}.html", self._for_agents(self.change)),
            web.get(f"/console/models/{{model:{name}}}/report/index.html", self._for_agents(self.report_of)),
            web.post("/console/leave", self._for_agents(self.leave)),
            web.get("/console/enter", self.enter),
            web.post("/console/enter", self.redeem),
            *(web.get(f"/console/static/{path.name}", read(path, {}).send) for path in _STATIC),
        ]

    def _for_agents(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            agent = self.sign_in.agent(request)
            if agent is None:
                return self._html("enter.html", status=401, agent=None, code="", wrong=False)
            if request.method == "POST":
                check_same_site(request)
            try:
                return await page(request, agent)
            except NotFound:
                raise web.HTTPNotFound(text="There is no such conversation.") from None

        return guarded

    # -- signing in

    async def enter(self, request: web.Request) -> web.Response:
        return self._html("enter.html", agent=None, code=request.query.get("code", ""), wrong=False)

    async def redeem(self, request: web.Request) -> web.StreamResponse:
        check_same_site(request)
        form = await _form(request)
        code = form.get("code", "")
        cookie = await self.sign_in.redeem(code, clean_text(form.get("name", "")))
        if cookie is None:
            return self._html("enter.html", status=403, agent=None, code=code, wrong=True)
        answer = web.Response(status=303, headers={"Location": "/console"})
        set_cookie(answer, cookie, secure=request.secure)
        return answer

    async def leave(self, request: web.Request, agent: Agent) -> web.Response:
        answer = web.Response(status=303, headers={"Location": "/console"})
        answer.del_cookie(COOKIE, path="/console")
        return answer

    # -- pages

    async def inbox(self, request: web.Request, agent: Agent) -> web.Response:
        return await self._page("inbox.html", agent, "inbox", tabs=_TABS, **await self._summaries(request))

    async def list(self, request: web.Request, agent: Agent) -> web.Response:
        return self._html("list.html", **await self._summaries(request))

    async def _summaries(self, request: web.Request) -> Mapping[str, Any]:
        show = request.query.get("show", "")
        counts = await self.journal.counts()
        if show not in ("queue", "agent", "all"):
            show = "queue" if counts.queued else "all"
        owner = None if show == "all" else Owner(show)
        return {"show": show, "summaries": await self.journal.conversations(owner=owner, limit=_SHOWN)}

    async def conversation(self, request: web.Request, agent: Agent) -> web.Response:
        return await self._page("conversation.html", agent, "inbox", **await self._talk(request))

    async def transcript(self, request: web.Request, agent: Agent) -> web.Response:
        return self._html("transcript.html", **await self._talk(request))

    async def _talk(self, request: web.Request) -> Mapping[str, Any]:
        found = await self._find(request)
        first = max(0, found.last_seq - _SHOWN)
        entries = await self.journal.entries(found.id, after=first, limit=_SHOWN)
        attached = await self.attachments.shown(found.id, first, found.last_seq)
        talk = {"conversation": found, "entries": entries, "earlier": first > 0, "attached": attached}
        return {**talk, "intents": self._intents()}

    def _intents(self) -> Sequence[str]:
        """Of which one may say that it was wanted."""
        model = self.queue.model()
        return choosable(model.manifest.intents) if model else ()

    async def _find(self, request: web.Request) -> Conversation:
        found = await self.journal.conversation(request.match_info["id"])
        if found is None:
            raise NotFound("There is no such conversation.")
        return found

    async def attachment(self, request: web.Request, agent: Agent) -> web.StreamResponse:
        found = await self._find(request)
        number = {name: int(request.match_info[name]) for name in ("seq", "number")}
        try:
            return await self.attachments.fetched(found.id, **number)
        except Refused as refused:
            back = request.rel_url.raw_path.rpartition("/attachments/")[0]
            told = {"reason": str(refused), "back": back, "again": request.rel_url.raw_path}
            return await self._page("attachment.html", agent, "inbox", status=422, **told)

    async def act(self, request: web.Request, agent: Agent) -> web.Response:
        found = await self._find(request)
        deed = request.match_info["deed"]
        if deed == "take":
            await self.agents.take(found.id, agent.name)
        elif deed == "release":
            label = (await _form(request)).get("label", "") if request.can_read_body else ""
            await self.agents.release(found.id, agent.name, [label] if label in self._intents() else ())
        elif text := clean_text((await _form(request)).get("text", "")):
            await self.agents.reply(found.id, agent.name, text)
        return web.Response(status=303, headers={"Location": request.path.rpartition("/")[0]})

    async def model_page(self, request: web.Request, agent: Agent) -> web.Response:
        settings, model = self.queue.settings, self.model()
        serving = model.id if model.facts else ""
        standing = None if settings.model_url else await asyncio.to_thread(Standing.now, settings, serving)
        return await self._page("model.html", agent, "model", model=model, standing=standing)

    async def report(self, request: web.Request, agent: Agent) -> web.StreamResponse:
        return await _quoting(self.model().report)

    async def change(self, request: web.Request, agent: Agent) -> web.StreamResponse:
        return await _quoting(page_of(self.queue.settings, request.match_info["model"]))

    async def report_of(self, request: web.Request, agent: Agent) -> web.StreamResponse:
        return await _quoting(report_of(self.queue.settings, request.match_info["model"]))

    async def _page(self, template: str, agent: Agent, page: str, **values: Any) -> web.Response:
        counts = await self.journal.counts()
        return self._html(template, agent=agent, page=page, counts=counts, **values)

    def _html(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        text = self.templates.get_template(template).render(owners=_OWNERS, **values)
        return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)


async def _quoting(page: Path | None) -> web.Response:
    """A page of a model's; an erasure removes those that may quote somebody."""
    try:
        text = await asyncio.to_thread(page.read_text, "utf-8") if page else None
    except OSError:
        text = None
    if text is None:
        raise web.HTTPNotFound(text="This model has no such page.")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
    headers = {**_HEADERS, "Content-Security-Policy": policy}
    return web.Response(text=text, content_type="text/html", headers=headers)


async def _form(request: web.Request) -> Mapping[str, str]:
    """Of the one kind that our pages send. Raises Malformed."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Malformed("A form is expected.")
    try:
        form = await request.post()
    except (LookupError, ValueError):  # a character set that there is not, or another one than it says
        raise Malformed("This form cannot be read.") from None
    return {name: str(value) for name, value in form.items()}
