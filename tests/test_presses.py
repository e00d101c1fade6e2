"""Names of buttons, as apps hold them: what comes back is a stranger's text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.presses import Press, button_of, press_id, read_press
from bot.messages import Author, Button, Card, Entry, Outbound

EPOCH, OTHER = "5f0c86d1b9d94d5d9a0a5f8a61f2b9f3", "6f0c86d1b9d94d5d9a0a5f8a61f2b9f3"
OFFER = Outbound("Which?", buttons=(Button("A", "/a"),), cards=(Card("Lamp", buttons=(Button("B", "/b"),)),))


def entry(author: Author = Author.BOT) -> Entry:
    return Entry("c1", 7, author, 1.0, OFFER)


@pytest.mark.parametrize("press", [Press(7, 0), Press(7, 0, 0), Press(999999999, 999, 999)])
def test_an_id_names_its_button_in_its_own_log_alone(press: Press) -> None:
    name = press_id(EPOCH, press)
    assert len(name) <= 30
    assert name.isascii()
    assert read_press(name, EPOCH) == press
    assert read_press(name, OTHER) is None


@given(st.text(max_size=40))
def test_anything_else_is_no_button(text: str) -> None:
    assert read_press(text, EPOCH) is None


@pytest.mark.parametrize(
    ("press", "payload"), [(Press(7, 0), "/a"), (Press(7, 0, 0), "/b"), (Press(7, 1), None), (Press(7, 0, 1), None)]
)
def test_a_press_finds_what_was_offered_and_nothing_else(press: Press, payload: str | None) -> None:
    button = button_of(entry(), press)
    assert (button and button.payload) == payload


def test_nobody_presses_what_a_customer_wrote() -> None:
    assert button_of(entry(Author.USER), Press(7, 0)) is None
    assert button_of(None, Press(7, 0)) is None
