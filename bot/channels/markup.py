"""The little Markdown in which answers are written, and how each channel writes the same.

What it knows is what the widget shows: bold, italics, code, links, lists, headings, a backslash before a sign.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

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
)
_FENCE = re.compile(r"^```.*\n([\s\S]*?)(?:\n?^```[ \t]*$|\Z)", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]{0,8}[-*+•][ \t]+", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.*)$", re.MULTILINE)
_FOLLOWED = re.compile(r"(?:https?://|mailto:|tel:)\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Text of one kind."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    url: str = ""


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
    else:
        url = found["url"] if _FOLLOWED.fullmatch(found["url"]) else ""
        yield from _inline(found["label"], replace(kind, url=url or kind.url), depth)


def write(spans: Sequence[Span], markup: Markup) -> str:
    written = _WRITERS[markup]
    text = "".join(_outside(span, written) for span in spans)
    return text.replace("\n", "  \n") if markup is Markup.MARKDOWN else text  # else CommonMark joins the lines


def _outside(span: Span, written: Callable[[Span], str]) -> str:
    """Marks stand at words: blanks at the ends of a span stay outside of them."""
    inner = span.text.strip()
    if not inner:
        return span.text
    before = span.text[: span.text.index(inner)]
    return before + written(replace(span, text=inner)) + span.text[len(before) + len(inner) :]


def _plain(span: Span) -> str:
    if not span.url or span.url in (span.text, f"mailto:{span.text}", f"tel:{span.text}"):
        return span.text
    return f"{span.text} ({span.url})"


def _html(span: Span) -> str:
    """https://core.telegram.org/bots/api#html-style"""
    text = html.escape(span.text)
    for wanted, tag in ((span.code, "code"), (span.italic, "i"), (span.bold, "b")):
        text = f"<{tag}>{text}</{tag}>" if wanted else text
    return f'<a href="{html.escape(span.url)}">{text}</a>' if span.url else text


_BREAK = "\u2060"
"""A word joiner: it has no width, and a mark beside it is none."""
_OPENING = re.compile(r"(?<!\w)([*_~`])(?=\S)")


def _marked(span: Span, text: str, code: str) -> str:
    """With the marks that Slack and WhatsApp share. Neither knows a way to write a mark that is none."""
    if span.code:
        return f"{code}{text}{code}"
    text = _OPENING.sub(rf"\1{_BREAK}", text)
    text = f"_{text}_" if span.italic else text
    return f"*{text}*" if span.bold else text


def _mrkdwn(span: Span) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text"""
    text = _slack(span.text)
    if span.url:
        label = text.replace("|", "¦").replace("\n", " ")
        text = f"<{_slack(span.url).replace('|', '%7C')}|{label}>"
        return f"*{text}*" if span.bold else text
    return _marked(span, text, "`")


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _whatsapp(span: Span) -> str:
    return _marked(replace(span, url=""), _plain(span) if span.url else span.text, "```")


_SIGNS = re.compile(r"[\\`*_\[\]<>|~&]|(?m:^[ \t]*(?:[#+=-]|\d{1,9}[.)]))")
"""What CommonMark would read as a mark, and no more: a text is also shown where nobody reads marks, in previews."""


def _escaped(found: re.Match[str]) -> str:
    return f"{found[0][:-1]}\\{found[0][-1]}"


def _markdown(span: Span) -> str:
    coded = span.code and "`" not in span.text
    text = f"`{span.text}`" if coded else _SIGNS.sub(_escaped, span.text)
    text = f"_{text}_" if span.italic else text
    text = f"**{text}**" if span.bold else text
    return f"[{text}](<{span.url.replace('<', '%3C').replace('>', '%3E')}>)" if span.url else text


_WRITERS: dict[Markup, Callable[[Span], str]] = {
    Markup.PLAIN: _plain,
    Markup.HTML: _html,
    Markup.MRKDWN: _mrkdwn,
    Markup.WHATSAPP: _whatsapp,
    Markup.MARKDOWN: _markdown,
}
