"""Fetches the pages that a sitemap names into the knowledge base's folder, once, when the operator says so.

Serving never fetches: it reads what lies there. Only http and https, only the sitemap's own host, and not more than
the limits below.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit
from xml.sax.saxutils import escape

import aiohttp

from nlu.data.sources.html import page_of
from nlu.data.sources.sitemap import addresses_of, page_name
from nlu.source import DataError

MOST_PAGES = 2000
MOST_SITEMAPS = 50
LARGEST = 5_000_000
"""Bytes of a page or a sitemap."""
SECONDS = 20.0
"""For a page, from the first byte asked to the last one read."""
AT_ONCE = 4
_REDIRECTS = 5
_TOO_LARGE = f"it has more than {LARGEST / 1e6:.0f} MB"
_GZIP = b"\x1f\x8b"
_CHARSET = re.compile(rb"charset=[\"']?([A-Za-z0-9_.:-]+)")
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_HTML = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True, slots=True)
class Mirrored:
    folder: Path
    pages: int
    left_out: tuple[str, ...]
    """What the sitemap names and is no page with text, with the reason."""


@dataclass(frozen=True, slots=True)
class _Answer:
    address: str
    status: int
    kind: str
    text: str


class Unwanted(Exception):
    """A single page that cannot be used; the others can."""


def mirror(sitemap: str, data: Path) -> Mirrored:
    """Puts the pages into `data/kb/HOST`, in place of what lay there. Raises DataError; nothing is written then."""
    if not data.is_dir():
        raise DataError(data, None, "a sitemap's pages need a folder to lie in.", "Name a folder with --data.")
    return asyncio.run(_mirror(sitemap, data))


async def _mirror(sitemap: str, data: Path) -> Mirrored:
    host = _host(sitemap, sitemap)
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "Frontdesk"}) as session:
        site = _Site(session, sitemap, host)
        addresses = await site.addresses()
        pages = await site.pages(addresses)
    kept, left_out = dict[str, tuple[str, str]](), list[str]()
    for address, found in zip(addresses, pages, strict=True):
        if isinstance(found, Unwanted):
            left_out.append(f"{address} ({found})")
        else:  # addresses that differ in signs alone have one name; the last one stays
            kept[page_name(address)] = address, found
    if not kept:
        raise DataError(sitemap, None, "none of its pages can be read.", f"The first: {left_out[0]}.")
    folder = data / "kb" / host.replace(":", "-")
    _put(folder, kept, data)
    return Mirrored(folder, len(kept), tuple(left_out))


def _host(address: str, source: str) -> str:
    parts = _parts(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DataError(source, None, f"'{address}' is no web address.", "Begin it with https://.")
    return _place(parts)


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def _place(parts: SplitResult) -> str:
    """Host and port; the usual ones are not told apart, so that http may lead to https."""
    usual = parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme))
    return parts.hostname or "" if usual else f"{parts.hostname}:{parts.port}"


class _Site:
    def __init__(self, session: aiohttp.ClientSession, sitemap: str, host: str) -> None:
        self._session = session
        self._sitemap = sitemap
        self._host = host
        self._free = asyncio.Semaphore(AT_ONCE)

    async def addresses(self) -> list[str]:
        """The pages of the sitemap and of those that it names, each once."""
        waiting, seen, pages = [self._sitemap], {self._sitemap}, dict[str, None]()
        while waiting:
            address = waiting.pop(0)
            found, further = addresses_of(await self._sitemap_text(address), address)
            pages |= dict.fromkeys(found)
            waiting += [one for one in dict.fromkeys(further) if one not in seen]
            seen |= set(further)
            self._check_counts(len(seen), len(pages))
        if not pages:
            raise DataError(self._sitemap, None, "the sitemap names no pages.", "Name another one.")
        return list(pages)

    def _check_counts(self, sitemaps: int, pages: int) -> None:
        for count, most, what in ((sitemaps, MOST_SITEMAPS, "sitemaps"), (pages, MOST_PAGES, "pages")):
            if count > most:
                raise DataError(
                    self._sitemap,
                    None,
                    f"there are {count} {what}, and {most} are fetched at most.",
                    "Name a smaller sitemap.",
                )

    async def _sitemap_text(self, address: str) -> str:
        try:
            answer = await self._get(address)
        except Unwanted as why:
            raise DataError(address, None, f"the sitemap cannot be read: {why}.", "Check the address.") from None
        if answer.status != 200:
            raise DataError(address, None, f"the server answers {answer.status}.", "Check the address.")
        return answer.text

    async def pages(self, addresses: Sequence[str]) -> list[str | Unwanted]:
        """Of each page its HTML, or why it is left out."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._page(address)) for address in addresses]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _page(self, address: str) -> str | Unwanted:
        try:
            answer = await self._get(address)
        except Unwanted as why:
            return why
        if answer.status != 200:
            return Unwanted(f"the server answers {answer.status}")
        if answer.kind not in _HTML:
            return Unwanted(f"it is {answer.kind or 'of no kind'}, not HTML")
        return answer.text if page_of(answer.text, "page") else Unwanted("it has no text")

    async def _get(self, address: str) -> _Answer:
        """Follows redirects within the host. Raises Unwanted, and DataError if the server is not reachable."""
        for _ in range(_REDIRECTS):
            if _place(_parts(address)) != self._host or _parts(address).scheme not in ("http", "https"):
                raise Unwanted("it is on another host")
            answer, target = await self._ask(address)
            if target is None:
                return answer
            address = urljoin(address, target)
        raise Unwanted("it redirects without end")

    async def _ask(self, address: str) -> tuple[_Answer, str | None]:
        try:
            async with self._free, self._session.get(address, allow_redirects=False) as response:
                target = response.headers.get("Location") if response.status in (301, 302, 303, 307, 308) else None
                kind = response.content_type
                body = b"" if target is not None else await _read(response.content)
                return _Answer(address, response.status, kind, _decoded(body, response.charset)), target
        except TimeoutError:
            raise DataError(
                address, None, f"the server did not answer within {SECONDS:.0f} seconds.", "Try again later."
            ) from None
        except (aiohttp.ClientError, ValueError) as error:
            raise DataError(
                address, None, f"it cannot be fetched ({type(error).__name__}).", "Check the address and the network."
            ) from None


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_chunked(65536):
        body += chunk
        if len(body) > LARGEST:
            raise Unwanted(_TOO_LARGE)
    return _plain(bytes(body))


