"""The console: who gets in, and what people do to conversations."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from threading import Event

import aiohttp
import pytest
import pytest_asyncio
import redis.asyncio as redis

from bot.app import Service
from bot.config import Settings
from bot.console.review import ARTICLES
from bot.console.sign_in import one_time_code
from bot.journal.errors import StaleFence
from bot.journal.values import Kind, Review, Reviewed, Whose
from bot.transcripts.collect import Collection
from bot.transcripts.keeper import Keeper
from nlu.understand import Insight
from tests.seer import Seer, said
from tests.service import KeywordUnderstander, Widget, running


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    understander = KeywordUnderstander()
    understander.now = Seer()  # type: ignore[attr-defined]  # what a real one has beside it
    async with running(tmp_path, understander, data=tmp_path / "no data") as service:
        yield service


@pytest_asyncio.fixture
async def browser(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody's browser, not signed in; it keeps cookies and says where its forms come from."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": service.url}) as session:
        yield session


@pytest_asyncio.fixture
async def agent(service: Service, browser: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """Ada's browser."""
    form = {"code": one_time_code(service.signer), "name": "Ada"}
    async with browser.post(f"{service.url}/console/enter", data=form) as answer:
        assert answer.status == 200
        assert "Inbox" in await answer.text()
    return browser


async def test_the_link_opens_the_console_once(service: Service, browser: aiohttp.ClientSession) -> None:
    form = {"code": one_time_code(service.signer), "name": "Ada"}
    async with browser.post(f"{service.url}/console/enter", data=form) as answer:
        assert answer.status == 200
    browser.cookie_jar.clear()
    async with browser.post(f"{service.url}/console/enter", data=form) as answer:
        assert answer.status == 403
        assert "spent" in await answer.text()


async def test_the_link_opens_once_though_redis_forgets_everything(tmp_path: Path, valkey_url: str) -> None:
    async with running(tmp_path, redis_url=valkey_url) as service, aiohttp.ClientSession() as session:
        form = {"code": one_time_code(service.signer), "name": "Ada"}
        for expected in (303, 403):
            headers = {"Origin": service.url}
            enter = session.post(f"{service.url}/console/enter", data=form, headers=headers, allow_redirects=False)
            async with enter as answer:
                assert answer.status == expected
            async with redis.Redis.from_url(valkey_url) as client:
                await client.flushall()


async def test_looking_at_the_link_does_not_spend_it(service: Service, browser: aiohttp.ClientSession) -> None:
    code = one_time_code(service.signer)
    for _ in range(2):
        async with browser.get(f"{service.url}/console/enter", params={"code": code}) as answer:
            assert code in await answer.text()
    async with browser.post(f"{service.url}/console/enter", data={"code": code, "name": "Ada"}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "path", ["", "/list", "/model", "/report", "/conversations/web-1", "/conversations/web-1/transcript"]
)
async def test_nobody_sees_a_page_without_signing_in(
    service: Service, browser: aiohttp.ClientSession, path: str
) -> None:
    async with browser.get(f"{service.url}/console{path}") as answer:
        assert answer.status == 401
        assert "one-time link" in await answer.text()


@pytest.mark.parametrize("cookie", ["", "1.x.y", "admin"])
async def test_a_made_up_cookie_or_a_widget_token_opens_nothing(
    service: Service, browser: aiohttp.ClientSession, cookie: str
) -> None:
    for value in (cookie, service.signer.mint("widget", f"Ada:{2**40}")):
        async with browser.get(f"{service.url}/console", cookies={"frontdesk_console": value}) as answer:
            assert answer.status == 401


