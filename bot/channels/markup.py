"""The little Markdown in which answers are written, and how each channel writes the same.

What it knows is what the widget shows: bold, italics, code, links, lists, headings, a backslash before a sign.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest

from bot.channels.capabilities import Markup

_DEPTH = 5
# One alternative for each thing; bounded, so that no text takes long.
_INLINE = re.compile(
    r"\\(?P<sign>[!-/:-@\[-`{-~])"
    r"|`(?P<code>[^`\n]{1,999})`"
    r"|\*\*(?=\S)(?P<bold>[\s\S]{0,999}?\S)\*\*"
    r"|(?<!\w)__(?=\S)(?P<bold2>[\s\S]{0,999}?\S)__(?!\w)"
    r"|\*(?=[^\s*])(?P<italic>[\s\S]{0,999}?[^\s*])\*(?!\*)"
    r"|(?<!\w)_(?=[^\s_])(?P<italic2>[\s\S]{0,999}?[^\s_])_(?!\w)"
    r'|!?\[(?P<label>[^\]\n]{1,500})\]\(<?(?P<url>[^\s<>]{1,2000}?)>?(?:\s+"[^"\n]{0,500}")?\)'
    r"""|<?(?P<bare>https?://[^\s<>"]{1,2000}[^\s<>".,;:!?)\]'*_])>?"""
)
_FENCE = re.compile(r"^```.*\n([\s\S]*?)(?:\n?^```[ \t]*$|\Z)", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]{0,8}[-*+•][ \t]+", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.*)$", re.MULTILINE)
_FOLLOWED = re.compile(r"(?:https?://|mailto:|tel:)[^\s<>\"]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Text of one kind."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    url: str = ""


def link(text: str, url: str) -> Span:
    """The text alone, unless people may follow the address."""
    return Span(text or url, url=url) if _FOLLOWED.fullmatch(url) else Span(text)


def parse(text: str) -> tuple[Span, ...]:
    """Neighbours differ, and none is empty."""
    parts = _FENCE.split(text.replace("\r\n", "\n").replace("\r", "\n"))
    spans: list[Span] = []
    for number, part in enumerate(parts):
        if number % 2:
            spans.append(Span(part, code=True))
        else:
            lines = _HEADING.sub(r"**\1**", _BULLET.sub("• ", part))
            spans += _inline(lines, Span(""), _DEPTH)
    return joined(spans)


def joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same, with neighbours of one kind in one."""
    kinds = groupby((span for span in spans if span.text), key=lambda span: replace(span, text=""))
    return tuple(replace(kind, text="".join(span.text for span in same)) for kind, same in kinds)


def _inline(text: str, kind: Span, depth: int) -> Iterator[Span]:
    if depth == 0:
        yield replace(kind, text=text)
        return
    start = 0
    for found in _INLINE.finditer(text):
        yield replace(kind, text=text[start : found.start()])
        start = found.end()
        yield from _special(found, kind, depth - 1)
    yield replace(kind, text=text[start:])


def _special(found: re.Match[str], kind: Span, depth: int) -> Iterator[Span]:
    if found["sign"]:
        yield replace(kind, text=found["sign"])
    elif found["code"]:
        yield replace(kind, text=found["code"], code=True)
    elif bold := found["bold"] or found["bold2"]:
        yield from _inline(bold, replace(kind, bold=True), depth)
    elif italic := found["italic"] or found["italic2"]:
        yield from _inline(italic, replace(kind, italic=True), depth)
    elif bare := found["bare"]:
        yield replace(kind, text=bare, url=kind.url or link(bare, bare).url)
    else:
        yield from _inline(found["label"], replace(kind, url=link("", found["url"]).url or kind.url), depth)


def write(spans: Sequence[Span], markup: Markup) -> str:
    style = _WRITERS[markup]
    texts: list[str] = []
    before = ""
    for span, following in zip_longest(spans, spans[1:]):
        written = _outside(span, before, following.text[:1] if following else "", style)
        if markup is Markup.MARKDOWN and before == "!" and written.startswith("["):
            texts.append("\u2060")  # else the link is an image
        texts.append(written)
        before = written[-1:] or before
    return "".join(texts)


def _outside(span: Span, before: str, after: str, style: Style) -> str:
    """Marks stand at words: blanks at the ends of a span stay outside of them."""
    inner = span.text.strip()
    if not inner:
        return style.blank(span.text)
    start = span.text.index(inner)
    first, last = span.text[:start], span.text[start + len(inner) :]
    kept = style.fits(inner, (first or before)[-1:], (last or after)[:1], span.code)
    bare = Span(inner, url=span.url)
    written = style.write(replace(span, text=inner) if kept else bare)
    return style.blank(first) + written + style.blank(last)


def _anywhere(text: str, before: str, after: str, code: bool) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Style:
    """How a channel writes a span."""

    write: Callable[[Span], str]
    fits: Callable[[str, str, str, bool], bool] = _anywhere
    """Whether marks can stand around a text, or code, between these two signs; else it goes without."""
    blank: Callable[[str], str] = str


def plain(span: Span) -> str:
    if not span.url or span.url in (span.text, f"mailto:{span.text}", f"tel:{span.text}"):
        return span.text
    return f"{span.text} ({span.url})"


def _html(span: Span) -> str:
    """https://core.telegram.org/bots/api#html-style: code takes no other marks."""
    text = html.escape(span.text)
    if span.code and not span.url:
        tag = "pre" if "\n" in text else "code"
        return f"<{tag}>{text}</{tag}>"
    for wanted, tag in ((span.italic, "i"), (span.bold, "b")):
        text = f"<{tag}>{text}</{tag}>" if wanted else text
    return f'<a href="{html.escape(span.url)}">{text}</a>' if span.url else text


_EDGES = frozenset("()[]{}<>\"',.;:!?/|-–—…“”‘’«»„•。，！？、：；（）「」")


def _at_words(text: str, before: str, after: str, code: bool) -> bool:
    """Slack and WhatsApp know marks at the edges of words alone."""
    edges = all(not sign or sign.isspace() or sign in _EDGES for sign in (before, after))
    return edges and (_codeable(text, before, after) if code else not set("*_~`") & set(text))


def _codeable(text: str, before: str, after: str) -> bool:
    return "`" not in text and ("\n" not in text or (before in ("", "\n") and after in ("", "\n")))


_BREAK = "\u2060"
"""A word joiner: it has no width, and a mark beside it is none."""
_OPENING = re.compile(r"(?<!\w)([*_~`])(?=\S)")
_QUOTING = re.compile(r"^(?=(?:>|&gt;|[*-] ))", re.MULTILINE)


def _unmarked(text: str) -> str:
    """Neither Slack nor WhatsApp has a way to write a mark that is none."""
    return _QUOTING.sub(_BREAK, _OPENING.sub(rf"\1{_BREAK}", text))


def _marked(span: Span, text: str) -> str:
    """With the marks that both share, which end with the line."""
    marks = "*" * span.bold + "_" * span.italic
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(f"{marks}{line}{marks[::-1]}" if line else "" for line in lines) if marks else text


def _mrkdwn(span: Span) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text"""
    text = _slack(span.text)
    if span.url:
        label = "" if span.url == span.text else "|" + " ".join(text.replace("|", "¦").split())
        return _marked(span, f"<{_slack(span.url).replace('|', '%7C')}{label}>")
    if span.code:
        return f"```\n{text}\n```" if "\n" in text else f"`{text}`"
    return _marked(span, _unmarked(text))


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _whatsapp(span: Span) -> str:
    if span.url:
        address = plain(span)[len(span.text) :]
        label = span.text if span.url == span.text else _unmarked(span.text)
        return label if not address else _marked(span, label) + address
    return f"```{span.text}```" if span.code else _marked(span, _unmarked(span.text))


_SIGNS = re.compile(r"[\\`*_\[\]<>|~&]|(?m:^[ \t]*(?:[#+=-]|\d{1,9}[.)]))")
"""What CommonMark would read as a mark, and no more: a text is also shown where nobody reads marks, in previews."""


def _escaped(found: re.Match[str]) -> str:
    return f"{found[0][:-1]}\\{found[0][-1]}"


_ADDRESS = str.maketrans({sign: f"%{ord(sign):02X}" for sign in "()<>\\"})
_ENTITY = re.compile(r"&(?=#?\w+;)")


def _in_markdown(text: str, before: str, after: str, code: bool) -> bool:
    """A run of marks would be read as one; what begins and ends with letters may have marks within a word."""
    if code:
        return before not in ("*", "`") and _codeable(text, before, after)
    if before in ("*", "`") or not text[0].isalnum() or not text[-1].isalnum():
        return _at_words("", before, after, code=False)
    return True


def _markdown(span: Span) -> str:
    if span.code and not span.url:
        return f"```\n{span.text}\n```" if "\n" in span.text else f"`{span.text}`"
    marks = "*" * (2 * span.bold + span.italic)
    text = _SIGNS.sub(_escaped, span.text)
    lines = (line.strip() if marks else line for line in text.split("\n"))
    if span.url:
        return f"[{marks}{' '.join(lines)}{marks}]({_ENTITY.sub('&amp;', span.url.translate(_ADDRESS))})"
    return _broken("\n".join(f"{marks}{line}{marks}" if line else "" for line in lines))


_LINES = re.compile(r"\n([ \t]*)")


def _broken(text: str) -> str:
    """Else CommonMark joins the lines, and takes what is indented for code."""
    return _LINES.sub(lambda found: "  \n" + "\u00a0" * len(found[1]), text)


_WRITERS = {
    Markup.PLAIN: Style(plain),
    Markup.HTML: Style(_html),
    Markup.MRKDWN: Style(_mrkdwn, _at_words),
    Markup.WHATSAPP: Style(_whatsapp, _at_words),
    Markup.MARKDOWN: Style(_markdown, _in_markdown, _broken),
}
