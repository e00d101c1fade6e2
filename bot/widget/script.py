"""The widget's modules as one script, without what only readers need."""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(r"^import \{[^}]*\} from '\./(\w+\.js)';\n", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*\*.*?\*/[ \t]*)$|(?<=[;,{)\]]) // [^'\"`\n]*$", re.MULTILINE | re.DOTALL)
_BLANK = re.compile(r"\n[ \t\n]+")
# Strings, templates and regular expressions stay as they are; blanks around signs go. Lines stay: they end statements.
_SIGN = re.compile(
    r"(?P<kept>'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`"
    r"|(?<=[(,=:\[!&|?{};\n ])/(?![*/ ])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*)"
    r"|[ \t]*(?P<sign>=>|[=!<>]==?|&&|\|\||\?\?=?|[-+]=|[=,:?{}();\[\]])[ \t]*"
)
_STYLE_SIGN = re.compile(r"/\*[^*]*\*/\s*|\s*([{};,>])\s*|(?<=:) ")


def script(entry: Path) -> str:
    """The module and all that it imports, each once and after what it needs. Their names must differ."""
    return "".join(_lean_module(path) for path in _modules(entry, []))


def _modules(path: Path, found: list[Path]) -> list[Path]:
    if path not in found:
        for name in _IMPORT.findall(path.read_text("utf-8")):
            _modules(path.with_name(name), found)
        if path not in found:
            found.append(path)
    return found


def _lean_module(path: Path) -> str:
    text = _IMPORT.sub("", path.read_text("utf-8"))
    return lean_style(text) if path.name == "style.js" else lean(text)


def lean(text: str) -> str:
    """A module without comments that fill lines or end them, indentation, and blanks around signs."""
    lines = _BLANK.sub("\n", _COMMENT.sub("", text)).lstrip()
    return _SIGN.sub(lambda found: found["kept"] or found["sign"], lines)


def lean_style(text: str) -> str:
    """A module that is little else than a style sheet in a template."""
    return _STYLE_SIGN.sub(lambda found: found[1] or "", _COMMENT.sub("", text).lstrip())
