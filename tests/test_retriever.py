"""Searching by words and by meaning: what each finds, how they are joined, and how sure the answer is."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from weakref import ref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlu.data.article import Article, Section
from nlu.data.examples import Example
from nlu.lexical import Lexical, Words, indexes, pieces
from nlu.retriever import (
    LEXICAL,
    SIGNALS,
    Asked,
    Floats,
    Fusion,
    Retriever,
    Vectors,
    document_texts,
    leads,
    passage_texts,
    question_texts,
)
from nlu.training.fusion import learnt, untaught
from nlu.training.pack import mixed
from nlu.training.shelve import Lines, articles_of, lines_of, taught

TEXTS = ["Shipping costs 4.90 EUR", "The warranty is three years", "Return your parcel within 30 days", ""]


def article(name: str, *sections: str, questions: tuple[str, ...] = (), intents: tuple[str, ...] = ()) -> Article:
    return Article(name, name.title(), f"/help/{name}", intents, questions, tuple(Section("", s) for s in sections))


ARTICLES = [
    article(
        "shipping", "A parcel costs 4.90 EUR.", "Sofas come by truck.", questions=("is postage free", "how much is it")
    ),
    article("returns", "Send it back within 30 days.", questions=("can I send it back",), intents=("ask_returns",)),
    article("jobs", "Write to the personnel department."),
]


def retriever(fusion: Fusion | None = None) -> Retriever:
    """Its vectors are of four numbers: shipping, returns, jobs, and what is common to all."""
    passages = np.array([[1, 0, 0, 0.2], [0.9, 0, 0, 0.3], [0, 1, 0, 0.2], [0, 0, 1, 0.2]], np.float32)
    questions = np.array([[0.8, 0, 0, 0.6], [0.6, 0, 0, 0.8], [0, 0.8, 0, 0.6]], np.float32)
    common = np.array([0.3, 0.2, 0.1], np.float32)
    return Retriever(ARTICLES, vectors(passages, questions, common), fusion or untaught())


def vectors(passages: Floats, questions: Floats, common: Floats) -> Vectors:
    topics = np.zeros((len(common), passages.shape[1] + 1), np.float32)
    return Vectors(passages, questions, common, passages[:0], np.empty(0, np.int64), topics)


def asked(texts: list[str], vectors: Floats, likely: list[dict[str, float]] | None = None) -> Asked:
    """Of texts whose points are where their vectors are."""
    return Asked(texts, vectors, vectors, likely or [{}] * len(texts))


def own_questions(points: Floats | None = None) -> Asked:
    seen = asked(question_texts(ARTICLES), retriever().vectors.questions)
    return seen if points is None else replace(seen, points=points)


NO_LINES = Lines(asked([], np.empty((0, 4), np.float32)), [])


def test_words_are_compared_by_their_stems() -> None:
    shares = Lexical(TEXTS, Words()).shares(["how much does it cost to ship", "WARRANTIES", "years"])
    assert shares.argmax(1).tolist() == [0, 1, 1]


def test_pieces_find_what_a_typo_hides_from_words() -> None:
    typo = ["waranty"]
    assert Lexical(TEXTS, Words()).shares(typo).max() == 0
    assert Lexical(TEXTS, pieces).shares(typo).argmax() == 1


def test_a_word_that_is_nowhere_makes_the_rest_count_less() -> None:
    lexical = Lexical(TEXTS, Words())
    known, beside = lexical.shares(["warranty", "warranty zeppelin"]).max(1)
    assert 0 < beside < known <= 1


def test_the_index_logs_nothing_below_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    Lexical(TEXTS, pieces)
    assert caplog.records == []


@pytest.mark.parametrize("text", ["", "?!", "  ", "\ud800", "a" * 100_000, "\u0130" * 50])
def test_any_text_may_be_looked_up(text: str) -> None:
    for tokens in (Words(), pieces):
        assert np.isfinite(Lexical(TEXTS, tokens).shares([text])).all()
        assert Lexical(["", "-"], tokens).shares([text]).tolist() == [[0, 0]]


@settings(deadline=None)
@given(st.text(max_size=40), st.integers(0, 3))
def test_what_is_no_part_of_a_text_is_the_same_with_and_without_it(text: str, number: int) -> None:
    """The two ways to the formula, the library's and ours, agree."""
    lexical = Lexical(["alpha beta beta", "gamma", "alpha delta epsilon", "zeta"], Words())
    asked = f"alpha {text}"
    if number in (1, 3):  # without "alpha"
        assert lexical.share_without(asked, number) == pytest.approx(lexical.shares([asked])[0, number], abs=1e-6)


