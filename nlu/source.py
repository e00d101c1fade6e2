"""Reads YAML so that every value knows its file and line, and bad data is one sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, NoReturn
from unicodedata import category

import yaml

DEEPEST = 100
LARGEST = 2_000_000
"""Values in a file once its aliases are written out."""


class Mendable(Exception):
    """Something that the person at the keyboard can mend; the message is one sentence that says how."""


class DataError(Mendable):
    """Training data, domain or rules that cannot be used: `path:line: what is wrong. what to do.`"""

    def __init__(self, path: Path | str, line: int | None, problem: str, suggestion: str = "") -> None:
        self.path, self.line, self.problem, self.suggestion = Path(path), line, problem, suggestion
        where = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{where}: {problem}" + (f" {suggestion}" if suggestion else ""))


def did_you_mean(word: str, known: list[str]) -> str:
    """A suggestion for an unknown name, or an empty string."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else ""


def is_blank(text: str) -> bool:
    """Whether nobody sees anything of it: white space, control characters and those of no width, as U+200B."""
    return all(character.isspace() or category(character) in ("Cc", "Cf") for character in text)


def in_line(text: str) -> str:
    """Without what would steer the terminal or begin a line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@dataclass(frozen=True, slots=True)
class Node:
    """A YAML value with its place. `value` is a str, int, float, bool, None, list[Node] or dict[str, Node]."""

    value: Any
    path: Path
    line: int

    def fail(self, problem: str, suggestion: str = "") -> NoReturn:
        raise DataError(self.path, self.line, problem, suggestion)

    def plain(self) -> Any:
        """The value with all places dropped."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def mapping(self, what: str) -> dict[str, Node]:
        if not isinstance(self.value, dict):
            self.fail(f"{what} must be a mapping, not {_kind(self.value)}.")
        return self.value

    def items(self, what: str) -> list[Node]:
        if not isinstance(self.value, list):
            self.fail(f"{what} must be a list, not {_kind(self.value)}.", "Begin each entry with '- '.")
        return self.value

    def text(self, what: str) -> str:
        if not isinstance(self.value, str):
            self.fail(f"{what} must be text, not {_kind(self.value)}.", "Put it in quotes.")
        return self.value


def _kind(value: Any) -> str:
    return {dict: "a mapping", list: "a list", str: "text", bool: "true/false", type(None): "empty"}.get(
        type(value), "a number"
    )


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # the C loader is chosen at run time
    """YAML 1.2 scalars, as Rasa reads them: only true and false are booleans, so `no` and `on` stay words."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
            or (tag == "tag:yaml.org,2002:bool" and first in "tTfF")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise DataError(path, 1, "the file is UTF-16 or no text at all.", "Save it as UTF-8 and try again.")
        return text
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(path, line, "the file is not UTF-8.", "Save it as UTF-8 and try again.") from None
    except OSError as error:
        raise DataError(
            path, None, f"the file cannot be read ({error.strerror}).", "Check the path and its permissions."
        ) from None


def read_yaml(path: Path) -> Node:
    """The first document of a YAML file. An empty file is an empty mapping. Raises DataError with file and line."""
    return parse_yaml(read_text(path), path)


def parse_yaml(text: str, path: Path, first_line: int = 1) -> Node:
    """As `read_yaml`, of a text that begins at `first_line` of the file."""
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        raise _unreadable(error, text, path, first_line) from None
    try:
        root = loader.get_single_node()
        if root is None:
            return Node({}, path, first_line)
        _check_size(root, path, first_line)
        return _convert(loader, root, path, first_line)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DataError(
            path,
            mark.line + first_line if mark else None,
            f"the YAML is broken: {error.problem}.",
            _yaml_advice(error, text),
        ) from None
    except yaml.YAMLError as error:
        raise _unreadable(error, text, path, first_line) from None
    finally:
        loader.dispose()


def _yaml_advice(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = error.problem or ""
    if "tab" in problem or "\\t" in problem or _at(error, text) == "\t":
        return "Indent with spaces, not tabs."
    if "mapping values" in problem:
        return "Put text that contains ': ' in quotes."
    return "Check the indentation and quotes on this line and the one above."


def _at(error: yaml.MarkedYAMLError, text: str) -> str:
    """The character at which reading stopped."""
    mark = error.problem_mark
    return text[mark.index : mark.index + 1] if mark else ""


def _unreadable(error: yaml.YAMLError, text: str, path: Path, first_line: int) -> DataError:
    position = getattr(error, "position", None)
    line = text[:position].count("\n") + first_line if isinstance(position, int) else None
    return DataError(
        path, line, "the YAML holds a character that may not stand there.", "Remove it or write it as \\x.."
    )


def _check_size(root: yaml.Node, path: Path, first_line: int) -> None:
    """An alias repeats what it names: a short file could be endless, or larger than the memory."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if depth > DEEPEST or sizes.get(id(node)) == 0:
            raise DataError(
                path, node.start_mark.line + first_line, "the YAML is nested without end.", "Remove the alias."
            )
        if id(node) not in sizes:
            sizes[id(node)] = 0  # begun: who meets it now is inside it
            parts = (part for pair in node.value for part in pair) if isinstance(node, yaml.MappingNode) else node.value
            sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in parts)
        if sizes[id(node)] > LARGEST:
            raise DataError(
                path, node.start_mark.line + first_line, "the aliases make the YAML too large.", "Write less of it."
            )
        return sizes[id(node)]

    size(root, 0)


def _convert(loader: Any, node: yaml.Node, path: Path, first_line: int) -> Node:
    line = node.start_mark.line + first_line
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key = str(loader.construct_object(key_node, deep=True))
            if key in found:
                raise DataError(
                    path,
                    key_node.start_mark.line + first_line,
                    f"the key '{key}' stands here twice.",
                    "Keep one of them.",
                )
            found[key] = _convert(loader, value_node, path, first_line)
        return Node(found, path, line)
    if isinstance(node, yaml.SequenceNode):
        return Node([_convert(loader, child, path, first_line) for child in node.value], path, line)
    return Node(loader.construct_object(node, deep=True), path, line)
