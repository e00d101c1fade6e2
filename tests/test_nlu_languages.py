"""Other languages than the assistant's: recognised where it is plain, never in short or ordinary ones of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlu.data.reader import read_training_data
from nlu.languages import TOLD_APART, Languages, _identifier, language_of, spoken
from tests.demo import DATA

ENGLISH = Languages.of(["en"])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("de", "Guten Tag, mein Sessel wackelt seit gestern"),
        ("fr", "le fauteuil que j'ai acheté est trop grand"),
        ("es", "necesito hablar con alguien sobre mi sillón"),
        ("tr", "koltuğum hâlâ gelmedi, ne zaman gelecek"),
        ("pl", "kiedy otwieracie jutro sklep w Wiedniu"),
        ("ru", "когда придёт моё кресло"),
        ("zh", "沙发什么时候送到"),
        ("ja", "ソファはいつ届きますか"),
        ("ko", "소파는 언제 도착하나요"),
        ("ar", "متى تصل الأريكة"),
    ],
)
def test_a_sentence_in_another_language_is_recognised(code: str, text: str) -> None:
    assert ENGLISH.other(text) == code


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "ok", "hallo", "danke", "merci", "no", "42", "👍👍👍", "???", "\ud800", "LW-10234", "a@b.example"),
        *("Avenue des Ternes 7", "Mara Lindt", "Tarn bench", "the armchair is too big", "wen is teh armchiar comming"),
        *("is the fauteuil in stock", "where can I find your shop in København"),
    ],
)
def test_what_is_short_a_name_or_english_is_in_no_other_language(text: str) -> None:
    assert ENGLISH.other(text) == ""


def test_of_the_training_examples_none_in_english_is_taken_for_another_language() -> None:
    taken = [e.text for e in read_training_data(DATA).examples if ENGLISH.other(e.text)]
    assert [text for text in taken if text.isascii() and " the " in text] == []
    assert len(taken) < 60  # as many are


def test_an_assistants_own_languages_are_never_another() -> None:
    both = Languages.of(["en", "de_AT"])
    assert both.other("Guten Tag, mein Sessel wackelt seit gestern") == ""
    assert both.other("le fauteuil que j'ai acheté est trop grand") == "fr"


def test_without_a_language_of_its_own_an_assistant_refuses_none() -> None:
    assert Languages.of(["tlh", ""]).other("Guten Tag, mein Sessel wackelt seit gestern") == ""


def test_the_languages_of_the_examples_are_those_of_many_of_them() -> None:
    english = ["where is my parcel now", "when do you open tomorrow", "send me the invoice please"] * 4
    german = ["wo ist denn mein Paket", "wann habt ihr morgen offen"]
    assert spoken(english) == ["en"]
    assert spoken([*english, *german]) == ["de", "en"]
    assert spoken(["ok", "hi"]) == []


def test_the_library_tells_all_of_them_apart() -> None:
    assert set(_identifier().labels) == set(TOLD_APART)


def test_the_language_of_rasas_configuration_counts(tmp_path: Path) -> None:
    (tmp_path / "nlu.yml").write_text(
        "nlu:\n- intent: a\n  examples: |\n    - one\n- intent: b\n  examples: |\n    - two\n", "utf-8"
    )
    before = read_training_data(tmp_path)
    (tmp_path / "config.yml").write_text("language: no\npipeline: []\n", "utf-8")
    after = read_training_data(tmp_path)
    assert (before.languages, after.languages) == ((), ("no",))
    assert before.hash != after.hash


def test_a_language_is_named_where_it_is_plain() -> None:
    assert language_of("wo ist meine bestellung") == "de"
    assert language_of("where is my order") == "en"
    assert language_of("ok") == ""