def test_an_article_is_scored_as_if_a_question_were_not_in_it() -> None:
    with_it = Lexical(["how much is postage\nshipping is free", "returns"], Words())
    never = Lexical(["shipping is free", "returns"], Words())
    assert with_it.share_without("how much is postage", 0) < with_it.shares(["how much is postage"])[0, 0] / 2
    assert never.shares(["how much postage"])[0, 0] == 0


def test_an_index_takes_a_few_bytes_for_each_word_of_a_text() -> None:
    """The service keeps it while it runs."""
    texts = [" ".join(f"{number * place % 97}th" for place in range(100)) for number in range(1, 201)]
    entries = sum(len(set(pieces(text))) for text in texts)
    tracemalloc.start()
    index = Lexical(texts, pieces)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert index.shares(["1th"]).any()
    assert taken < 30 * entries


def test_both_kinds_of_search_find_the_article_and_its_closest_passage() -> None:
    vector = np.array([[0.9, 0, 0, 0.4], [0, 0, 0, 1]], np.float32)
    by_meaning, by_words = retriever().find(asked(["delivery fees?", "personnel department"], vector), 0.5)
    assert by_meaning[0].article == "shipping"
    assert by_words[0].article == "jobs"
    assert by_words[0].text == "Write to the personnel department."
    assert (by_words[0].title, by_words[0].url) == ("Jobs", "/help/jobs")


def test_the_texts_intent_counts() -> None:
    vector = np.array([[0.6, 0.5, 0, 0.6]] * 2, np.float32)
    plain, meant = retriever().find(asked(["hm", "hm"], vector, [{}, {"ask_returns": 0.9}]), 0.5)
    assert plain[0].article == "shipping"
    assert meant[0].article == "returns"


def test_only_the_first_can_be_sure_and_a_lead_makes_it_surer() -> None:
    fusion = Fusion(np.ones(len(SIGNALS), np.float32), np.array([0.1, 2.0, -0.4], np.float32))
    clear, close = fusion.likely(np.array([[3.0, 1.0, 0.5], [3.0, 2.9, 0.5]], np.float32))
    assert clear[0] > 0.9 > close[0] > 0.5 > close[1]


def test_leads_are_over_the_best_of_the_others() -> None:
    assert leads(np.array([[3.0, 1.0, 2.0]], np.float32)).tolist() == [[1, -2, -1]]
    assert leads(np.array([[2.0, 2.0]], np.float32)).tolist() == [[0, 0]]
    assert leads(np.array([[5.0]], np.float32)).tolist() == [[0]]


def test_a_question_is_asked_as_if_it_were_no_key_itself() -> None:
    vectors = retriever().vectors
    _, signals = taught(ARTICLES, vectors, vectors.passages, own_questions(), NO_LINES)
    question, words = SIGNALS.index("question"), SIGNALS.index("words")
    assert signals[0, 0, question] == pytest.approx(0.8 * 0.6 + 0.6 * 0.8, abs=5e-3), (
        "the other question of the article"
    )
    assert signals[2, 1, question] == -1, "there is no other"
    as_key = retriever().near(asked(["is postage free"], np.zeros((1, 4), np.float32)))
    assert signals[0, 0, words] < as_key.words[0, 0]


def test_customers_lines_become_keys_of_the_article_that_their_intent_allows() -> None:
    """By its words alone the line would be about shipping; its intent says returns."""
    examples = [Example("is postage free when I send it back", "ask_returns"), Example("hello", "greet")]
    embeddings = np.array([[0.6, 0.5, 0, 0.6], [0, 0, 0, 1]], np.float32)
    rows, vectors = lines_of(ARTICLES, examples), retriever().vectors
    lines = Lines(asked([examples[row].text for row in rows], embeddings[rows]), ["ask_returns"])
    found, _ = taught(ARTICLES, vectors, vectors.passages, own_questions(), lines)
    assert rows == [0]
    assert found.vectors.line_articles.tolist() == [1]
    assert found.vectors.lines.tolist() == embeddings[:1].tolist()
    (best, *_), *_ = found.find(asked(["when I send"], embeddings[:1]), 0.5)
    assert best.article == "returns"


