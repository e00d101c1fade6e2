"""The page at `/`: the demo's shop with its customer signed in, or a plain one for another assistant."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.app import Service, serving
from bot.config import Settings
from bot.console.model_page import ModelPage
from bot.customers import vouch, vouched
from bot.dialogue.assistant import Assistant
from bot.language import Language
from bot.tokens import Signer
from bot.widget.serve import DEMO
from nlu.data.reader import read_training_data
from tests.demo import DATA
from tests.service import KeywordUnderstander, Widget, running

MARA = {"email": "mara@example.org"}
SIGNER = Signer(b"k" * 32)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """The demo's assistant and shop; a stand-in for its model."""
    monkeypatch.setenv("SHOP_DATABASE_URL", f"sqlite:///{tmp_path}/shop.db")
    understander = KeywordUnderstander(["list_orders", "greet"])
    language = Language(understander, ModelPage("keywords", (), None), {"/help/a": ("A title", "A *text*.")})
    async with serving(Settings(home=tmp_path, data=DATA, port=0), Assistant.load(DATA), language) as service:
        yield service


async def page(http: aiohttp.ClientSession, url: str, status: int = 200) -> str:
    async with http.get(url) as response:
        assert response.status == status, url
        return await response.text()


async def test_the_demo_page_signs_its_customer_in(demo: Service, http: aiohttp.ClientSession) -> None:
    found = re.search(r'<frontdesk-chat customer="([^"]+)"', await page(http, f"{demo.url}/"))
    assert found is not None
    assert vouched(demo.signer, found[1], time.time()) == MARA

    async with Widget.open(demo.url, customer=found[1]) as widget:
        (answer,) = await widget.ask("list_orders")

    assert answer["text"].startswith("These are your 5 orders")


async def test_the_demo_page_has_all_that_it_names(demo: Service, http: aiohttp.ClientSession) -> None:
    html = await page(http, f"{demo.url}/")
    for address in re.findall(r'(?:src|href)="(/[^"]+)"', html):
        await page(http, f"{demo.url}{address}")
    async with http.get(f"{demo.url}/demo/orders") as response:
        assert len((await response.json())["orders"]) == 5


async def test_without_a_signature_nobody_is_signed_in(demo: Service) -> None:
    forged = vouch(SIGNER, MARA, time.time() + 60)
    late = vouch(demo.signer, MARA, time.time() - 1)
    for token in (forged, late, "x", "", None, demo.signer.mint("widget", "mara@example.org")):
        async with Widget.open(demo.url, customer=token) as widget:
            (answer,) = await widget.ask("list_orders")
            assert "e-mail address" in answer["text"]


@pytest.mark.parametrize("subject", ["[]", "{}", '{"email": "a@b"}', '{"until": "9"}', "not json"])
def test_a_token_that_says_nothing_of_a_customer_vouches_for_nobody(subject: str) -> None:
    assert vouched(SIGNER, SIGNER.mint("customer", subject), 0.0) == {}


def test_a_customers_token_holds_until_its_time() -> None:
    token = vouch(SIGNER, MARA, 100.0)
    assert vouched(SIGNER, token, 100.0) == MARA
    assert vouched(SIGNER, token, 100.5) == {}


async def test_another_assistant_has_a_plain_page_and_nothing_of_the_demo(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with running(tmp_path, bot_name="Tea <Shop>") as service:
        html = await page(http, f"{service.url}/")
        for address in ("/demo/orders", "/demo/demo.js", "/demo/products/alma-sofa.svg"):
            await page(http, f"{service.url}{address}", 404)

        assert "<title>Tea &lt;Shop&gt;</title>" in html
        assert f"src=&quot;{service.url}/widget/frontdesk.js&quot;" in html
        assert "FRONTDESK_ORIGINS" in html
        assert "Larkwood" not in html
        for address in re.findall(r'(?:src|href)="(/[^"]+)"', html):
            await page(http, f"{service.url}{address}")


async def test_an_article_has_its_style_and_the_customer_signed_in(demo: Service, http: aiohttp.ClientSession) -> None:
    html = await page(http, f"{demo.url}/help/a")
    token = html.partition('customer="')[2].partition('"')[0]
    assert "<h1>A title</h1><p>A <em>text</em>.</p>" in html
    assert vouched(demo.signer, token, time.time()) == MARA
    for address in re.findall(r'(?:src|href)="(/[^"]+)"', html):
        await page(http, f"{demo.url}{address}")


def test_what_the_demo_page_says_of_a_product_stands_in_its_article() -> None:
    articles = [" ".join(s.text for s in article.sections) for article in read_training_data(DATA).articles]
    goods = re.findall(r"\['[a-z-]+', '([^']+)', '([^']+)', ", (DEMO / "demo.js").read_text("utf-8"))
    assert len(goods) == 20
    for name, about in goods:
        texts = [text.casefold() for text in articles if name in text]
        words = [word for word in re.findall(r"\w+", about.casefold()) if len(word) > 3]
        assert any(all(word in text for word in words) for text in texts), (name, about)
