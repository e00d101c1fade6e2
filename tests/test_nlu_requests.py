"""Several requests in one message: where texts are cut, which cut stands, and how it is counted."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlu.cuts import cuts
from nlu.data.reader import read_examples
from nlu.evaluation.several import Message, read_several, several_intervals, several_scores
from nlu.families import Families
from nlu.requests import Readings
from nlu.source import DataError
from nlu.types import Entity, Intent, Request, Understanding, Verdict
from tests.demo import DATA


def halves(text: str, *entities: Entity) -> list[tuple[str, str]]:
    return [cut.texts(text) for cut in cuts(text, entities)]


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("Where is it? When are you open?", "Where is it?", "When are you open?"),
        ("cancel it and tell me the rest", "cancel it", "tell me the rest"),
        ("cancel it, and also send the bill", "cancel it", "send the bill"),
        ("cancel it. Oh, and by the way, send the bill", "cancel it.", "send the bill"),
        ("cancel it btw send the bill", "cancel it", "send the bill"),
        ("cancel it - send the bill", "cancel it", "send the bill"),
        ("cancel it\nsend the bill", "cancel it", "send the bill"),
        ("cancel it & send the bill", "cancel it", "send the bill"),
        ("取消订单。什么时候退款？", "取消订单。", "什么时候退款？"),
    ],
)
def test_a_text_may_be_cut_where_parts_of_it_meet(text: str, first: str, second: str) -> None:
    assert (first, second) in halves(text)


@pytest.mark.parametrize(
    "text",
    [
        "the sofa of no. 5 is late",
        "a lamp e.g. this one",
        "the lamps (e.g., this one) are late",
        "it is for Dr. Smith",
        "it went to St. Pauli",
        "it weighs approx. five kilos",
    ],
)
def test_the_dot_of_an_abbreviation_ends_no_sentence(text: str) -> None:
    assert halves(text) == []


def test_an_answer_is_no_abbreviation() -> None:
    assert ("oh no.", "cancel order 5") in halves("oh no. cancel order 5")


@pytest.mark.parametrize("text", ["", "and", "cancel", "and, also", "where is my order", "handle it", "!!! ???"])
def test_a_text_with_no_place_to_cut_stays_whole(text: str) -> None:
    assert halves(text) == []


def test_an_entity_is_never_cut() -> None:
    sofa = Entity("product", 10, 28, "Tables and Chairs", 1.0, "lookup")
    assert halves("where are Tables and Chairs") != []
    assert halves("where are Tables and Chairs", sofa) == []


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("follow my parcel, order LW-10251", False),
        ("LW-10251, can you cancel it", False),
        ("cancel LW-10234, return LW-10251", True),
        ("follow my parcel and cancel order LW-10251", True),
    ],
)
def test_a_side_that_only_names_what_the_other_is_about_is_no_request(text: str, cut: bool) -> None:
    numbers = [Entity("order_number", m.start(), m.end(), m[0], 1.0, "regex") for m in re.finditer(r"LW-\d{5}", text)]
    assert bool(halves(text, *numbers)) is cut


def test_a_long_story_is_not_cut_and_a_long_list_not_everywhere() -> None:
    assert halves("a table and " * 100) == []
    assert len(halves("a table and " * 15)) == 12
    assert len(halves("a table and " * 30)) == 6


@given(st.text("ab .,!?\n&-–", max_size=60))
def test_the_parts_are_in_the_text_and_have_no_loose_ends(text: str) -> None:
    for cut in cuts(text):
        assert 0 <= cut.first.start < cut.first.end <= cut.second.start < cut.second.end <= len(text)
        assert all(part == part.strip() and part for part in cut.texts(text))


FAMILIES = Families.of(["faq/a", "faq/b", "cancel", "bill", "greet"])
TEXT = "cancel it and send the bill"


def likely(**names: float) -> np.ndarray:
    row = np.array([names.get(name.split("/")[0], 0.0) for name in ("faq/a", "-", "cancel", "bill", "greet")])
    filled: np.ndarray = (row + (1 - row.sum()) / 5).astype(np.float32)
    return filled


def test_two_sure_parts_that_the_whole_shows_are_two_requests() -> None:
    whole = likely(cancel=0.6, bill=0.35)
    best = Readings.of(TEXT, cuts(TEXT), FAMILIES, [whole, likely(cancel=0.98), likely(bill=0.97)]).best()
    assert best is not None
    assert best[0] == 0
    assert best[1][3] == best[2][2] == 0, "neither means what the other does"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (likely(cancel=0.98), likely(cancel=0.97)),
        (likely(cancel=0.98), likely(bill=0.2)),
        (likely(greet=0.98), likely(cancel=0.97)),
        (likely(faq=0.98), likely(faq=0.97)),
    ],
)
def test_the_same_intent_a_doubtful_part_or_a_greeting_is_no_second_request(
    first: np.ndarray, second: np.ndarray
) -> None:
    whole = likely(cancel=0.9, bill=0.03)
    assert Readings.of(TEXT, cuts(TEXT), FAMILIES, [whole, first, second]).best() is None


def test_parts_that_show_two_requests_within_the_whole_are_read_and_two_of_one_are_not() -> None:
    whole, one = likely(cancel=0.6, bill=0.35), likely(cancel=0.98)
    promising, not_so = (
        Readings.of(TEXT, cuts(TEXT), FAMILIES, [whole, one, other]).promising() for other in (likely(bill=0.97), one)
    )
    assert promising.tolist() == [True]
    assert not_so.tolist() == [False]


def meant(text: str, intent: str, *entities: Entity) -> Understanding:
    found = Intent(intent, 0.9)
    return Understanding(text, found, (found,), Verdict.SURE, entities=entities)


def test_the_places_of_a_requests_entities_are_those_of_the_whole_text() -> None:
    text = "cancel LW-10234 and send LW-10251"
    numbers = [Entity("order_number", at, at + 8, text[at : at + 8], 1.0, "regex") for at in (7, 25)]
    request = Request.within(meant(text, "cancel", *numbers), 20, meant("send LW-10251", "bill"))
    (found,) = request.meant.entities
    assert request.meant.text[found.start : found.end] == "LW-10251"
    shown = request.to_rasa()
    (entity,) = shown["entities"]
    assert text[entity["start"] : entity["end"]] == "LW-10251"
    assert text[shown["start"] : shown["end"]] == shown["text"] == "send LW-10251"


def test_all_intents_and_no_other_have_to_be_found() -> None:
    two = (Request(0, meant("a", "cancel")), Request(2, meant("b", "bill")))
    whole = Understanding("a b", Intent("cancel", 0.9), (), Verdict.SURE, requests=two)
    messages = [Message("a b", ("bill", "cancel")), Message("a b", ("bill", "greet")), Message("a b", ("bill",))]
    read = [(message, whole) for message in messages]
    scores = several_scores(read)
    assert scores is not None
    assert (scores.messages, scores.found, scores.singles, scores.split) == (2, 0.5, 1, 1.0)
    assert several_intervals(read)["single_split"] == (1.0, 1.0)
    assert several_scores([]) is None
    assert several_intervals([]) == {}


def test_the_held_out_messages_are_no_examples() -> None:
    messages = read_several(DATA / "test")
    assert sum(len(message.intents) == 2 for message in messages) == 200
    assert sum(len(message.intents) == 1 for message in messages) == 64
    assert not {message.text for message in messages} & {e.text for e in read_examples(DATA / "test").examples}


def test_a_message_without_intents_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "several.yml").write_text('version: "3.1"\nseveral:\n- {text: hello}\n', "utf-8")
    with pytest.raises(DataError, match=r"several\.yml:3: an entry of 'several' needs a text and its intents"):
        read_several(tmp_path)
