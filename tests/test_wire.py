"""JSON and text from strangers."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.wire import Malformed, clean_text, depth, int_field, read_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(v) for v in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(v) for v in value), default=0)
    return 0


@given(JSON)
def test_depth_of_json_text_is_the_depth_of_its_value(value: Any) -> None:
    assert depth(json.dumps(value).encode()) == _depth(value)


def test_nesting_beyond_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(Malformed, match="deeper than 16"):
        read_object("[" * 60_000 + "]" * 60_000, 16)


@pytest.mark.parametrize(
    "data", ["", "[]", "1", "nul", "{", '{"a":}', "\ud800", b"\xff\xfe", '"x"', "{'a': 1}", '{"a": NaN}']
)
def test_what_is_no_json_object_is_malformed(data: str | bytes) -> None:
    with pytest.raises(Malformed):
        read_object(data, 16)


HIGH, LOW = chr(0xD83D), chr(0xDECB)


@pytest.mark.parametrize("half", [HIGH, LOW, f"a{HIGH}", f"{LOW}b", f"{HIGH}{HIGH}"])
def test_half_an_emoji_is_read_as_a_replacement_of_the_same_length(half: str) -> None:
    read = read_object(json.dumps({"a": half, half: [half]}), 16)
    whole = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in half)
    assert read == {"a": whole, whole: [whole]}
    orjson.dumps(read)


@given(st.text(alphabet=st.characters(), max_size=200))
def test_cleaned_text_is_storable_everywhere(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode()
    assert "\x00" not in cleaned
    assert clean_text(cleaned) == cleaned


def test_cleaning_keeps_what_people_write() -> None:
    assert clean_text("  Grüße,\n\tmy 🛋️ is 壞了 \u200f שלום ") == "Grüße,\n\tmy 🛋️ is 壞了 \u200f שלום"
    assert clean_text("a\ud800b\x00\x1b[31mc") == "a\ufffdb[31mc"


@pytest.mark.parametrize("value", [-1, 1.5, "1", True, None, 2**60])
def test_a_whole_number_is_nothing_else(value: Any) -> None:
    with pytest.raises(Malformed):
        int_field({"n": value}, "n")
