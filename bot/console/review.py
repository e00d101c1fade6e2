"""The review in the console: a question a page, and a key for the answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType

from aiohttp import web

from bot.console.sign_in import Agent
from bot.journal.values import Kind, person
from bot.learning.articles import article_named
from bot.learning.deciding import ANSWERED, BadDecision, one_of
from bot.learning.live import LiveQueue
from bot.learning.opinions import Agreement, Opinions, disputes_of, meaning, named
from bot.learning.queue import Group, Item
from bot.printed import counted
from bot.transcripts.heard import SOURCE

SHOWN = 8
"""Texts of a cluster that are shown."""
DISPUTES = 20
LOOKED_AT = 120.0
"""Seconds for which a question is somebody's who looks at it: others are asked something else, if there is anything."""
PATIENCE, AGAIN = 1.0, 2
"""Seconds for which a page waits for its question, and after which the one that stands in for it asks again."""
ARTICLES = 500
"""Names of articles that the page carries; of more, a part of the name is typed."""
OUT_OF_DATE = "This page is out of date; here is the question again."
_HERE = "/console/review"
_NUMBER = re.compile(r"\d{1,18}")

Shown = Callable[..., Awaitable[web.Response]]


@dataclass(slots=True)
class ReviewPages:
    live: LiveQueue
    show: Shown
    """Makes a page of the console: template, agent, tab, values."""
    _later: dict[str, set[int]] = field(default_factory=dict)
    """The utterances that each reviewer put off."""
    _shown: dict[str, tuple[int, float]] = field(default_factory=dict)
    """The question that each looks at, and since when."""
    _anyway: set[str] = field(default_factory=set)
    """Who is asked although labels hardly pay."""
    _called: dict[str, str] = field(default_factory=dict)
    """What reviewers call intents that were proposed under another name."""
    _done: dict[str, str] = field(default_factory=dict)
    """What each did last, in a sentence that the next page says once."""

    async def page(self, request: web.Request, agent: Agent) -> web.Response:
        wanted = request.query.get("item", "")
        return await self._page(agent, wanted=_number(wanted), patience=PATIENCE)

    async def _page(
        self,
        agent: Agent,
        problem: str = "",
        status: int = 200,
        wanted: int | None = None,
        typed: Mapping[str, str] = MappingProxyType({}),
        *,
        patience: float | None = None,
    ) -> web.Response:
        left = await self.live.open_to(agent.name, patience)
        if left is None:
            return await self._being_made(agent)
        later = self._later.setdefault(agent.name, set())
        queue = replace(left, items=tuple(one for one in left.items if one.number not in later))
        item = self._next(left.items, queue.items, agent, wanted)
        found = await self.live.opinions()
        enough = item is not None and wanted not in item.group.ids and not queue.pays and agent.name not in self._anyway
        if item is not None and not enough:
            self._shown[person(agent.name)] = item.number, self.live.clock()
        values = {
            "item": None if enough else item,
            "enough": enough,
            "missing": self.live.missing,
            "shown": SHOWN,
            "waiting": len(queue.items),
            "later": len(left.items) > len(queue.items),
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

    async def _being_made(self, agent: Agent) -> web.Response:
        """A page that says how far that is, and asks again by itself."""
        page = await self.show("review_waiting.html", agent, "review", reading=self.live.reading)
        page.headers["Refresh"] = str(AGAIN)
        return page

    def _next(self, left: Sequence[Item], queue: Sequence[Item], agent: Agent, wanted: int | None) -> Item | None:
        """What is wanted; else the first question that nobody else looks at just now, as far as there is one."""
        others = (shown for name, shown in self._shown.items() if name != person(agent.name))
        taken = {number for number, at in others if self.live.clock() - at < LOOKED_AT}
        again = (one for one in left if wanted in one.group.ids)
        free = (one for one in queue if one.number not in taken)
        return next(chain(again, free, queue), None)

    async def _conversation(self, item: Item | None) -> str:
        """Where it was said, if it was here and is kept yet."""
        if item is None or item.utterances[0].source != SOURCE:
            return ""
        found = await self.live.journal.conversation(item.utterances[0].conversation)
        return found.id if found else ""

    async def act(self, form: Mapping[str, str], agent: Agent) -> web.Response:
        try:
            number = await self._act(form, agent)
        except BadDecision as bad:
            group, status = _group(form), 409 if "concede" in form else 422
            return await self._page(agent, str(bad), status, group.ids[0] if group else None, form)
        return web.Response(status=303, headers={"Location": _HERE if number is None else f"{_HERE}?item={number}"})

    async def _act(self, form: Mapping[str, str], agent: Agent) -> int | None:
        """Does what a form of the page asks for; returns what is to be asked about next, if that is known. Raises
        BadDecision."""
        deed, group = "guess" if "guess" in form else form.get("deed", ""), _group(form)
        if deed == "undo":
            return await self._undo(agent)
        if deed == "again":
            self._later.pop(agent.name, None)
        elif deed == "anyway":
            self._anyway.add(agent.name)
        elif "concede" in form:
            await self.live.concede(_number(form.get("item", "")), form["concede"], agent.name)
        elif group is None:
            raise BadDecision(OUT_OF_DATE)
        elif deed == "later":
            self._later.setdefault(agent.name, set()).update(group.ids)
        else:
            await self._answer(group, deed, form, agent)
        return None

    async def _undo(self, agent: Agent) -> int | None:
        number = await self.live.undo(agent.name)
        self._done[agent.name] = "There is nothing to take back." if number is None else "Taken back."
        return number

    async def _answer(self, group: Group, deed: str, form: Mapping[str, str], agent: Agent) -> None:
        kinds = {
            "guess": (Kind.INTENT, form.get("guess")),
            "intent": (Kind.INTENT, form.get("intent")),
            "article": (Kind.ARTICLE, form.get("article")),
            "new_article": (Kind.ARTICLE, form.get("new_article", "")),
            "out_of_scope": (Kind.OUT_OF_SCOPE, None),
            "ignore": (Kind.IGNORE, None),
        }
        if deed not in kinds:
            raise BadDecision(OUT_OF_DATE)
        kind, label = kinds[deed]
        if deed == "intent" and form.get("new") and label:
            self._called[form["new"]] = label
        if deed == "new_article":
            label = article_named(label or "")
        elif kind is Kind.ARTICLE:
            label = one_of(self.live.articles, (label or "").strip(), "article")
        given = await self.live.decide(group, kind, label, agent.name, first_only="first_only" in form)
        told = f"{counted(len(given), 'message', 'messages')} labelled: {named(given[0])}." if given else ANSWERED
        self._done[agent.name] = told


def _group(form: Mapping[str, str]) -> Group | None:
    """What the page asked about."""
    try:
        return Group.read(form.get("asked", ""))
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _dispute(found: Opinions, name: str) -> dict[str, object]:
    mine = next(one for one in found.standing if person(one.reviewer) == person(name))
    others = [(one.reviewer, named(one)) for one in found.standing if meaning(one) != meaning(mine)]
    return {"number": found.utterance.id, "text": found.utterance.text, "mine": named(mine), "others": others}
