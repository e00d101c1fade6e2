"""The plain text of what may be HTML."""

from __future__ import annotations

import html
import re

_TAG = re.compile(
    r"</?(?:p|div|br|span|a|b|i|u|strong|em|ul|ol|li|blockquote|html|body|table|tr|td|h[1-6])\b[^<>]*>", re.I
)
_BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6]|/blockquote)\b[^<>]*>", re.I)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d+|#x[0-9a-f]+);", re.I)
_BLANK = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
_NOT_SAID = "script, style, head, title, blockquote, .gmail_quote"


def plain(text: str) -> str:
    """Without tags, quoted mails and entities; a text that has no tag stays as it is but for its entities."""
    if _TAG.search(text):
        return of_html(text)
    return html.unescape(text) if _ENTITY.search(text) else text


def of_html(text: str) -> str:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(_BREAK.sub(lambda found: f"{found[0]}\n", text))
    for node in tree.css(_NOT_SAID):
        node.decompose()
    said = tree.body.text() if tree.body else ""
    return _LINES.sub("\n", _BLANK.sub(" ", said)).strip()