def _decoded(body: bytes, named: str | None) -> str:
    """By the charset that the server or else the page names."""
    charset = named or _named_inside(body[:2048]) or "utf-8"
    try:
        return body.decode(charset, "replace").lstrip("\ufeff").replace("\0", "")
    except LookupError:
        return body.decode("utf-8", "replace").replace("\0", "")


def _named_inside(head: bytes) -> str | None:
    found = _CHARSET.search(head)
    return found[1].decode() if found else None


def _plain(body: bytes) -> bytes:
    """Sitemaps are often kept compressed."""
    if not body.startswith(_GZIP):
        return body
    try:
        plain = zlib.decompressobj(wbits=31).decompress(body, LARGEST + 1)
    except zlib.error:
        raise Unwanted("its compression is broken") from None
    if len(plain) > LARGEST:
        raise Unwanted(_TOO_LARGE)
    return plain


def _put(folder: Path, pages: dict[str, tuple[str, str]], data: Path) -> None:
    """By name the address and the HTML. The whole folder at once, or nothing of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=data) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        for name, (_, html) in pages.items():
            (new / name).write_text(html, "utf-8")
        entries = "".join(f"<url><loc>{escape(address)}</loc></url>\n" for address, _ in pages.values())
        (new / "sitemap.xml").write_text(f'<urlset xmlns="{_NAMESPACE}">\n{entries}</urlset>\n', "utf-8")
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)