def test_the_classifier_of_articles_looks_at_points_not_at_meaning_in_general() -> None:
    """The points say the opposite of the vectors."""
    vectors = retriever().vectors
    of_passages, of_questions = vectors.passages[:, [1, 2, 0, 3]], vectors.questions[:, [1, 2, 0, 3]]
    found, _ = taught(ARTICLES, vectors, of_passages, own_questions(of_questions), NO_LINES)
    seen = replace(asked(["x"] * 4, vectors.passages), points=of_passages)
    assert found.near(seen).topics.argmax(1).tolist() == [0, 0, 1, 2]
    assert found.near(replace(seen, points=vectors.passages)).topics.argmax(1).tolist() != [0, 0, 1, 2]


def _questions(count: int, useful: str, plain: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Signals of which one alone tells the right article, and only mostly."""
    random = np.random.default_rng(0)
    right = random.integers(5, size=count)
    signals = random.random((count, 5, len(SIGNALS))).astype(np.float32) * 0.3
    signals[np.arange(count), right, SIGNALS.index(useful)] += plain
    return signals, right


@pytest.mark.parametrize("useful", ["passage", "words"])
def test_what_tells_the_article_gets_the_weight(useful: str) -> None:
    fusion = learnt(*_questions(500, useful), np.empty((0, 5, len(SIGNALS)), np.float32))
    assert SIGNALS[int(fusion.weights.argmax())] == useful
    assert fusion.weights.min() >= 0


def test_a_few_questions_hardly_change_the_first_weights() -> None:
    fusion = learnt(*_questions(2, "words"), np.empty((0, 5, len(SIGNALS)), np.float32))
    assert np.abs(fusion.weights / untaught().weights - 1).max() < 0.2


def test_a_signal_that_is_not_used_has_no_weight() -> None:
    dense = tuple(name for name in SIGNALS if name not in LEXICAL)
    fusion = learnt(*_questions(50, "passage"), np.empty((0, 5, len(SIGNALS)), np.float32), dense)
    assert [bool(weight) for weight in fusion.weights] == [name in dense for name in SIGNALS]


def test_sure_means_probably_right() -> None:
    signals, right = _questions(1000, "passage", 0.15)
    strange = np.random.default_rng(1).random((200, 5, len(SIGNALS))).astype(np.float32) * 0.3
    fusion = learnt(signals, right, strange)
    joined, beyond = fusion.joined(signals), fusion.joined(strange)
    chance, hit = fusion.likely(joined).max(1), joined.argmax(1) == right
    astray = fusion.likely(beyond).max(1)
    assert chance.mean() + astray.mean() == pytest.approx(hit.mean(), abs=0.05), (
        "strangers weigh as much and are never hit"
    )
    assert chance[hit].mean() > chance[~hit].mean() + 0.1 > astray.mean()


def test_a_fusion_survives_its_json() -> None:
    fusion = learnt(*_questions(20, "words"), np.empty((0, 5, len(SIGNALS)), np.float32))
    again = Fusion.from_json(fusion.to_json())
    assert np.array_equal(again.weights, fusion.weights)
    assert np.array_equal(again.certainty, fusion.certainty)


def test_every_question_knows_its_article() -> None:
    assert articles_of(ARTICLES).tolist() == [0, 0, 1]
    assert len(passage_texts(ARTICLES)) == 4


def test_a_model_keeps_no_question_and_its_search_misses_nothing() -> None:
    """Customers' own questions are among an article's, and may be erased."""
    kept = [mixed(one) for one in ARTICLES]
    assert kept[0].questions == ("free how is is it much postage", "")
    assert [len(one.questions) for one in kept] == [len(one.questions) for one in ARTICLES]
    texts = ["is postage free", "how much", "Can I send it bakc?", "nothing"]
    before, after = (indexes(document_texts(some)) for some in (ARTICLES, kept))
    np.testing.assert_array_equal(before.words.shares(texts), after.words.shares(texts))
    np.testing.assert_array_equal(before.pieces.shares(texts), after.pieces.shares(texts))


def test_models_that_say_the_same_share_their_index_and_it_goes_with_the_last() -> None:
    with ThreadPoolExecutor(4) as threads:
        alike = list(threads.map(lambda _: retriever().lexical, range(8)))
    assert len(set(alike)) == 1
    words, other = ref(alike[0].words), indexes(document_texts(ARTICLES[:2]))
    assert other is not alike[0]
    del alike
    assert words() is None
