"""What an e-mail says, whoever wrote it: bounded in time, and nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.policy import EmailPolicy
from email.utils import getaddresses, parsedate_to_datetime

from bot.transcripts.plain import of_html

HEADER_CHARS = 4000
"""Of a header; what is longer is cut."""
CONTENT_CHARS, CONTENT_SIGNS = 800, 32
"""Of a header that tells how a part is written: the library's time for one grows with the square of its quotes."""
HEADERS_BYTES = 1 << 17
PARTS, NESTED = 2000, 40
"""Of a mail, and one in the other: the library looks at each line for all of these."""
BODY_CHARS = 1 << 16
"""That are looked at: more is no message to a shop."""
LINE_CHARS = 300
"""A longer line begins no quote."""

_NESTING = re.compile(rb"\bboundary\s*=", re.IGNORECASE)
_QUOTED = re.compile(
    r"^\s*(?:>|-{2,}\s*(?:original message|ursprüngliche nachricht|forwarded message|message d'origine)|_{10,}"
    r"|##- .* -##)"
    r"|^\s*(?:on|am|le|el|il|op) .{6,200} (?:wrote|schrieb.*|a écrit|escribió|ha scritto|schreef)\s*:\s*$"
    r"|^\s*\*?(?:from|von|de):\*? .+@.+$",
    re.IGNORECASE,
)
_BEGINS_QUOTE = re.compile(r"^\s*(?:on|am|le|el|il|op) .{6,200}$", re.IGNORECASE)
_ENDS_QUOTE = re.compile(r"(?:wrote|schrieb.*|a écrit|escribió|ha scritto|schreef)\s*:\s*$", re.IGNORECASE)
_SIGNATURE = re.compile(r"^-- ?$|^(?:sent from my|von meinem .* gesendet|get outlook for)", re.IGNORECASE)
_REPLY = re.compile(r"^(?:(?:re|aw|fwd?|wg|sv|antw)\s*:\s*)+", re.IGNORECASE)
_NOBODY = re.compile(r"^(?:no[-_.]?reply|do[-_.]?not[-_.]?reply|mailer-daemon|postmaster|bounces?)\b", re.IGNORECASE)


class _Bounded(EmailPolicy):
    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        if not name.lower().startswith("content-"):
            return name, value[:HEADER_CHARS]
        signs = sum(value.count(sign) for sign in '";(*')
        return name, value if len(value) <= CONTENT_CHARS and signs <= CONTENT_SIGNS else value.partition(";")[0][:100]


_PARSER = BytesParser(policy=_Bounded())


def parsed(data: bytes) -> EmailMessage | None:
    """None for what is no mail, or one that nobody writes."""
    if len(re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0]) > HEADERS_BYTES:
        return None
    if data.count(b"\n--") > PARTS or len(_NESTING.findall(data)) > NESTED:
        return None
    try:
        mail = _PARSER.parsebytes(data)
    except Exception:
        return None
    assert isinstance(mail, EmailMessage)
    return mail if data.strip() and mail.keys() else None


def header(mail: MIMEPart, name: str) -> str:
    """The first one of that name in one line, or an empty text."""
    return next(iter(headers(mail, name)), "")


def headers(mail: MIMEPart, name: str) -> Sequence[str]:
    """All of them, from the top."""
    try:
        return [" ".join(str(value).split()) for value in mail.get_all(name, [])]
    except Exception:  # the library's parser has many ways to fail
        return []


def addresses(mail: MIMEPart, name: str) -> list[str]:
    return [address.casefold() for _, address in getaddresses([header(mail, name)]) if "@" in address]


def subject(mail: MIMEPart) -> str:
    """Without "Re:"."""
    return _REPLY.sub("", header(mail, "Subject"))


def time_of(mail: MIMEPart) -> float | None:
    try:
        return parsedate_to_datetime(header(mail, "Date")).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def is_nobody(address: str) -> bool:
    """Behind which only a machine is."""
    return bool(_NOBODY.match(address))


def is_automatic(mail: MIMEPart, sender: str) -> bool:
    """RFC 3834, and what mailing lists and newsletters say of themselves."""
    automatic = header(mail, "Auto-Submitted").casefold() not in ("", "no")
    bulk = header(mail, "Precedence").casefold() in ("bulk", "list", "junk", "auto_reply")
    listed = bool(header(mail, "List-Id") or header(mail, "List-Unsubscribe"))
    return automatic or bulk or listed or is_nobody(sender)


def body(mail: EmailMessage) -> str:
    """As it is written, or the text of its HTML."""
    try:
        part = mail.get_body(preferencelist=("plain", "html"))
        if part is None:
            return ""
        text = _decoded(part)
        return of_html(text) if part.get_content_type() == "text/html" else text.replace("\r\n", "\n")
    except Exception:
        return ""


def _decoded(part: MIMEPart) -> str:
    try:
        return str(part.get_content())[:BODY_CHARS]
    except (LookupError, UnicodeError):  # a character set that nobody knows
        raw = part.get_payload(decode=True)
        return raw[:BODY_CHARS].decode("latin-1") if isinstance(raw, bytes) else ""


def without_quotes(text: str) -> str:
    """What was written now: no quoted mail, no signature. Who writes below or within what they quote is heard too."""
    lines = text.splitlines()
    above = "\n".join(_until_quote(lines)).strip()
    return above or "\n".join(_between_quotes(lines)).strip()


def _until_quote(lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if _begins_quote(lines, number) or _SIGNATURE.match(line[:LINE_CHARS].strip()):
            return
        yield line


def _between_quotes(lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if _SIGNATURE.match(line[:LINE_CHARS].strip()):
            return
        if not _begins_quote(lines, number) and not (number and _is_broken(lines[number - 1], line)):
            yield line


def _begins_quote(lines: Sequence[str], number: int) -> bool:
    line = lines[number]
    following = lines[number + 1] if number + 1 < len(lines) else ""
    return len(line) <= LINE_CHARS and (bool(_QUOTED.match(line)) or _is_broken(line, following))


def _is_broken(line: str, following: str) -> bool:
    """Programs break "On ..., ... wrote:" in two."""
    short = max(len(line), len(following)) <= LINE_CHARS
    return short and bool(_BEGINS_QUOTE.match(line) and _ENDS_QUOTE.search(following))
