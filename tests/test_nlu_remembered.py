"""Examples that somebody types word for word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlu.data.examples import OUTLIER
from nlu.remembered import UNKNOWN, Remembered

TAUGHT = Remembered.of(
    ["Where is my parcel?", "maybe", "Cancel it", "cancel it!", "stop", "stop", "...", "wo ist mein Paket"],
    [2, OUTLIER, 1, 1, 0, 1, 0, 2],
)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("where is my PARCEL", 2),
        ("Maybe.", OUTLIER),
        ("cancel it", 1),
        ("where is my other parcel", UNKNOWN),
        ("stop", UNKNOWN),
        ("...", UNKNOWN),
        ("", UNKNOWN),
    ],
    ids=["capitals", "out of scope", "taught twice alike", "another text", "taught as two things", "no word", "empty"],
)
def test_a_text_is_known_as_what_it_was_taught(text: str, known: int) -> None:
    assert TAUGHT.find(text) == known


def test_nobody_taught_anything() -> None:
    assert Remembered.of([], []).find("hello") == UNKNOWN


@given(st.lists(st.text(), unique_by=str.casefold), st.text())
def test_any_text_is_known_or_unknown_and_never_an_error(texts: list[str], other: str) -> None:
    found = Remembered.of(texts, list(range(len(texts))))
    assert all(found.find(text) in {number, UNKNOWN} for number, text in enumerate(texts))
    assert found.find(other) >= UNKNOWN
