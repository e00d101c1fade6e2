"""HTML pages: what stands around the text is left out, and the text is split at its headings and becomes Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from nlu.data.article import Article, Section, help_url, sections_of
from nlu.source import DataError, read_text

_AROUND = (
    "script, style, noscript, template, nav, footer, aside, form, button, select, iframe, object, svg, canvas, dialog, "
    "video, audio, [hidden], [aria-hidden=true], [role=navigation], [role=banner], [role=contentinfo], [role=search]"
)
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6", "summary"}
_BLOCKS = (
    {"p", "div", "section", "article", "main", "header", "body", "center", "address", "hr", "fieldset", "details"}
    | {"ul", "ol", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "caption"}
    | {"blockquote", "figure", "figcaption"}
)
_MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*", "code": "`"}
_DEEPEST = 150
"""Elements within elements; what lies deeper is taken as plain text."""


def read_page(path: Path, url: str = "") -> Article:
    """`url` is where the page is found if it does not say so itself. Raises DataError."""
    name = path.parent.name if path.stem == "index" else path.stem
    article = page_of(read_text(path), name, url)
    if article is None:
        raise DataError(
            path, None, "the page has no text.", "Save it as a browser shows it, or write the text in Markdown."
        )
    return article


def page_of(html: str, name: str, url: str = "") -> Article | None:
    """None for a page without text."""
    tree = LexborHTMLParser(html)
    address = url or _canonical(tree)
    title = _title(tree)
    for node in tree.css(_AROUND):
        if not _asks(node):
            node.decompose()
    writer = _Writer(address)
    root = _root(tree)
    if root is not None:
        writer.read(root)
    sections = tuple(writer.sections(title))
    if not sections:
        return None
    title = title or sections[0].heading or name.replace("-", " ")
    return Article(name, title, address or help_url(name), (), (), sections)


def _asks(node: LexborNode) -> bool:
    """The button of an accordion is its heading."""
    return node.tag == "button" and node.parent is not None and node.parent.tag in _HEADINGS


def _root(tree: LexborHTMLParser) -> LexborNode | None:
    main = tree.css_first("main, [role=main]")
    if main is not None:
        return main
    articles = tree.css("article")
    return articles[0] if len(articles) == 1 else tree.body


def _title(tree: LexborHTMLParser) -> str:
    for selector in ("main h1", "article h1", "h1", "title"):
        node = tree.css_first(selector)
        if node is not None and (text := _line(node.text())):
            return text
    return ""


def _canonical(tree: LexborHTMLParser) -> str:
    for selector, attribute in (("link[rel=canonical]", "href"), ('meta[property="og:url"]', "content")):
        node = tree.css_first(selector)
        found = (node.attributes.get(attribute) or "").strip() if node is not None else ""
        if is_link(found):
            return found
    return ""


def is_link(url: str) -> bool:
    """Whether a customer may be sent there: a web address, or a path of this service."""
    try:
        return urlsplit(url).scheme in ("http", "https") or (url.startswith("/") and not url.startswith("//"))
    except ValueError:
        return False


def _joined(page: str, target: str) -> str:
    try:
        return urljoin(page, target)
    except ValueError:
        return ""


def _line(text: str) -> str:
    return " ".join(text.split())


@dataclass(slots=True)
class _Writer:
    """Walks a page once: inline text gathers in a line, lines become blocks, headings begin sections."""

    url: str
    _line: list[str] = field(default_factory=list)
    _prefix: str = ""
    _blocks: list[tuple[bool, str]] = field(default_factory=list)
    """Whether it is a list item, and the Markdown."""
    _heading: str = ""
    _done: list[tuple[str, str]] = field(default_factory=list)

    def sections(self, title: str) -> Iterator[Section]:
        """The page's own title is no section's heading."""
        self._end_section("")
        for heading, text in self._done:
            yield from sections_of("" if heading == title else heading, text)

    def read(self, node: LexborNode, depth: int = 0, lists: tuple[str, ...] = ()) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._line.append(re.sub(r"\s+", " ", node.text()))
        elif tag in _HEADINGS:
            self._end_section(_line(node.text()))
        elif tag == "br":
            self._line.append("\n")
        elif tag == "pre":
            self._end_block()
            self._blocks.append((False, f"```\n{node.text().strip()}\n```"))
        elif not tag.startswith("-"):
            self._element(tag, node, depth, lists)

    def _element(self, tag: str, node: LexborNode, depth: int, lists: tuple[str, ...]) -> None:
        if depth > _DEEPEST:
            self._line.append(_line(node.text(separator=" ")))
        elif tag == "li":
            self._item(node, depth, lists)
        elif tag in _BLOCKS:
            self._end_block()
            self._inside(node, depth, (*lists, tag) if tag in ("ul", "ol") else lists)
            self._end_block()
        elif tag in ("td", "th"):
            self._inside(node, depth, lists)
            self._line.append(" | ")
        else:
            self._inline(tag, node, depth, lists)

    def _inside(self, node: LexborNode, depth: int, lists: tuple[str, ...]) -> None:
        for child in node.iter(include_text=True):
            self.read(child, depth + 1, lists)

    def _item(self, node: LexborNode, depth: int, lists: tuple[str, ...]) -> None:
        self._end_block()
        mark = "1. " if lists[-1:] == ("ol",) else "- "
        self._prefix = "  " * (len(lists) - 1) + mark
        self._inside(node, depth, lists)
        self._end_block()
        self._prefix = ""

    def _inline(self, tag: str, node: LexborNode, depth: int, lists: tuple[str, ...]) -> None:
        start = len(self._line)
        self._inside(node, depth, lists)
        inner = "".join(self._line[start:])
        bare = inner.strip()
        if not bare or "\n" in bare:
            return
        if tag == "a":
            marked = self._link(bare, (node.attributes.get("href") or "").strip())
        else:
            mark = _MARKS.get(tag, "")
            marked = f"{mark}{bare}{mark}"
        self._line[start:] = [inner.replace(bare, marked, 1)]

    def _link(self, text: str, target: str) -> str:
        address = _joined(self.url, target)
        return f"[{text}]({address.replace(' ', '%20')})" if target and is_link(address) else text

    def _end_block(self) -> None:
        lines = "".join(self._line).split("\n")
        text = "\n".join(line.strip().removesuffix("|").strip() for line in lines).strip()
        self._line = []
        if text:
            self._blocks.append((bool(self._prefix), self._prefix + text))
            self._prefix = ""

    def _end_section(self, heading: str) -> None:
        self._end_block()
        text, before = "", False
        for item, block in self._blocks:
            text += ("\n" if item and before else "\n\n") + block
            before = item
        if text.strip():
            self._done.append((self._heading, text.strip()))
        self._blocks, self._heading = [], heading
