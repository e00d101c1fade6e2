"""One answer on channels of every kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.capabilities import Capabilities, Markup, Options, Unit
from bot.channels.presses import Press, read_press
from bot.channels.rendering import Choice, Piece, Way, pieces
from bot.channels.splitting import measure
from bot.messages import Button, Card, Outbound, Source
from tests.deliveries import EPOCH, delivery

SMS = Capabilities(160)
APP = Capabilities(
    200, markup=Markup.WHATSAPP, buttons=Options(3, 20, 100), choices=Options(10, 24, 100), images=True, caption=50
)
IMAGE = "https://example.com/lamp.png"


def buttons(number: int, title: str = "Choice {}") -> tuple[Button, ...]:
    return tuple(Button(title.format(n), f"/c{n}") for n in range(1, number + 1))


def shown(message: Outbound, can: Capabilities = APP) -> list[Piece]:
    return list(pieces(delivery(message), can))


@pytest.mark.parametrize(("number", "way"), [(1, Way.BUTTONS), (3, Way.BUTTONS), (4, Way.CHOICES), (10, Way.CHOICES)])
def test_choices_take_the_smallest_form_that_holds_them(number: int, way: Way) -> None:
    (piece,) = shown(Outbound("Which?", buttons(number)))
    assert (piece.way, len(piece.offer), piece.text) == (way, number, "Which?")


def test_titles_that_are_too_long_for_buttons_go_to_the_list_and_are_cut_there() -> None:
    (piece,) = shown(Outbound("Which?", buttons(2, "{} is a very long choice number")))
    assert (piece.way, piece.text) == (Way.CHOICES, "Which?")
    assert [choice.title for choice in piece.offer] == ["1 is a very long choice…", "2 is a very long choice…"]


def test_titles_that_are_alike_once_cut_get_numbers_and_the_text_tells_them() -> None:
    (piece,) = shown(Outbound("Which?", buttons(2, "A very long choice number {}")))
    assert [choice.title for choice in piece.offer] == ["1. A very long choice n…", "2. A very long choice n…"]
    assert piece.text == "Which?\n\n1. A very long choice number 1\n2. A very long choice number 2"
    assert [read_press(choice.id, EPOCH) for choice in piece.offer] == [Press(2, 0), Press(2, 1)]


def test_more_than_any_form_holds_becomes_numbers() -> None:
    (piece,) = shown(Outbound("Which?", buttons(11)))
    assert piece.text.startswith("Which?\n\n1. Choice 1\n2. Choice 2\n")
    assert piece.offer == ()


def test_a_channel_without_buttons_numbers_through_its_cards() -> None:
    cards = tuple(Card(title, "nice", buttons=buttons(2)) for title in ("Lamp", "Desk"))
    first, lamp, desk = shown(Outbound("Which?", buttons(1, "None"), cards=cards), SMS)
    assert first.text == "Which?\n\n1. None"
    assert lamp.text == "Lamp\nnice\n\n2. Choice 1\n3. Choice 2"
    assert desk.text == "Desk\nnice\n\n4. Choice 1\n5. Choice 2"


def test_what_comes_back_names_the_button() -> None:
    (piece,) = shown(Outbound("Which?", buttons(2)))
    press = read_press(piece.offer[1].id, EPOCH)
    assert press is not None
    assert (press.seq, press.button, press.card) == (2, 1, None)


def test_a_picture_takes_the_text_along_if_it_fits() -> None:
    assert shown(Outbound("A lamp.", image=IMAGE)) == [Piece("A lamp.", image=IMAGE)]
    assert shown(Outbound("A lamp. " * 10, image=IMAGE))[0] == Piece(image=IMAGE)
    assert shown(Outbound("Buy?", buttons(1), image=IMAGE))[0] == Piece(image=IMAGE)
    assert shown(Outbound("A lamp.", image=IMAGE), SMS) == [Piece(f"A lamp.\n{IMAGE}")]


def test_a_picture_stands_above_choices_where_the_channel_can_show_that() -> None:
    can = Capabilities(200, buttons=Options(2, 20, pictured=50), choices=Options(10, 24), images=True, caption=50)
    (piece,) = shown(Outbound("Buy?", buttons(2), image=IMAGE), can)
    assert (piece.text, piece.image, len(piece.offer)) == ("Buy?", IMAGE, 2)
    (piece,) = shown(Outbound(buttons=buttons(2), image=IMAGE), can)
    assert (piece.text, piece.image, len(piece.offer)) == ("…", IMAGE, 2)
    picture, text = shown(Outbound("Which of these? " * 5, buttons(2), image=IMAGE), can)
    assert (picture, len(text.offer)) == (Piece(image=IMAGE), 2)
    picture, text = shown(Outbound("Buy?", buttons(5), image=IMAGE), can)
    assert (picture, len(text.offer)) == (Piece(image=IMAGE), 5), "a list has no place for it"
    (piece,) = shown(Outbound(cards=(Card("Lamp", image=IMAGE, buttons=buttons(1)),)), can)
    assert (piece.image, len(piece.offer)) == (IMAGE, 1)


def test_a_card_becomes_a_picture_and_a_text_or_stays_a_card() -> None:
    card = Card("Lamp", "warm light", IMAGE, "https://example.com/lamp", buttons(1))
    picture, text = shown(Outbound(cards=(card,)))
    assert picture == Piece(image=IMAGE)
    assert (text.text, len(text.offer)) == ("*Lamp*\nwarm light\nhttps://example.com/lamp", 1)
    own = Capabilities(200, buttons=Options(3, 20), images=True, cards=True)
    (piece,) = shown(Outbound(cards=(card,)), own)
    assert (piece.card, [choice.title for choice in piece.offer]) == (card, ["Choice 1"])


def test_the_source_is_the_last_line() -> None:
    (piece,) = shown(Outbound("Thirty days.", source=Source("Returns", "https://example.com/returns", "returns")))
    assert piece.text == "Thirty days.\n\nReturns (https://example.com/returns)"


def test_the_last_part_carries_the_choices() -> None:
    first, last = shown(Outbound("One sentence here. " * 9, buttons(2)))
    assert (first.offer, len(last.offer)) == ((), 2)
    assert len(last.text) <= 100


def test_the_choices_take_a_short_last_part_and_the_rest_is_no_more_messages_than_it_has_to_be() -> None:
    found = shown(Outbound("One sentence here. " * 15, buttons(2)))  # 285 signs: 200 and at most 100
    assert [len(piece.offer) for piece in found] == [0, 2]


def test_addresses_that_nobody_may_follow_are_no_links() -> None:
    card = Card("Lamp", url="javascript:alert(1)")
    script = Source("Returns", "javascript:alert(1)", "returns")
    assert [piece.text for piece in shown(Outbound("Hi", source=script, cards=(card,)))] == ["Hi\n\nReturns", "*Lamp*"]


def test_an_image_without_a_whole_address_is_left_out() -> None:
    assert shown(Outbound("A lamp.", image="/lamp.png", cards=(Card("Lamp", image="lamp.png"),))) == [
        Piece("A lamp."),
        Piece("*Lamp*"),
    ]


def test_choices_without_a_text_have_something_above_them() -> None:
    assert shown(Outbound("", buttons(1)))[0].text == "…"


def test_nothing_to_show_is_nothing() -> None:
    assert shown(Outbound(custom={"kind": "receipt"})) == []


@given(
    st.text(max_size=600),
    st.lists(st.text(min_size=1, max_size=60), max_size=14),
    st.sampled_from(Unit),
    st.sampled_from(Markup),
)
def test_everything_fits_and_is_the_same_each_time(text: str, titles: list[str], unit: Unit, markup: Markup) -> None:
    few, many = Options(3, 20, 60, pictured=30), Options(10, 24, 60)
    can = Capabilities(120, unit, markup, few, many, images=True, caption=40)
    said = delivery(Outbound(text, tuple(Button(title, "/x") for title in titles), image=IMAGE))
    found = pieces(said, can)
    assert found == pieces(said, can)
    for piece in found:
        assert piece.text or piece.image
        assert measure(piece.text, unit) <= (30 if piece.image and piece.offer else 60 if piece.offer else 120)
        assert all(measure(c.title, unit) <= (20 if piece.way is Way.BUTTONS else 24) for c in piece.offer)
    assert sum(len(piece.offer) for piece in found) == (len(titles) if len(titles) <= 10 else 0)
    assert all(isinstance(choice, Choice) for piece in found for choice in piece.offer)
