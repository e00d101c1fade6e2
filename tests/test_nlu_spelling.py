"""Mistyped words are read as the examples' words; everything else, and every offset, stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlu.base_model import BUILT_IN, base_folder, read_base
from nlu.spelling import Speller, frequent_words
from nlu.tokens import TextReader, known_to, tokenize

WORDS = ["order", "delivery", "wardrobe", "refund", "currencies", "cancel"]
ENGLISH = {"no", "orders", "older", "border", "where", "please", "found", "refined", "the"}


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller(WORDS, ENGLISH.__contains__)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("where is my ordre", "where is my order"),
        ("Oredr please", "Order please"),
        ("WARDORBE?!", "WARDROBE?!"),
        ("my delivrey, my wardorbe; cancle", "my delivery, my wardrobe; cancel"),
        ("exchange of curencyes", "exchange of currencies"),
        ("older border orders", "older border orders"),
        ("an odr", "an odr"),
        ("undelivered, doesnt, wont, cancellll, nooo", "undelivered, doesn't, won't, cancel, no"),
        ("redelivery xorder", "redelivery order"),
        ("我不cancle退货", "我不cancle退货"),
        ("ask Ordet about it", "ask Ordet about it"),
        ("ordre@example.org ordre.com/ordre x-ordre ordre2", "ordre@example.org ordre.com/ordre x-ordre ordre2"),
        ("the xyzzy", "the xyzzy"),
        ("", ""),
    ],
)
def test_a_word_becomes_the_closest_one_of_the_examples(speller: Speller, text: str, read: str) -> None:
    assert speller.corrected(text).text == read


def test_spans_of_the_corrected_text_lie_where_the_customer_wrote_them(speller: Speller) -> None:
    text = "pls, curencyes for my ordre LW-1 now"
    found = speller.corrected(text)
    assert found.text == "pls, currencies for my order LW-1 now"
    for word, written in (("currencies", "curencyes"), ("order", "ordre"), ("LW-1", "LW-1"), ("now", "now")):
        start = found.text.index(word)
        assert text[slice(*found.original(start, start + len(word)))] == written
    assert found.original(0, len(found.text)) == (0, len(text))
    assert found.original(7, 9) == (5, 14)  # a part of a corrected word is meant whole


@pytest.mark.parametrize(
    ("text", "noticed"),
    [("cancle it", True), ("my ordre doesnt", True), ("it doesnt, nooo", False), ("cancel it", False), ("", False)],
)
def test_a_word_taken_for_another_is_noticed_and_an_apostrophe_is_not(
    speller: Speller, text: str, noticed: bool
) -> None:
    assert speller.corrected(text).differs(text) is noticed


def test_spans_of_the_original_lie_in_the_corrected_text_where_they_came_from(speller: Speller) -> None:
    found = speller.corrected("pls, curencyes for my ordre now")
    assert found.text[slice(*found.here(5, 14))] == "currencies"
    assert found.text[slice(*found.here(22, 27))] == "order"
    assert found.text[slice(*found.here(28, 31))] == "now"


@given(st.text(max_size=60))
def test_whatever_is_written_spans_stay_in_the_text(text: str) -> None:
    found = Speller(WORDS, ENGLISH.__contains__).corrected(text + " ordre " + text)
    for start in range(0, len(found.text), 7):
        left, right = found.original(start, min(len(found.text), start + 3))
        assert 0 <= left <= right <= 2 * len(text) + 7


def test_words_are_those_that_occur_often_the_most_frequent_first() -> None:
    assert frequent_words(["Order order a b", "my refund, order", "refund once"]) == ["order", "refund"]


def test_tokens_of_a_corrected_word_point_to_what_was_written() -> None:
    _, tokenizer = read_base(base_folder(BUILT_IN))
    reader = TextReader(tokenizer, Speller(WORDS, known_to(tokenizer, ["en"])))
    text = "cancle my ordre from Oslo"
    (found,) = reader.read([text])
    (right,) = tokenize(tokenizer, ["cancel my order from Oslo"])
    assert found.ids == right.ids
    assert [text[word.start : word.end] for word in found.words] == ["cancle", "my", "ordre", "from", "Oslo"]


def test_the_tokens_of_a_part_are_those_of_its_words() -> None:
    _, tokenizer = read_base(base_folder(BUILT_IN))
    (found,) = TextReader(tokenizer, Speller(WORDS, known_to(tokenizer, ["en"]))).read(["cancle it, send my ordre"])
    cancel_it, send_my_order = tokenize(tokenizer, ["cancel it", "send my order"])
    assert found.ids[found.within(0, 9)] == cancel_it.ids[1:-1]
    assert found.ids[found.within(11, 24)] == send_my_order.ids[1:-1]
    assert found.ids[found.within(10, 11)] == []


def test_of_a_long_text_the_beginning_is_shown_as_it_was_read() -> None:
    text = "wehre is it " + "x" * 7000
    (tokens,) = tokenize(read_base(base_folder(BUILT_IN))[1], [text], Speller(["where"], {"is", "it"}.__contains__))
    assert tokens.shown(text) == ("where is it " + "x" * 7000)[:2000]
