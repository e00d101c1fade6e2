"""Entities: patterns, the model's tags, who wins where they overlap, and offsets that always fit the text."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlu.data.examples import Annotation, Example, Patterns
from nlu.entities import (
    IGNORED,
    EntityReader,
    Matcher,
    labels_of,
    tags_of,
    touching_in,
    values_of,
    with_synonyms,
    without_overlaps,
)
from nlu.spelling import Corrected, Speller
from nlu.tokens import Tokens, Word
from nlu.types import Entity

PATTERNS = Patterns(
    regexes=(("order_number", r"(?<!\w)LW-?\d{5}\b"), ("code", r"(?-i:[A-Z]{3})\d")),
    lookups={"product": ("Alma sofa", "Alma"), "color": ("green", "dark green", "red"), "city": ("Köln",)},
    synonyms={"alma couch": "Alma sofa", "forest": "dark green"},
)


def found(text: str) -> list[tuple[str, str, str]]:
    return [(e.entity, e.value, e.extractor) for e in Matcher(PATTERNS).find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("is LW-10234 packed", [("order_number", "LW-10234", "regex")]),
        ("is lw10234 packed", [("order_number", "lw10234", "regex")]),
        ("ABC1 but not abc1", [("code", "ABC1", "regex")]),
        ("the alma SOFA in Dark  Green", [("product", "alma SOFA", "lookup"), ("color", "Dark  Green", "lookup")]),
        ("evergreen almanac", []),
        ("nach köln!", [("city", "köln", "lookup")]),
    ],
)
def test_patterns_find_whole_words_in_any_case_the_longest_first(
    text: str, expected: list[tuple[str, str, str]]
) -> None:
    assert found(text) == expected


@given(st.text(alphabet="LW-10 almsofgreenK\u00f6\u00dfİ😀\n", max_size=60))
def test_what_patterns_find_stands_where_they_say_and_nothing_overlaps(text: str) -> None:
    entities = Matcher(PATTERNS).find(text)
    assert all(text[e.start : e.end] == e.value for e in entities)
    assert all(first.end <= second.start for first, second in itertools.pairwise(entities))


def test_the_longer_of_two_overlapping_entities_stays_unless_the_other_is_kept() -> None:
    long, short = Entity("a", 0, 9, "x", 1, "model"), Entity("b", 5, 8, "x", 1, "regex")
    assert without_overlaps([short, long]) == [long]
    assert without_overlaps([long], kept=[short]) == [short]


def words_of(text: str) -> list[Word]:
    words, place = [], 0
    for token, word in enumerate(text.split(" "), 1):
        words.append(Word(place, place + len(word), token))
        place += len(word) + 1
    return words


def scores_for(tags: list[int], count: int) -> np.ndarray:
    """Token scores that make `tags` the best; the first and last token are the encoder's own."""
    scores = np.zeros((len(tags) + 2, count), np.float32)
    for token, tag in enumerate(tags, 1):
        scores[token, tag] = 5
    return scores


def reader(patterns: Patterns = PATTERNS) -> EntityReader:
    labels = (("city", "from", None), ("city", "to", "1"))
    values = {("city", "big apple"): "New York"}
    return EntityReader(labels, Matcher(patterns), patterns.synonyms, values, touching=frozenset([labels[1]]))


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("from Rome to Oslo", [0, 1, 0, 3], [("Rome", "from", None), ("Oslo", "to", "1")]),
        ("Novi Sad", [1, 2], [("Novi Sad", "from", None)]),
        ("Rome Oslo", [1, 1], [("Rome Oslo", "from", None)]),
        ("Rome Oslo", [3, 3], [("Rome", "to", "1"), ("Oslo", "to", "1")]),
        ("big Apple", [1, 2], [("New York", "from", None)]),
    ],
)
def test_tags_become_entities_with_role_group_and_value(
    text: str, tags: list[int], expected: list[tuple[str, str | None, str | None]]
) -> None:
    entities = reader().read(text, words_of(text), scores_for(tags, 5))
    assert [(e.value, e.role, e.group) for e in entities] == expected
    assert all(e.confidence > 0.9 and e.extractor == "model" for e in entities)


def test_an_entity_goes_on_only_as_what_it_began() -> None:
    """Word by word, `Sad` would be the inside of another label, and an entity of its own."""
    text = "to Novi Sad"
    scores = scores_for([0, 1, 4], 5)
    scores[3, 2] = 4.5

    (entity,) = reader().read(text, words_of(text), scores)

    assert (entity.value, entity.role) == ("Novi Sad", "from")


def test_labels_that_stand_side_by_side_in_the_examples_may_do_so_again() -> None:
    toppings = example("ham cheese, olives", *(Annotation(a, b, "topping") for a, b in ((0, 3), (4, 10), (12, 18))))
    towns = example("Rome, Oslo", Annotation(0, 4, "city"), Annotation(6, 10, "city"))
    assert touching_in([toppings, towns]) == {("topping", None, None)}


def test_patterns_beat_the_model_where_they_overlap() -> None:
    text = "order LW-10234 now"
    entities = reader().read(text, words_of(text), scores_for([1, 2, 0], 5))
    assert [(e.entity, e.value) for e in entities] == [("order_number", "LW-10234")]


def test_synonyms_replace_the_value_and_not_the_offsets() -> None:
    patterns = Patterns(lookups={"product": ("Alma couch",)}, synonyms=PATTERNS.synonyms)
    (entity,) = reader(patterns).read("one ALMA couch", words_of("one ALMA couch"), None)
    assert (entity.value, entity.start, entity.end) == ("Alma sofa", 4, 14)


