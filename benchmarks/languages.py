"""Which languages are recognised: `python -m benchmarks.languages [--model DIR ...]`.

Reads the held-out lines of `training_data/test/languages.yml`. Without a model only the identification is measured, of
an assistant that speaks English. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from nlu.languages import OTHER_NAMES, Languages
from nlu.load import load_model
from nlu.source import read_yaml

HELD_OUT = Path(__file__).parent.parent / "training_data" / "test" / "languages.yml"
OWN = "en"


def lines() -> list[tuple[str, str]]:
    """Language and text."""
    plain = read_yaml(HELD_OUT).plain()["languages"]
    return [
        (part["language"], line.strip().removeprefix("- "))
        for part in plain
        for line in part["examples"].splitlines()
        if line.strip()
    ]


def row(what: str, known: Sequence[tuple[str, str]], found: Sequence[str]) -> str:
    others = [(OTHER_NAMES.get(code, code), said) for (code, _), said in zip(known, found, strict=True) if code != OWN]
    own = [said for (code, _), said in zip(known, found, strict=True) if code == OWN]
    recognised = sum(said != "" for _, said in others) / len(others)
    right = sum(said == code for code, said in others) / len(others)
    return f"| {what} | {recognised:.1%} | {right:.1%} | {sum(said != '' for said in own)} of {len(own)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, action="append", default=[])
    known = lines()
    languages = Languages.of([OWN])
    languages.other("so that it is loaded before the time is taken")
    started = time.perf_counter()
    found = [languages.other(text) for _, text in known]
    spent = (time.perf_counter() - started) / len(known)
    print(
        f"{sum(code != OWN for code, _ in known)} lines in {len({code for code, _ in known}) - 1} other languages; ",
        end="",
    )
    print(f"{spent * 1000:.2f} ms a line to identify.\n")
    print("| | another language recognised | and the right one | English lines taken for another |\n|---|---|---|---|")
    print(row("identification alone", known, found))
    for directory in parser.parse_args().model:
        model = load_model(directory, device="cpu")
        understood = model.understand_now([text for _, text in known])
        print(row(f"the model {model.id} does not understand, and", known, [one.language for one in understood]))


if __name__ == "__main__":
    main()
