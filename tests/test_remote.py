"""The model service and its client over a real socket, with a stand-in for the model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from bot.config import Settings, SettingsError
from bot.listening import accepting, listen
from bot.model_service import check_token
from bot.remote import AT_ONCE, TEXTS, ModelAway, ModelRefuses, Remote, _Asked, remote
from nlu.engine.batcher import Batcher
from nlu.load import load_model
from nlu.server import serving
from nlu.types import Intent, Query, Understanding, Verdict
from nlu.understand import serve
from nlu.wire import LARGEST_QUESTION, Answer, Question, packed, read_answer
from tests.demo import demo_model
from tests.service import Widget, running

TOKEN = "a token of this test"


def meant(text: str, model: str) -> Understanding:
    intent = Intent("ask", 1.0)
    return Understanding(text, intent, (intent,), Verdict.SURE, model=model)


class StandIn:
    """Behind a real batcher. Holds its first batch until it is let through, if it is told so; fails on `bad`."""

    model = "stand-in"
    broken = False

    def __init__(self, capacity: int = 10_000, held: bool = False) -> None:
        self.batcher = Batcher(self._run, 64, capacity)
        self.requests: list[int] = []
        self.read: list[str] = []
        self.asked: list[Query] = []
        self.started, self.let = asyncio.Event(), threading.Event()
        if not held:
            self.let.set()
        self._loop = asyncio.get_running_loop()

    async def answer(self, queries: Sequence[Query], until: float) -> list[Understanding]:
        self.requests.append(len(queries))
        self.asked += queries
        return await self.batcher.submit([query.text for query in queries], until)

    def _run(self, texts: Sequence[str]) -> list[Understanding]:
        self.read += texts
        self._loop.call_soon_threadsafe(self.started.set)
        assert self.let.wait(20)
        if self.broken or "bad" in texts:
            raise ValueError("bad")
        return [meant(text, self.model) for text in texts]


@asynccontextmanager
async def served(stand_in: StandIn, token: str = "", port: int = 0) -> AsyncIterator[str]:
    async with stand_in.batcher:
        listener = listen("127.0.0.1", port)
        async with serving(stand_in, token, partial(accepting, listener)):
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                stand_in.let.set()


@asynccontextmanager
async def asked(stand_in: StandIn, seconds: float = 20.0) -> AsyncIterator[Remote]:
    async with served(stand_in) as url, remote(url, "", seconds) as model:
        yield model


async def _post(url: str, body: bytes, **headers: str) -> tuple[int, bytes, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/understand", data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.read(), answer.headers


def _question(*texts: str, milliseconds: int = 20_000) -> bytes:
    return packed(Question(texts, milliseconds))


async def test_the_service_understands_as_the_model_does(pytestconfig: pytest.Config) -> None:
    model = load_model(demo_model(pytestconfig), device="cpu", threads=1)
    texts = [
        "where is my order LW-10234?",
        "do you ship to ireland, and can I pay with paypal",
        "wo ist mein Paket geblieben",
        "teh lamp arived brokn",
        "quantum gravity",
        "",
        "🛋️ ?!",
    ]
    expected = [model.understand_now([text])[0] for text in texts]
    listener = listen("127.0.0.1", 0)
    url, doors = f"http://127.0.0.1:{listener.getsockname()[1]}", partial(accepting, listener)
    async with serve(model) as service, serving(service, TOKEN, doors), remote(url, TOKEN, 20.0) as far:
        assert far.model == ""
        assert await far.understand(texts) == await service.understand(texts)
        assert [(await far.understand([text]))[0] for text in texts] == expected
        assert far.model == model.id


async def test_the_texts_of_concurrent_turns_go_in_few_requests() -> None:
    stand_in = StandIn(held=True)
    async with asked(stand_in) as model:
        first = [asyncio.create_task(model.understand(["first"]))]
        await stand_in.started.wait()
        rest = [asyncio.create_task(model.understand([f"{number}"])) for number in range(3 * TEXTS)]
        await asyncio.sleep(0)
        stand_in.let.set()
        found = [one.text for answer in await asyncio.gather(*first, *rest) for one in answer]
    assert found == ["first", *map(str, range(3 * TEXTS))]
    assert max(stand_in.requests) == TEXTS
    assert len(stand_in.requests) <= AT_ONCE + 3


async def test_what_cannot_be_answered_in_time_never_reaches_the_model() -> None:
    stand_in = StandIn()
    async with served(stand_in) as url:
        status, *_ = await _post(url, _question("late", milliseconds=0))
        assert status == 504
        assert (await _post(url, _question("early")))[0] == 200
    assert stand_in.read == ["early"]


async def test_a_text_that_waits_too_long_is_given_up_by_both() -> None:
    stand_in = StandIn(held=True)
    async with served(stand_in) as url, remote(url, "", 20.0) as patient, remote(url, "", 0.2) as hurried:
        first = asyncio.create_task(patient.understand(["first"]))
        await stand_in.started.wait()
        with pytest.raises(TimeoutError):
            await hurried.understand(["second"])
        stand_in.let.set()
        await first
        await patient.understand(["third"])
    assert stand_in.read == ["first", "third"]


async def test_nobody_understands_for_who_hung_up() -> None:
    stand_in = StandIn(held=True)
    async with served(stand_in) as url, remote(url, "", 20.0) as stays:
        first = asyncio.create_task(stays.understand(["first"]))
        await stand_in.started.wait()
        gone = asyncio.create_task(_post(url, _question("gone")))
        while stand_in.batcher.waiting == 0:
            await asyncio.sleep(0.01)
        gone.cancel()
        second = asyncio.create_task(stays.understand(["second"]))
        while stand_in.batcher.waiting < 2:
            await asyncio.sleep(0.01)
        stand_in.let.set()
        await asyncio.gather(first, second)
    assert stand_in.read == ["first", "second"]


async def test_a_queue_that_is_too_long_is_refused_at_once(tmp_path: Path) -> None:
    stand_in = StandIn(capacity=1, held=True)
    async with served(stand_in) as url, remote(url, "", 20.0) as model, remote(url, "", 20.0) as other:
        first = asyncio.create_task(other.understand(["first"]))
        await stand_in.started.wait()
        status, _, headers = await _post(url, _question("a", "b"))
        assert (status, headers["Retry-After"]) == (503, "1")
        with pytest.raises(ModelAway, match="is overloaded"):
            await asyncio.gather(*(model.understand([text]) for text in ("a", "b")))
        async with running(tmp_path, model) as service, Widget.open(service.url) as widget:
            second = asyncio.create_task(other.understand(["second"]))
            while stand_in.batcher.waiting == 0:
                await asyncio.sleep(0.01)
            (reply,) = await widget.ask("ask")
            assert reply["text"].startswith("Sorry")
        stand_in.let.set()
        await asyncio.gather(first, second)
        assert (await model.understand(["after"]))[0].text == "after"


@pytest.mark.parametrize("given", [{}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}])
async def test_without_the_token_nobody_is_answered(given: dict[str, str]) -> None:
    stand_in = StandIn()
    async with served(stand_in, TOKEN) as url:
        assert (await _post(url, _question("hello"), **given))[0] == 401
        async with remote(url, "another", 20.0) as model:
            with pytest.raises(ModelRefuses, match=f"at {url} refuses our FRONTDESK_MODEL_TOKEN"):
                await model.understand(["hello"])
            with pytest.raises(ModelRefuses):
                await model.meet()
        assert (await _post(url, _question("hello"), Authorization=f"Bearer {TOKEN}"))[0] == 200
    assert stand_in.read == ["hello"]


async def test_pages_may_not_ask() -> None:
    stand_in = StandIn()
    async with served(stand_in) as url:
        assert (await _post(url, _question("hello"), Origin="http://127.0.0.1"))[0] == 403
    assert stand_in.read == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b"\xc1", 400),
        (b"\x91" * 100_000, 400),
        (msgspec.msgpack.encode({"texts": [], "milliseconds": 1}), 400),
        (msgspec.msgpack.encode({"texts": ["x"] * 257, "milliseconds": 1}), 400),
        (msgspec.msgpack.encode({"texts": ["x"], "milliseconds": -1}), 400),
        (msgspec.msgpack.encode({"texts": ["x"], "milliseconds": 10**12}), 400),
        (msgspec.msgpack.encode({"texts": [1], "milliseconds": 1}), 400),
        (_question("x" * LARGEST_QUESTION), 413),
    ],
)
async def test_what_is_no_question_or_too_large_is_refused_and_nothing_else_happens(body: bytes, status: int) -> None:
    stand_in = StandIn()
    async with served(stand_in) as url:
        assert (await _post(url, body))[0] == status
        assert (await _post(url, _question("hello")))[0] == 200
    assert stand_in.read == ["hello"]


async def test_a_refusal_quotes_nobody() -> None:
    async with served(StandIn()) as url:
        _, told, _ = await _post(url, msgspec.msgpack.encode({"texts": "my secret", "milliseconds": 1}))
    assert b"secret" not in told


async def test_a_text_on_which_the_model_fails_does_not_fail_the_others() -> None:
    stand_in = StandIn(held=True)
    async with asked(stand_in) as model:
        first = [asyncio.create_task(model.understand([f"{number}"])) for number in range(2)]
        await stand_in.started.wait()
        rest = [asyncio.create_task(model.understand([text])) for text in ("a", "bad", "b")]
        await asyncio.sleep(0)
        stand_in.let.set()
        await asyncio.gather(*first)
        good, bad, other = await asyncio.gather(*rest, return_exceptions=True)
    assert isinstance(good, list)
    assert isinstance(other, list)
    assert [good[0].text, other[0].text] == ["a", "b"]
    assert isinstance(bad, ModelAway)
    assert 3 in stand_in.requests, "they were asked together"


async def test_what_needs_no_articles_goes_along_for_each_text() -> None:
    stand_in = StandIn(held=True)
    some, others = frozenset({"greet", "thank"}), frozenset({"stop"})
    async with asked(stand_in) as model:
        first = [asyncio.create_task(model.understand([f"{number}"])) for number in range(2)]
        await stand_in.started.wait()
        rest = [
            asyncio.create_task(model.understand([text], without))
            for text, without in (("a", frozenset[str]()), ("b", some), ("c", some), ("d", others))
        ]
        await asyncio.sleep(0)
        stand_in.let.set()
        await asyncio.gather(*first, *rest)
    assert stand_in.asked[2:] == [Query("a"), Query("b", some), Query("c", some), Query("d")]


async def test_a_gathering_too_large_for_one_request_is_asked_one_by_one() -> None:
    stand_in = StandIn()
    texts = [letter * (LARGEST_QUESTION // 2) for letter in "abc"]
    async with asked(stand_in) as model:
        assert [one.text for one in await model.understand(texts)] == texts


async def test_a_service_that_was_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "bot.remote")
    async with AsyncExitStack() as stack:
        before = StandIn()
        async with served(before) as url:
            model = await stack.enter_async_context(remote(url, "", 20.0))
            await model.understand(["before"])
        meanwhile = [asyncio.create_task(model.understand([f"{number}"])) for number in range(100)]
        while "cannot be reached" not in caplog.text:
            await asyncio.sleep(0.01)
        await stack.enter_async_context(served(StandIn(), port=int(url.rpartition(":")[2])))
        assert [found[0].text for found in await asyncio.gather(*meanwhile)] == [f"{number}" for number in range(100)]
    assert caplog.text.count("cannot be reached") == 1
    assert caplog.text.count("answers again") == 1


async def test_a_service_that_stays_away_is_given_up_when_the_turn_is_over() -> None:
    async with served(StandIn()) as url:
        pass
    async with remote(url, "", 0.3) as model:
        with pytest.raises((ModelAway, TimeoutError)):
            await model.understand(["hello"])
        back = StandIn()
        async with served(back, port=int(url.rpartition(":")[2])), remote(url, "", 20.0) as other:
            for _ in range(20):
                await other.understand(["after"])
                await asyncio.sleep(0.05)
    assert {*back.read} == {"after"}
    assert len(back.requests) == 20, "what was given up is not asked any more"


async def test_what_waited_too_long_for_its_request_is_not_sent() -> None:
    stand_in, now = StandIn(), asyncio.get_running_loop().time()
    async with asked(stand_in) as model:
        late, early = await model._exchange([_Asked(Query("late"), now - 1), _Asked(Query("early"), now + 20)])
    assert isinstance(late, TimeoutError)
    assert isinstance(early, Understanding)
    assert stand_in.read == ["early"]


@pytest.mark.parametrize("status", [200, 302, 404])
async def test_what_is_no_model_service_is_told_in_a_sentence(status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text="hello")

    app = web.Application()
    app.add_routes([web.post("/understand", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with remote(f"http://127.0.0.1:{runner.addresses[0][1]}", "", 20.0) as model:
            with pytest.raises(ModelRefuses, match="is no model service"):
                await model.meet()
    finally:
        await runner.cleanup()


async def test_the_client_tells_of_another_model() -> None:
    stand_in = StandIn()
    told: list[str] = []
    async with asked(stand_in) as model:
        model.on_model = told.append
        for name in ("one", "one", "two"):
            stand_in.model = name
            assert [found.model for found in await model.understand(["hello"])] == [name]
            assert model.model == name
    assert told == ["one", "two"]


async def test_health_asks_the_model() -> None:
    stand_in = StandIn()
    async with served(stand_in, TOKEN) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/health") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok", "model": "stand-in"})
        assert len(stand_in.read) == 1
        stand_in.broken = True
        async with session.get(f"{url}/health") as answer:
            assert (answer.status, await answer.json()) == (503, {"status": "failing", "model": "stand-in"})


def test_two_versions_understand_each_other() -> None:
    answer: dict[str, Any] = msgspec.to_builtins(Answer("m", (meant("hello", "m"),)))
    newer = {**answer, "new": 1, "understood": [{**answer["understood"][0], "new": {"a": [1]}}]}
    older = {**answer, "understood": [{k: v for k, v in answer["understood"][0].items() if k != "requests"}]}
    for other in (newer, older):
        assert read_answer(msgspec.msgpack.encode(other)).understood[0].text == "hello"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gpu.example.com"])
def test_strangers_can_reach_it_only_with_a_token(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FRONTDESK_MODEL_TOKEN"):
        check_token(Settings(home=tmp_path), host)
    check_token(Settings(home=tmp_path, model_token=TOKEN), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.53"])
def test_on_its_own_machine_it_needs_none(host: str, tmp_path: Path) -> None:
    check_token(Settings(home=tmp_path), host)
