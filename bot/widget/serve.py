"""The routes of the widget's script, of the style of plain pages, and of the demo page's files."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web

from bot.widget.script import script

HERE = Path(__file__).parent
DEMO = HERE / "demo"
CONTENT_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Pages of other origins load the script; `no-cache` asks each time whether it changed. Unchanged, it is a 304.
EVERYWHERE = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*", "Cross-Origin-Resource-Policy": "cross-origin"}
CACHE = {hdrs.CACHE_CONTROL: "no-cache", "X-Content-Type-Options": "nosniff", hdrs.VARY: hdrs.ACCEPT_ENCODING}
PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self' ws: wss:",
        "img-src 'self' data: https:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
PAGE = {"Content-Security-Policy": PAGE_POLICY, "Referrer-Policy": "strict-origin-when-cross-origin"}
# Drawings are documents of their own when somebody opens one.
DRAWING = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file's bytes and headers, ready to be sent."""

    body: bytes
    gzipped: bytes
    etag: str
    headers: dict[str, str]

    async def send(self, request: web.Request) -> web.Response:
        if any(known.value in (self.etag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers={**self.headers, hdrs.ETAG: f'W/"{self.etag}"'})
        headers = {**self.headers, hdrs.ETAG: f'W/"{self.etag}"'}
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            return web.Response(body=self.gzipped, headers={**headers, hdrs.CONTENT_ENCODING: "gzip"})
        return web.Response(body=self.body, headers=headers)


def routes() -> list[web.RouteDef]:
    """Every file under its address; what is not a file here has none, so no path leads anywhere else."""
    script_file = _static(script(HERE / "frontdesk.js").encode(), ".js", EVERYWHERE)
    styles = [(f"/widget/{path.name}", read(path, {})) for path in sorted(HERE.glob("*.css"))]
    return [web.get(address, file.send) for address, file in (("/widget/frontdesk.js", script_file), *styles)]


def demo_files() -> list[web.RouteDef]:
    """What the demo page needs beside the widget."""
    files = [
        (f"/demo/{path.relative_to(DEMO).as_posix()}", read(path, DRAWING if path.suffix == ".svg" else {}))
        for path in sorted(DEMO.rglob("*"))
        if path.suffix in CONTENT_TYPES and path.suffix != ".html"
    ]
    return [web.get(address, file.send) for address, file in files]


def demo_page() -> web.RouteDef:
    """The demo page with nobody signed in."""
    return web.get("/", read(DEMO / "index.html", PAGE).send)


def read(path: Path, headers: dict[str, str]) -> StaticFile:
    return _static(path.read_bytes(), path.suffix, headers)


def _static(body: bytes, suffix: str, headers: dict[str, str]) -> StaticFile:
    return StaticFile(
        body=body,
        gzipped=gzip.compress(body, 9, mtime=0),
        etag=hashlib.sha256(body).hexdigest()[:20],
        headers={hdrs.CONTENT_TYPE: CONTENT_TYPES[suffix], **CACHE, **headers},
    )
