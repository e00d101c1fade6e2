"""Nobody makes a token but the server."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.tokens import BadToken, Signer, load_key, new_conversation_id

SIGNER = Signer(b"k" * 32)


@given(st.text(max_size=80), st.sampled_from(["widget", "console"]))
def test_a_token_names_what_it_was_minted_for(subject: str, purpose: str) -> None:
    storable = subject.encode("utf-8", "replace").decode()
    assert SIGNER.read(purpose, SIGNER.mint(purpose, storable)) == storable


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_a_changed_token_is_refused(place: int, character: str) -> None:
    token = SIGNER.mint("widget", "web-1")
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    if changed != token:
        with pytest.raises(BadToken):
            SIGNER.read("widget", changed)


@given(st.text(max_size=100))
def test_any_other_text_is_no_token(text: str) -> None:
    with pytest.raises(BadToken):
        SIGNER.read("widget", text)


def test_a_token_of_another_purpose_or_key_opens_nothing() -> None:
    token = SIGNER.mint("widget", "web-1")
    with pytest.raises(BadToken):
        SIGNER.read("console-session", token)
    with pytest.raises(BadToken):
        Signer(b"x" * 32).read("widget", token)


def test_conversation_ids_cannot_be_guessed() -> None:
    ids = {new_conversation_id("web") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(name) == len("web-") + 32 for name in ids)


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    key = load_key(tmp_path, None)
    assert len(key) == 32
    assert load_key(tmp_path, None) == key
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert load_key(tmp_path, SecretStr("from the settings")) != key
