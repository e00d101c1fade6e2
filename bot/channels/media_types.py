"""Kinds of files that are shown to people, told by what is in them: what somebody says of a file proves nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass

from bot.channels.guard import Refused, Why


@dataclass(frozen=True, slots=True)
class Kind:
    type: str
    suffixes: tuple[str, ...]
    """Of files' names; the first one is given to a name that has none of them."""
    fits: Callable[[bytes], bool]
    also: Set[str] = frozenset()
    """What servers call it, too."""

    @property
    def is_image(self) -> bool:
        return self.type.startswith("image/")


def _begins(*starts: bytes, at: int = 0) -> Callable[[bytes], bool]:
    return lambda body: body.startswith(starts, at)


def _is_mp3(body: bytes) -> bool:
    """A tag, or the head of a frame of MPEG's third layer with a bit rate and a sampling rate."""
    if body.startswith(b"ID3"):
        return True
    framed = len(body) > 2 and body[0] == 0xFF and body[1] & 0xE6 == 0xE2
    return framed and body[2] & 0xF0 not in (0, 0xF0) and body[2] & 0x0C != 0x0C


_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def _is_text(body: bytes) -> bool:
    if _CONTROL.search(body):
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


KINDS = (
    Kind("image/png", (".png",), _begins(b"\x89PNG\r\n\x1a\n"), {"image/apng"}),
    Kind("image/jpeg", (".jpg", ".jpeg"), _begins(b"\xff\xd8\xff"), {"image/jpg", "image/pjpeg"}),
    Kind("image/gif", (".gif",), _begins(b"GIF87a", b"GIF89a")),
    Kind("image/webp", (".webp",), lambda body: body.startswith(b"RIFF") and body.startswith(b"WEBP", 8)),
    Kind("application/pdf", (".pdf",), _begins(b"%PDF-"), {"application/x-pdf"}),
    Kind("audio/ogg", (".ogg", ".oga", ".opus"), _begins(b"OggS"), {"application/ogg", "audio/opus"}),
    Kind("audio/mpeg", (".mp3",), _is_mp3, {"audio/mp3", "audio/x-mp3"}),
    Kind("audio/amr", (".amr",), _begins(b"#!AMR"), {"audio/3gpp"}),
    Kind("video/mp4", (".mp4", ".mov", ".3gp"), _begins(b"ftyp", at=4), {"video/quicktime", "video/3gpp"}),
    Kind("audio/mp4", (".m4a", ".aac"), _begins(b"ftyp", at=4), {"audio/m4a", "audio/x-m4a", "audio/aac"}),
    Kind("text/plain", (".txt", ".csv", ".md", ".vcf", ".log"), _is_text, {"text/csv", "text/markdown", "text/vcard"}),
)
TYPES = frozenset(kind.type for kind in KINDS)
_UNSAID = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/download"})
"""What servers say that do not know."""


def kind_of(body: bytes, declared: str, allowed: Collection[str]) -> Kind:
    """What it is, and calls itself. Raises Refused."""
    said = declared.partition(";")[0].strip().lower()
    held = [kind for kind in KINDS if kind.fits(body)]
    found = [kind for kind in held if said in _UNSAID or said == kind.type or said in kind.also]
    if not found:
        raise Refused(Why.TYPE, _sentence(held, said))
    if found[0].type not in allowed:
        raise Refused(Why.TYPE, f"FRONTDESK_MEDIA_TYPES leaves out its type, {found[0].type}.")
    return found[0]


def _sentence(held: list[Kind], said: str) -> str:
    """Words of others are repeated if they are of the form of a type."""
    called = f" ({said})" if said not in _UNSAID and re.fullmatch(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}", said) else ""
    if not held or held[0].type == "text/plain":
        return f"It is of a kind that is not shown here{called}."
    return f"It is {held[0].type}, and its server calls it something else{called}."
