"""A sitemap that is fetched: what is kept, what is left out, and what ends it with nothing written."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from nlu.data.knowledge import read_knowledge
from nlu.data.sources import mirror as fetching
from nlu.data.sources.mirror import Mirrored, mirror
from nlu.source import DataError
from tests.command import environment, ran, write_project


@dataclass
class Site:
    """Answers by path: a text is HTML, bytes are what they are, a number is a status, `> path` leads on."""

    url: str = ""
    pages: dict[str, str | bytes | int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        found = self.pages.get(request.path_qs, 404)
        if isinstance(found, int):
            return web.Response(status=found)
        if isinstance(found, bytes):
            return web.Response(body=found, content_type="text/html")
        if found.startswith("> "):
            return web.Response(status=302, headers={"Location": found[2:]})
        kind = "text/xml" if request.path.endswith(".xml") else "text/html"
        return web.Response(text=found, content_type=kind)

    def sitemap(self, *paths: str, kind: str = "urlset", path: str = "/sitemap.xml") -> None:
        named = "".join(f"<url><loc>{p if '://' in p else self.url + p}</loc></url>" for p in paths)
        self.pages[path] = f"<{kind}>{named}</{kind}>"


@asynccontextmanager
async def opened() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()


async def fetched(site: Site, data: Path, path: str = "/sitemap.xml") -> Mirrored:
    return await asyncio.to_thread(mirror, site.url + path, data)


async def refused(site: Site, data: Path) -> str:
    with pytest.raises(DataError) as caught:
        await fetched(site, data)
    assert "\n" not in str(caught.value)
    assert list(data.rglob("*")) == [], "nothing is written"
    return str(caught.value)


async def test_the_pages_of_a_sitemap_become_articles_with_their_addresses(tmp_path: Path) -> None:
    async with opened() as site:
        site.sitemap("/help/returns", "/hours?city=rome")
        site.pages |= {"/help/returns": "<h1>Returns</h1>30 days", "/hours?city=rome": "<h1>Hours</h1>nine to five"}
        made = await fetched(site, tmp_path)
    articles = read_knowledge(sorted(path for path in made.folder.iterdir()))
    assert made.folder.parent == tmp_path / "kb"
    assert {(a.id, a.title, a.url) for a in articles} == {
        ("help-returns", "Returns", f"{site.url}/help/returns"),
        ("hours-city-rome", "Hours", f"{site.url}/hours?city=rome"),
    }


async def test_what_is_no_page_with_text_is_left_out_and_told(tmp_path: Path) -> None:
    async with opened() as site:
        site.sitemap("/a", "/gone", "/empty", "https://elsewhere.example/b", "/away", "/on", "/large")
        site.pages |= {
            "/a": "<p>text",
            "/empty": "<nav>menu</nav>",
            "/away": "> https://elsewhere.example/b",
            "/on": "> /a",
            "/large": "<p>" + "x" * (fetching.LARGEST + 1),
        }
        made = await fetched(site, tmp_path)
    told = "\n".join(made.left_out)
    assert made.pages == 2
    for reason in ("/gone (the server answers 404)", "/empty (it has no text)", "/b (it is on another host)"):
        assert reason in told
    assert "/away (it is on another host)" in told
    assert "/large (it has more than 5 MB)" in told


async def test_sitemaps_of_sitemaps_are_followed_once_and_may_be_compressed(tmp_path: Path) -> None:
    async with opened() as site:
        site.sitemap("/sitemap.xml", "/one.xml.gz", kind="sitemapindex")
        site.pages["/one.xml.gz"] = gzip.compress(f"<urlset><url><loc>{site.url}/a</loc></url></urlset>".encode())
        site.pages["/a"] = "<p>text"
        assert (await fetched(site, tmp_path)).pages == 1
        assert site.asked.count("/sitemap.xml") == 1


async def test_a_second_time_replaces_what_was_fetched_before_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "mine.md").write_text("text", "utf-8")
    async with opened() as site:
        site.sitemap("/a", "/b")
        site.pages |= {"/a": "<p>one", "/b": "<p>two"}
        await fetched(site, tmp_path)
        site.sitemap("/b")
        made = await fetched(site, tmp_path)
    assert sorted(path.name for path in made.folder.iterdir()) == ["b.html", "sitemap.xml"]
    assert (tmp_path / "kb" / "mine.md").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["kb"]


async def test_a_page_in_another_encoding_is_kept_in_utf8(tmp_path: Path) -> None:
    async with opened() as site:
        site.sitemap("/a")
        site.pages["/a"] = "<meta charset='iso-8859-1'><p>Größe".encode("latin-1")
        made = await fetched(site, tmp_path)
    assert "Größe" in (made.folder / "a.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({}, "the server answers 404"),
        ({"/sitemap.xml": "<html>sign in</html>"}, "<html> is no sitemap"),
        ({"/sitemap.xml": "> https://elsewhere.example/sitemap.xml"}, "it is on another host"),
        ({"/sitemap.xml": "> /sitemap.xml"}, "it redirects without end"),
        ({"/sitemap.xml": "<urlset/>"}, "the sitemap names no pages"),
        (
            {"/sitemap.xml": "<urlset><url><loc>file:///etc/passwd</loc></url></urlset>"},
            "none of its pages can be read",
        ),
    ],
)
async def test_a_sitemap_that_cannot_be_used_leaves_nothing(
    tmp_path: Path, pages: dict[str, str | bytes | int], says: str
) -> None:
    async with opened() as site:
        site.pages |= pages
        assert says in await refused(site, tmp_path)


async def test_too_many_pages_are_refused_before_one_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MOST_PAGES", 1)
    async with opened() as site:
        site.sitemap("/a", "/b")
        assert "there are 2 pages, and 1 are fetched at most" in await refused(site, tmp_path)
        assert site.asked == ["/sitemap.xml"]


async def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    async with opened() as site:
        site.sitemap("/a")
    assert "it cannot be fetched (ClientConnectorError)" in await refused(site, tmp_path)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://shop.example/a", "shop.example", "http://[x", ""])
def test_only_web_addresses_are_fetched(tmp_path: Path, address: str) -> None:
    with pytest.raises(DataError, match="is no web address"):
        mirror(address, tmp_path)


def test_pages_need_a_folder_to_lie_in(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="need a folder"):
        mirror("https://shop.example/sitemap.xml", tmp_path / "nlu.yml")


def test_the_command_fetches_before_it_trains(tmp_path: Path) -> None:
    ended = ran("train", "--data", write_project(tmp_path / "p"), "--sitemap", "file:///a", env=environment(tmp_path))
    assert (ended.code, ended.out) == (2, "")
    assert "'file:///a' is no web address" in ended.err