def mended(text: str, words: list[str], tags: list[int] | None = None) -> list[tuple[str, str, str]]:
    """What is found in a text whose mistyped words are read as these: the place's text, the entity and its value."""
    patterns = Patterns((*PATTERNS.regexes, ("day", "<date>")), PATTERNS.lookups, {"alma": "Alma sofa"})
    labels = (("product", None, None), ("city", None, None))
    entities = EntityReader(labels, Matcher(patterns), patterns.synonyms).read(
        text,
        words_of(text),
        None if tags is None else scores_for(tags, 5),
        Speller(words, {"very", "the"}.__contains__).corrected(text),
    )
    return [(text[e.start : e.end], e.entity, e.value) for e in entities]


def test_a_mistyped_value_of_a_list_is_found_where_the_customer_wrote_it_and_has_the_listed_value() -> None:
    assert mended("the amla soffa, in gren", ["alma", "sofa", "green"]) == [
        ("amla soffa", "product", "Alma sofa"),
        ("gren", "color", "green"),
    ]
    assert mended("from frrday on", ["friday"]) == [("frrday", "day", "friday")]


def test_what_the_customer_wrote_goes_before_what_it_may_have_been() -> None:
    written = mended("LWQ7 and LW-10234 for alma sofi", ["sofa", "alma"])
    assert written == [
        ("LWQ7", "code", "LWQ7"),
        ("LW-10234", "order_number", "LW-10234"),
        ("alma sofi", "product", "Alma sofa"),
    ]


def test_a_short_word_is_not_found_by_its_correction_alone() -> None:
    assert mended("may ned gren", ["green", "red"]) == [("gren", "color", "green")]
    assert mended("an amla", ["alma"]) == []


def test_the_models_longer_entity_is_the_place_of_a_mended_one() -> None:
    assert mended("a Haron alam sofa", ["alma", "sofa"], [0, 1, 2, 2]) == [("Haron alam sofa", "product", "Alma sofa")]
    assert mended("a Haron alam sofa", ["alma", "sofa"], [0, 3, 4, 4]) == [("alam sofa", "product", "Alma sofa")]


def test_a_synonym_is_known_by_its_correction() -> None:
    assert mended("an allma", ["alma"], [0, 1]) == [("allma", "product", "Alma sofa")]


@given(st.text(alphabet="LW-10 almsofgreenK\u00f6\u00dfİ😀\n", max_size=60))
def test_places_in_a_corrected_text_are_those_of_the_original(text: str) -> None:
    for written, _, _ in mended(f"{text} amla soffa {text}", ["alma", "sofa", "green"]):
        assert written
        assert written == written.strip()


def example(text: str, *annotations: Annotation) -> Example:
    return Example(text, "ask", annotations)


def tokens_of(text: str, read: Corrected | None = None) -> Tokens:
    return Tokens([], tuple(words_of(text)), read or Corrected(text))


def test_what_only_the_corrected_text_marks_is_not_learnt_as_nothing() -> None:
    one = example("an amla soffa to Novi Sad", Annotation(17, 25, "city"), Annotation(0, 2, "product"))
    labels = {label: number for number, label in enumerate(labels_of([one], PATTERNS))}
    read = Speller(["alma", "sofa"], {"an", "novi"}.__contains__).corrected(one.text)
    tags = tags_of(one, tokens_of(one.text, read), labels, Matcher(PATTERNS))
    assert tags == [3, IGNORED, IGNORED, 0, 1, 2]


def test_examples_give_tags_and_unannotated_pattern_matches_are_not_learnt_as_nothing() -> None:
    one = example("from Novi Sad to Köln", Annotation(5, 13, "city"))
    labels = {label: number for number, label in enumerate(labels_of([one], PATTERNS))}
    assert tags_of(one, tokens_of(one.text), labels, Matcher(PATTERNS)) == [0, 1, 2, 0, IGNORED]


def test_the_model_does_not_learn_what_a_finder_finds() -> None:
    one = example("5 EUR in Novi Sad", Annotation(0, 5, "amount"), Annotation(9, 17, "city"))
    patterns = Patterns(regexes=(("amount", "<money>"),))
    (city,) = labels_of([one], patterns)
    assert city[0] == "city"
    assert tags_of(one, tokens_of(one.text), {city: 0}, Matcher(patterns)) == [0, 0, 0, 1, 2]


def test_values_given_in_annotations_are_kept_except_where_a_regex_describes_the_entity() -> None:
    one = example("#1 to NYC", Annotation(0, 2, "order_number", "LW-1"), Annotation(6, 9, "city", "New York"))
    assert values_of([one], PATTERNS) == {("city", "nyc"): "New York"}


def test_synonyms_are_looked_up_unless_the_examples_use_them_otherwise() -> None:
    patterns = Patterns(
        lookups={"topic": ("all",)},
        synonyms={"everything": "all", "the whole lot": "all", "nowhere": "unknown value"},
    )
    examples = [example("send everything", Annotation(5, 15, "topic", "all"))]
    assert with_synonyms(patterns, examples).lookups == {"topic": ("all", "everything", "the whole lot")}
    examples += [example("everything broke"), example("is everything fine")]
    assert with_synonyms(patterns, examples).lookups == {"topic": ("all", "the whole lot")}