async def test_who_gives_it_back_may_say_what_was_wanted(
    service: Service, agent: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Seer.manifest, "intents", ("human", "out_of_scope", "track"))
    async with Widget.open(service.url) as widget:
        talk = widget.welcome["conversation"]
        page = f"{service.url}/console/conversations/{talk}"
        for label in ("track", "never_heard_of", "human"):
            await widget.say(f"my {label} box")
            await widget.command("human")
            while await service.journal.waiting(talk):
                await asyncio.sleep(0.01)
            async with agent.get(page) as answer:
                assert re.findall("<option>(.*?)</option>", await answer.text()) == ["track"]
            async with agent.post(f"{page}/release", data={"label": label}) as answer:
                assert "<option>track</option>" not in await answer.text(), "the assistant has it"
    await Collection(service.journal, Keeper.of(Settings(home=tmp_path))).collect()
    (told,) = await service.journal.answered_for()
    assert (told.text, told.signals["labels"]) == ("my track box", ["track"])


async def test_forms_of_other_sites_are_refused(service: Service, agent: aiohttp.ClientSession) -> None:
    async with Widget.open(service.url) as widget:
        await widget.command("human")
        path = f"{service.url}/console/conversations/{widget.welcome['conversation']}/take"
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": service.url, "Sec-Fetch-Site": "cross-site"},
        ):
            async with agent.post(path, headers=headers) as answer:
                assert answer.status == 403, headers
        async with agent.get(path) as answer:
            assert answer.status == 405


async def test_a_person_takes_over_answers_and_gives_back(service: Service, agent: aiohttp.ClientSession) -> None:
    async with Widget.open(service.url) as widget:
        await widget.command("human")
        await widget.until("owner")
        talk = f"{service.url}/console/conversations/{widget.welcome['conversation']}"
        async with agent.get(f"{service.url}/console/list?show=queue") as answer:
            assert widget.welcome["conversation"] in await answer.text()

        async with agent.post(f"{talk}/reply", data={"text": "Hello, I am here."}) as answer:
            assert "Hello, I am here." in await answer.text()
        assert (await widget.until("owner"))["owner"] == "agent"
        while widget.entries[-1]["author"] != "agent":
            await widget.until("entries")
        assert widget.entries[-2]["text"] == "You are talking to Ada now."
        assert widget.entries[-1]["text"] == "Hello, I am here."

        silent = await widget.say("ask")
        while await service.journal.waiting(widget.welcome["conversation"]):
            await asyncio.sleep(0)
        async with agent.get(f"{talk}/transcript") as answer:
            assert "ask" in await answer.text()

        async with agent.post(f"{talk}/release") as answer:
            assert answer.status == 200
        assert (await widget.ask("ask"))[0]["text"] == "answer"
        assert not [entry for entry in widget.entries if entry["reply_to"] == silent["seq"]]


async def test_what_customers_write_is_text_in_the_console(service: Service, agent: aiohttp.ClientSession) -> None:
    async with Widget.open(service.url) as widget:
        await widget.say('<script>alert(1)</script><img src=x onerror="alert(2)">')
        async with agent.get(f"{service.url}/console/conversations/{widget.welcome['conversation']}") as answer:
            page = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_unknown_conversations_are_404(service: Service, agent: aiohttp.ClientSession) -> None:
    for deed in ("", "/transcript"):
        async with agent.get(f"{service.url}/console/conversations/web-none{deed}") as answer:
            assert answer.status == 404
    async with agent.post(f"{service.url}/console/conversations/web-none/take") as answer:
        assert answer.status == 404


