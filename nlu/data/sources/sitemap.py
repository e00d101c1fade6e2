"""A sitemap beside the pages it names: where customers find each page that lies here as a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from nlu.data.article import slug
from nlu.source import DataError, read_text

_PAGES = ("html", "htm")


def read_sitemap(path: Path) -> dict[Path, str]:
    """The files that it names below its own folder, with their addresses. Raises DataError."""
    pages, _ = addresses_of(read_text(path), path)
    found: dict[Path, str] = {}
    for page in pages:
        file = next((file for name in _names(page) if (file := path.parent / name).is_file()), None)
        if file is None:
            raise DataError(
                path,
                None,
                f"the page {page} does not lie beside the sitemap.",
                "Let 'frontdesk train --sitemap ADDRESS' fetch it, or remove it here.",
            )
        found[file] = page
    return found


def addresses_of(text: str, source: Path | str) -> tuple[list[str], list[str]]:
    """The pages that a sitemap names, and the further sitemaps. Raises DataError."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(source, None, "a sitemap has no document type.", "Remove the line with <!DOCTYPE.")
    try:
        root = ElementTree.fromstring(text.lstrip("\ufeff"))  # noqa: S314  # without a document type there are no entities
    except ElementTree.ParseError as error:
        raise DataError(
            source, error.position[0], "the XML is broken.", "A sitemap is XML as sitemaps.org describes it."
        ) from None
    kind = _bare(root.tag)
    if kind not in ("urlset", "sitemapindex"):
        raise DataError(
            source, None, f"<{kind}> is no sitemap.", "The outermost element is <urlset> or <sitemapindex>."
        )
    found = list(dict.fromkeys(_addresses(root)))
    return (found, []) if kind == "urlset" else ([], found)


def _addresses(root: ElementTree.Element) -> Iterator[str]:
    for entry in root:
        for element in entry:
            if _bare(element.tag) == "loc" and (address := (element.text or "").strip()):
                yield address


def _bare(tag: str) -> str:
    return tag.rpartition("}")[2]


def page_name(address: str) -> str:
    """The file in which a fetched page is kept."""
    parts = urlsplit(address)
    return f"{slug(unquote(parts.path) + ' ' + parts.query) or 'index'}.html"


def _names(address: str) -> Iterator[str]:
    """Where a page may lie: as it was fetched, or as a site generator wrote it."""
    yield page_name(address)
    inside = PurePosixPath(unquote(urlsplit(address).path).strip("/"))
    if ".." in inside.parts:
        return
    if inside.suffix.lstrip(".") in _PAGES:
        yield str(inside)
    for end in _PAGES:
        yield str(inside / f"index.{end}")
        if inside.name:
            yield f"{inside}.{end}"
