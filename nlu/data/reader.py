"""Training data from a file or a folder, checked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from nlu.data.examples import Example, Finding, TrainingData
from nlu.data.knowledge import FOLDER, KINDS, read_knowledge
from nlu.data.rasa import Collected, read_rasa_file
from nlu.data.table import read_table
from nlu.source import DataError

HELD_OUT = "test"
"""A folder of this name is for scoring alone: training never opens a file below it."""
CANARIES = "canaries"
"""Nor one below this: questions that a new model must understand as well as the old one."""
UNTAUGHT = (HELD_OUT, CANARIES)

_YAML = (".yml", ".yaml")
KNOWN = (*_YAML, ".csv")
"""Endings of a file that is given by itself."""

FEWEST = 2
"""Examples that one intent must have at least, so that some are left when a part is held out."""


def read_training_data(path: Path) -> TrainingData:
    """Everything training may learn from. Raises DataError; what it can live with is in `warnings`."""
    whole = path.resolve()
    for name in UNTAUGHT:
        if name in (path.name, whole.name, whole.parent.name) or _in_project(whole, name):
            raise DataError(path, None, f"a folder named '{name}' is never trained on.", "Give the folder above it.")
    data = read_examples(path, lambda file: not {*UNTAUGHT} & {*file.relative_to(path).parts})
    if len(data.intents) < 2:
        raise DataError(
            path,
            None,
            f"there {'is' if len(data.examples) == 1 else 'are'} {_counted(len(data.examples), 'example')} of "
            f"{_counted(len(data.intents), 'intent')}.",
            "Training needs at least two intents with a few examples each.",
        )
    return data


def _in_project(place: Path, name: str) -> bool:
    """Whether it lies, however deep, in a folder of that name beside training data. A project may lie in one too."""
    above = (folder.parent for folder in place.parents if folder.name == name)
    return any((folder / "domain.yml").is_file() or (folder / "nlu").is_dir() for folder in above)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def check_enough(data: TrainingData, path: Path) -> None:
    """Raises DataError if nothing might be left to train on, or to calibrate on, once a part is held out."""
    counts = Counter(example.intent for example in data.examples if not example.outlier)
    if max(counts.values()) < FEWEST:
        raise DataError(
            path,
            None,
            "no intent has more than one example.",
            "A part is held out to calibrate on: write ten or more of each.",
        )


def data_hash(path: Path) -> str:
    """Names the content of the training data; equal hashes make equal models."""
    return read_training_data(path).hash


def read_examples(path: Path, wanted: Callable[[Path], bool] = lambda _: True) -> TrainingData:
    """As `read_training_data`, of held-out files too."""
    if not path.exists():
        raise DataError(path, None, "there is no such file or folder.", "Check the path.")
    if path.is_file() and path.suffix.lower() not in KNOWN:
        raise DataError(path, None, "this is neither YAML nor CSV.", f"Its name must end in {', '.join(KNOWN)}.")
    collected = Collected()
    for file in _files(path, _YAML, wanted):
        read_rasa_file(file, collected)
    if path.is_file() and path.suffix.lower() == ".csv":
        collected.examples += read_table(path)
    articles = read_knowledge([file for file in _files(path, KINDS, wanted) if _is_knowledge(file, path)])
    examples, warnings = _without_repeats(collected.examples)
    return TrainingData(
        tuple(examples),
        collected.patterns(),
        articles,
        (*warnings, *_lonely_intents(examples), *_two_meanings(examples)),
        tuple(collected.languages),
    )


def _files(path: Path, suffixes: tuple[str, ...], wanted: Callable[[Path], bool]) -> list[Path]:
    """Sorted, so that the same folder is read in the same order everywhere."""
    if path.is_file():
        return [path] if path.suffix.lower() in suffixes else []
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in suffixes and wanted(file))


def _is_knowledge(file: Path, path: Path) -> bool:
    """A table given by itself holds examples, wherever it lies."""
    return FOLDER in file.parts[:-1] and not (file == path and file.suffix.lower() == ".csv")


def _without_repeats(examples: list[Example]) -> tuple[list[Example], list[Finding]]:
    kept: dict[tuple[str, str], Example] = {}
    warnings: list[Finding] = []
    for example in examples:
        first = kept.setdefault((same_text(example.text), example.intent), example)
        if first is not example:
            warnings.append(
                Finding(
                    example.path,
                    example.line,
                    f"'{example.text[:60]}' stands twice under '{example.intent}'.",
                    f"Remove it; the first is at line {first.line}.",
                )
            )
    return list(kept.values()), warnings


def same_text(text: str) -> str:
    """Equal for texts that say the same, but for letters' case and blanks."""
    return " ".join(text.casefold().split())


def _lonely_intents(examples: list[Example]) -> Iterator[Finding]:
    counts = Counter(example.intent for example in examples)
    for example in examples:
        if counts[example.intent] == 1:
            yield Finding(
                example.path,
                example.line,
                f"the intent '{example.intent}' has one example.",
                "Ten or more make it reliable.",
            )


def _two_meanings(examples: list[Example]) -> Iterator[Finding]:
    by_text: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_text[same_text(example.text)].append(example)
    for same in by_text.values():
        for other in same[1:]:
            yield Finding(
                other.path,
                other.line,
                f"'{other.text[:60]}' stands under '{other.intent}' and under '{same[0].intent}'.",
                "Keep one of them.",
            )
