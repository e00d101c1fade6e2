"""Reads Rasa NLU YAML: intents with examples, synonyms, regexes and lookups; other top-level keys belong to others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from nlu.data.annotations import parse_annotated
from nlu.data.examples import Example, Patterns
from nlu.everyday.finders import finder
from nlu.source import Node, did_you_mean, is_blank, read_yaml

_KINDS = ("intent", "synonym", "regex", "lookup")
_KEYS = [*_KINDS, "examples", "metadata"]
CONFIG = "config"
_LONG_KEYS = ["text", "metadata"]
_NEARLY_NLU = ("nul", "nlus", "nlu_data", "NLU", "Nlu")


@dataclass(slots=True)
class Collected:
    """What the files read so far hold."""

    examples: list[Example] = field(default_factory=list)
    regexes: list[tuple[str, str]] = field(default_factory=list)
    lookups: dict[str, list[str]] = field(default_factory=dict)
    synonyms: dict[str, str] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)

    def patterns(self) -> Patterns:
        return Patterns(
            tuple(self.regexes), {name: tuple(values) for name, values in self.lookups.items()}, self.synonyms
        )


def read_rasa_file(path: Path, into: Collected) -> None:
    """Adds what the file's `nlu` key holds, and of Rasa's `config.yml` the `language`.

    Raises DataError with file, line and a suggestion.
    """
    content = read_yaml(path).mapping("the file")
    for key in _NEARLY_NLU:
        if key in content:
            content[key].fail(f"unknown key '{key}'.", "Did you mean 'nlu'?")
    if path.stem == CONFIG and "language" in content:
        into.languages.append(content["language"].text("'language'"))
    if "nlu" not in content or content["nlu"].value is None:
        return
    for item in content["nlu"].items("'nlu'"):
        _read_item(item, into)


def _read_item(item: Node, into: Collected) -> None:
    fields = item.mapping("an entry of 'nlu'")
    for key, node in fields.items():
        if key not in _KEYS:
            node.fail(f"unknown key '{key}'.", did_you_mean(key, _KEYS) or f"Use one of {', '.join(_KEYS)}.")
    kinds = [kind for kind in _KINDS if kind in fields]
    if len(kinds) != 1:
        item.fail("an entry of 'nlu' needs exactly one of intent, synonym, regex and lookup.")
    name = fields[kinds[0]].text(f"the name of the {kinds[0]}").strip()
    if not name:
        fields[kinds[0]].fail(f"the {kinds[0]} has no name.")
    if "examples" not in fields:
        item.fail(f"the {kinds[0]} '{name}' has no examples.", "Add 'examples: |' with a line '- ...' for each.")
    lines = _lines(fields["examples"], kinds[0])
    if kinds[0] == "intent":
        into.examples += [_example(line, name) for line in lines]
    elif kinds[0] == "synonym":
        into.synonyms.update({_text(line).casefold(): name for line in lines})
    elif kinds[0] == "regex":
        into.regexes += [(name, _expression(line)) for line in lines]
    else:
        into.lookups.setdefault(name, []).extend(_text(line) for line in lines)


def _text(line: Node) -> str:
    return str(line.value)


def _lines(examples: Node, kind: str) -> Iterator[Node]:
    """Each example with its own line number; both the `|` block and the long form."""
    if isinstance(examples.value, list) and kind == "intent":
        yield from (_long(node) for node in examples.value)
        return
    if not isinstance(examples.value, str):
        examples.fail("'examples' must be one block of text.", "Write 'examples: |' with a line '- ...' for each.")
    for offset, line in enumerate(examples.value.split("\n"), 1):
        if line.strip():
            yield _dashed(replace(examples, value=line.strip(), line=examples.line + offset))


def _dashed(line: Node) -> Node:
    text = _text(line)
    if text != "-" and not text.startswith("- "):
        line.fail(f"the example '{text[:40]}' does not begin with '- '.", "Put '- ' in front of it.")
    return _filled(replace(line, value=text[1:].strip()))


def _long(node: Node) -> Node:
    fields = node.mapping("an example in the long form")
    for key, value in fields.items():
        if key not in _LONG_KEYS:
            value.fail(f"unknown key '{key}' in an example.", did_you_mean(key, _LONG_KEYS))
    if "text" not in fields:
        node.fail("the example has no 'text'.", "Add 'text: |' with the sentence below it.")
    text = fields["text"].text("the example's text").strip().removeprefix("- ")
    return _filled(replace(node, value=text))


def _filled(line: Node) -> Node:
    if is_blank(_text(line)):
        line.fail("the example is empty.", "Write a sentence behind the dash or remove the line.")
    return line


def _example(line: Node, intent: str) -> Example:
    text, annotations = parse_annotated(_text(line), line)
    return Example(text, intent, annotations, line.path, line.line)


def _expression(line: Node) -> str:
    try:
        finder(_text(line))
        re.compile(_text(line))
    except ValueError as error:
        line.fail(f"{error}", "docs/training.md says what each of them finds.")
    except re.error as error:
        line.fail(f"the regex does not compile: {error}.", "Check brackets and backslashes.")
    return _text(line)