async def test_a_conversation_that_is_too_busy_to_be_taken_is_no_failure_of_ours(
    service: Service, agent: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overtaken(*_: object, **__: object) -> None:
        raise StaleFence("Somebody else was faster.")

    monkeypatch.setattr(service.journal, "append", overtaken)
    async with Widget.open(service.url) as widget:
        talk = f"{service.url}/console/conversations/{widget.welcome['conversation']}"
        async with agent.post(f"{talk}/take") as answer:
            assert (answer.status, (await answer.json())["reason"]) == (503, "busy")


async def test_signing_out_ends_it(service: Service, agent: aiohttp.ClientSession) -> None:
    async with agent.post(f"{service.url}/console/leave") as answer:
        assert answer.status == 401


# -- the review


async def reviewed(service: Service) -> dict[str, tuple[str, str | None]]:
    return {one.utterance.text: (one.review.kind.value, one.review.label) for one in await service.journal.reviewed()}


BOTH, ALONE, OTHERS = "1 2 1,2 track", "1 1 3 track", 'value="1 3 4,2,1 track"'
"""How the page names its two questions, and the first one when there is more to it."""


@pytest_asyncio.fixture
async def asked(service: Service) -> None:
    """The service has two questions for a reviewer: `b` twice, and `a`."""
    await service.journal.keep_utterances([said("b one | .6", 1), said("b <i>two</i> | .7", 2), said("a | .9", 3)])


async def posted(service: Service, agent: aiohttp.ClientSession, **form: str) -> tuple[int, str]:
    async with agent.post(f"{service.url}/console/review", data=form) as answer:
        return answer.status, await answer.text()


@pytest.mark.usefixtures("asked")
async def test_a_question_is_shown_and_answered_for_the_whole_cluster(
    service: Service, agent: aiohttp.ClientSession
) -> None:
    async with agent.get(f"{service.url}/console/review") as answer:
        page = await answer.text()
    assert "b one | .6" in page
    assert "b &lt;i&gt;two&lt;/i&gt; | .7" in page
    assert "2 questions left." in page
    assert f'name="asked" value="{BOTH}"' in page

    status, page = await posted(service, agent, asked=BOTH, guess="track")
    assert (status, "a | .9" in page) == (200, True)
    assert "2 messages labelled: track." in page
    assert "1 question left. Label these 1: about + 3.3 points" in page, "what is promised is of what is left"
    assert await reviewed(service) == {"b one | .6": ("intent", "track"), "b <i>two</i> | .7": ("intent", "track")}

    _, page = await posted(service, agent, asked=BOTH, guess="refund")  # another tab
    assert "This question was answered meanwhile." in page
    assert (await reviewed(service))["b one | .6"] == ("intent", "track")
    assert "Taken back." in (await posted(service, agent, deed="undo"))[1]
    assert await reviewed(service) == {}
    await posted(service, agent, asked=BOTH, deed="out_of_scope", first_only="on")
    assert await reviewed(service) == {"b one | .6": ("out_of_scope", None)}


@pytest.mark.usefixtures("asked")
async def test_while_the_questions_are_made_the_page_says_how_far_that_is(
    service: Service, agent: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, goes_on, insight, read = Event(), Event(), Seer.insight, list[str]()

    def slow(seer: Seer, texts: Sequence[str]) -> Insight:
        read.extend(texts)
        reading.set()
        assert goes_on.wait(30)
        return insight(seer, texts)

    monkeypatch.setattr(Seer, "insight", slow)
    with monkeypatch.context() as impatient:
        impatient.setattr("bot.console.review.PATIENCE", 0.0)
        async with agent.get(f"{service.url}/console/review") as answer:
            assert "The questions are being made." in await answer.text()
        assert await asyncio.to_thread(reading.wait, 30)
        async with agent.get(f"{service.url}/console/review") as answer:
            assert "The model reads what customers said: 0 of 3." in await answer.text()
            assert answer.headers["Refresh"] == "2"
    goes_on.set()
    async with agent.get(f"{service.url}/console/review") as answer:
        assert (BOTH in await answer.text(), "Refresh" in answer.headers) == (True, False)
    assert len(read) == 3, "once, however often it was asked for"


@pytest.mark.usefixtures("asked")
async def test_what_the_page_showed_is_labelled_though_the_queue_was_made_anew(
    service: Service, agent: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.learning.live.FRESH_SECONDS", -1.0)
    await service.journal.keep_utterances([said("b zero | .55", 4)])
    async with agent.get(f"{service.url}/console/review") as answer:
        assert OTHERS in await answer.text(), "the question is another one now"
    assert "2 messages labelled: track." in (await posted(service, agent, asked=BOTH, guess="track"))[1]
    assert set(await reviewed(service)) == {"b one | .6", "b <i>two</i> | .7"}
    assert "b zero | .55" not in (await posted(service, agent, asked="1 1 4 track", deed="later"))[1]

    monkeypatch.undo()
    page = (await posted(service, agent, deed="undo"))[1]
    assert OTHERS in page, "what is open again is asked at once, though it was put off"


@pytest.mark.usefixtures("asked")
async def test_what_is_answered_anywhere_else_is_not_asked_again(
    service: Service, agent: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a colleague in the terminal or at another server process, also just while the questions are made."""
    read = service.journal.reviewed

    async def answered() -> Sequence[Reviewed]:
        await service.journal.decide([Review(3, Kind.IGNORE, None, "bob")])
        return await read()

    with monkeypatch.context() as patch:
        patch.setattr(service.journal, "reviewed", answered)
        async with agent.get(f"{service.url}/console/review") as answer:
            assert "1 question left." in await answer.text()
    await service.journal.decide([Review(1, Kind.IGNORE, None, "bob")])
    assert "1 message labelled: track." in (await posted(service, agent, asked=BOTH, guess="track"))[1]
    assert await reviewed(service) == {
        "a | .9": ("ignore", None),
        "b one | .6": ("ignore", None),
        "b <i>two</i> | .7": ("intent", "track"),
    }


@pytest.mark.usefixtures("asked")
async def test_an_answer_about_what_was_erased_labels_nothing_that_was_said_since(
    service: Service, agent: aiohttp.ClientSession
) -> None:
    async with agent.get(f"{service.url}/console/review"):
        pass
    await service.journal.erase(Whose(("c3",)))
    await service.journal.keep_utterances([said("c new | .9", 9)])
    _, page = await posted(service, agent, asked=ALONE, guess="track")
    assert "This question was answered meanwhile." in page
    assert await reviewed(service) == {}
    _, page = await posted(service, agent, asked=BOTH, guess="track")
    assert ("a | .9" in page, "c new | .9" in page) == (False, True)


@pytest.mark.usefixtures("asked")
async def test_where_labels_hardly_pay_a_reviewer_is_asked_only_on_demand(
    service: Service, agent: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.learning.queue.PAYING", 100.0)
    async with agent.get(f"{service.url}/console/review") as answer:
        page = await answer.text()
    assert "Labels hardly pay any more" in page
    assert "2 questions would be left." in page
    assert "b one | .6" not in page
    assert "b one | .6" in (await posted(service, agent, deed="anyway"))[1]


async def test_the_conversation_is_shown_where_it_is_kept_yet(service: Service, agent: aiohttp.ClientSession) -> None:
    async with Widget.open(service.url) as widget:
        talk = widget.welcome["conversation"]
        await widget.say("b one | .6")
        while await service.journal.waiting(talk):
            await asyncio.sleep(0.01)
    async with agent.get(f"{service.url}/console/review") as answer:
        assert f'href="/console/conversations/{talk}"' in await answer.text()
    assert await service.journal.expire_conversations(0.0, 10) == [talk]
    async with agent.get(f"{service.url}/console/review") as answer:
        page = await answer.text()
    assert "b one | .6" in page
    assert "/console/conversations/" not in page


@pytest.mark.usefixtures("asked")
async def test_what_is_put_off_comes_again_when_asked_for(service: Service, agent: aiohttp.ClientSession) -> None:
    async with agent.get(f"{service.url}/console/review"):
        pass
    assert "a | .9" in (await posted(service, agent, asked=BOTH, deed="later"))[1]
    _, page = await posted(service, agent, asked=ALONE, deed="later")
    assert "What is left was put off." in page
    assert "b one | .6" in (await posted(service, agent, deed="again"))[1]
    assert await reviewed(service) == {}


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"deed": "intent", "intent": "/restart"}, "no name for an intent"),
        ({"deed": "intent", "intent": "gift &"}, 'value="gift &amp;"'),
        ({"deed": "article", "article": "nowhere"}, "There is no such article."),
        ({"deed": "article"}, "There is no such article."),
        ({"deed": "new_article", "new_article": "?!"}, 'value="?!"'),
        ({"deed": "dance"}, "out of date"),
        ({"deed": "ignore", "asked": "1 2 x track"}, "out of date"),
        ({"concede": "bob", "item": "9" * 5000}, "This is settled"),
    ],
)
async def test_a_decision_that_is_none_is_told(
    service: Service, agent: aiohttp.ClientSession, form: dict[str, str], problem: str
) -> None:
    async with agent.get(f"{service.url}/console/review"):
        pass
    status, page = await posted(service, agent, **{"asked": BOTH, **form})
    assert (status, problem in page, "b one | .6" in page) == (409 if "concede" in form else 422, True, True)
    assert await reviewed(service) == {}


@pytest.mark.parametrize(("count", "listed"), [(ARTICLES, ARTICLES), (ARTICLES + 1, 0)])
async def test_an_article_is_named_by_enough_of_it_however_many_there_are(
    service: Service, agent: aiohttp.ClientSession, count: int, listed: int
) -> None:
    journal, talks = service.journal, range(2, count + 2)
    await journal.keep_utterances([said("a | .9", 1), *(said(f"b {number} | .9", number) for number in talks)])
    await journal.decide([Review(number, Kind.ARTICLE, f"about-{number}-x", "bob") for number in talks])
    async with agent.get(f"{service.url}/console/review") as answer:
        assert (await answer.text()).count('<option value="about-') == listed
    status, page = await posted(service, agent, asked="1 1 1 track", deed="article", article="about-1")
    assert (status, "Which article: about-10-x, about-100-x" in page) == (422, True)
    await posted(service, agent, asked="1 1 1 track", deed="article", article="-77-")
    assert (await reviewed(service))["a | .9"] == ("article", "about-77-x")


async def test_strangers_review_nothing(service: Service, browser: aiohttp.ClientSession) -> None:
    for method in ("GET", "POST"):
        async with browser.request(method, f"{service.url}/console/review") as answer:
            assert answer.status == 401


async def test_where_the_model_is_a_service_of_its_own_the_review_says_so(tmp_path: Path) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        running(tmp_path, model_url="http://gpu:8090") as service,
        aiohttp.ClientSession(cookie_jar=jar) as browser,
    ):
        form = {"code": one_time_code(service.signer), "name": "Ada"}
        async with browser.post(f"{service.url}/console/enter", data=form, headers={"Origin": service.url}) as answer:
            assert answer.status == 200
        async with browser.get(f"{service.url}/console/review") as answer:
            assert "Review on its machine: frontdesk review." in await answer.text()


async def test_without_questions_the_page_says_so(service: Service, agent: aiohttp.ClientSession) -> None:
    async with agent.get(f"{service.url}/console/review") as answer:
        assert "There is nothing to review." in await answer.text()


async def test_an_intent_that_is_proposed_is_called_as_the_first_reviewer_called_it(
    service: Service, agent: aiohttp.ClientSession
) -> None:
    likely = {"my chairs": 0.6, "two chairs": 0.4, "chairs": 0.7, "our chairs": 0.45, "chairs now": 0.55}
    texts = [f"rent {words} | {value}" for words, value in likely.items()]
    await service.journal.keep_utterances([said(text, number) for number, text in enumerate(texts, 1)])
    async with agent.get(f"{service.url}/console/review") as answer:
        page = await answer.text()
    assert "new? rent_chairs, 5 messages" in page
    asked = page.partition('name="asked" value="')[2].partition('"')[0]
    _, page = await posted(service, agent, asked=asked, new="rent_chairs", deed="intent", intent="hire")
    assert 'value="hire"' in page
