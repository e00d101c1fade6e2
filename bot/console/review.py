"""The review in the console: a question a page, and a key for the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from aiohttp import web

from bot.console.sign_in import Agent
from bot.journal.values import Kind
from bot.learning.articles import article_named
from bot.learning.deciding import BadDecision, one_of
from bot.learning.live import LiveQueue
from bot.learning.opinions import Agreement, Opinions, disputes_of, meaning, named, person
from bot.learning.queue import Item
from bot.printed import counted
from bot.transcripts.heard import SOURCE

SHOWN = 8
"""Texts of a cluster that are shown."""
DISPUTES = 20
ARTICLES = 500
"""Names of articles that the page carries; of more, a part of the name is typed."""
_HERE = "/console/review"

Shown = Callable[..., Awaitable[web.Response]]


@dataclass(slots=True)
class ReviewPages:
    live: LiveQueue
    show: Shown
    """Makes a page of the console: template, agent, tab, values."""
    _later: dict[str, set[int]] = field(default_factory=dict)
    """What each reviewer put off."""
    _anyway: set[str] = field(default_factory=set)
    """Who is asked although labels hardly pay."""
    _called: dict[str, str] = field(default_factory=dict)
    """What reviewers call intents that were proposed under another name."""
    _done: dict[str, str] = field(default_factory=dict)
    """What each did last, in a sentence that the next page says once."""

    async def page(self, request: web.Request, agent: Agent) -> web.Response:
        wanted = request.query.get("item", "")
        return await self._page(agent, wanted=int(wanted) if wanted.isdecimal() else None)

    async def _page(
        self,
        agent: Agent,
        problem: str = "",
        status: int = 200,
        wanted: int | None = None,
        typed: Mapping[str, str] = MappingProxyType({}),
    ) -> web.Response:
        later = self._later.setdefault(agent.name, set())
        item = await self.live.next(agent.name, later, wanted)
        found = await self.live.opinions()
        queue = self.live.queue.of(agent.name)
        enough = item is not None and wanted is None and not queue.pays and agent.name not in self._anyway
        values = {
            "item": None if enough else item,
            "enough": enough,
            "missing": self.live.missing,
            "shown": SHOWN,
            "waiting": self.live.waiting(agent.name, later),
            "later": len(later),
            "advice": queue.advice(),
            "agreement": Agreement.of(found).to_text(),
            "disputes": [_dispute(one, agent.name) for one in disputes_of(found, agent.name)],
            "intents": self.live.intents,
            "articles": len(self.live.articles),
            "listed": self.live.articles if len(self.live.articles) <= ARTICLES else (),
            "talk": await self._conversation(item),
            "problem": problem,
            "done": self._done.pop(agent.name, ""),
            "typed": typed,
            "proposed": self._called.get(item.new, item.new) if item else "",
            "most_disputes": DISPUTES,
        }
        return await self.show("review.html", agent, "review", status=status, **values)

    async def _conversation(self, item: Item | None) -> str:
        """Where it was said, if it was here and is kept yet."""
        if item is None or item.utterances[0].source != SOURCE:
            return ""
        found = await self.live.journal.conversation(item.utterances[0].conversation)
        return found.id if found else ""

    async def act(self, form: Mapping[str, str], agent: Agent) -> web.Response:
        """What a form of the page asks for. A question that somebody else answered meanwhile is left as it is."""
        deed, later = "guess" if "guess" in form else form.get("deed", ""), self._later.setdefault(agent.name, set())
        asked = form.get("item", "")
        item = self.live.find(agent.name, int(asked)) if asked.isdecimal() else None
        if deed == "undo" and (number := await self.live.undo(agent.name)) is not None:
            self._done[agent.name] = "Taken back."
            return web.Response(status=303, headers={"Location": f"{_HERE}?item={number}"})
        if deed == "again":
            later.clear()
        elif deed == "anyway":
            self._anyway.add(agent.name)
        elif "concede" in form and asked.isdecimal():
            try:
                await self.live.concede(int(asked), form["concede"], agent.name)
            except BadDecision as bad:
                return await self._page(agent, str(bad), 409)
        elif deed == "later" and item is not None:
            later.add(item.number)
        elif item is not None and deed != "undo":
            try:
                await self._decide(item, deed, form, agent)
            except BadDecision as bad:
                return await self._page(agent, str(bad), 422, item.number, form)
        return web.Response(status=303, headers={"Location": _HERE})

    async def _decide(self, item: Item, deed: str, form: Mapping[str, str], agent: Agent) -> None:
        kinds = {
            "guess": (Kind.INTENT, form.get("guess")),
            "intent": (Kind.INTENT, form.get("intent")),
            "article": (Kind.ARTICLE, form.get("article")),
            "new_article": (Kind.ARTICLE, form.get("new_article", "")),
            "out_of_scope": (Kind.OUT_OF_SCOPE, None),
            "ignore": (Kind.IGNORE, None),
        }
        if deed not in kinds:
            raise BadDecision("This page is out of date; here is the question again.")
        kind, label = kinds[deed]
        if deed == "intent" and item.new and label:
            self._called[item.new] = label
        if deed == "new_article":
            label = article_named(label or "")
        elif kind is Kind.ARTICLE:
            label = one_of(self.live.articles, (label or "").strip(), "article")
        given = await self.live.decide(item, kind, label, agent.name, first_only="first_only" in form)
        self._done[agent.name] = f"{counted(len(given), 'message', 'messages')} labelled: {named(given[0])}."


def _dispute(found: Opinions, name: str) -> dict[str, object]:
    mine = next(one for one in found.standing if person(one.reviewer) == person(name))
    others = [(one.reviewer, named(one)) for one in found.standing if meaning(one) != meaning(mine)]
    return {"number": found.utterance.id, "text": found.utterance.text, "mine": named(mine), "others": others}
