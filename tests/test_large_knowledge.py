"""A knowledge base of many passages: a few articles are named and compared in full, and nothing else is read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import nlu.large.keys
import nlu.training.shelve
from nlu.data.article import Article, Section
from nlu.large import postings as module
from nlu.large.catalogue import ARRAYS, INDEX, Catalogue
from nlu.large.keys import Floats, Keys
from nlu.large.postings import Postings
from nlu.large.retriever import USED, Wide
from nlu.lexical import Lexical, Words
from nlu.load import load_model
from nlu.manifest import ModelError, read_manifest, write_manifest
from nlu.registry import Registry
from nlu.retriever import SIGNALS, Asked, Fusion, Retriever, Vectors, document_texts, question_texts
from nlu.training.fusion import FIRST, untaught
from nlu.training.options import Step
from nlu.training.shelve_large import catalogue, joined
from nlu.training.train import train
from nlu.types import Tune
from tests.test_nlu_model import OPTIONS, write_data

WORDS = [f"w{number:x}" for number in range(2000)]
WIDTH = 48
Trained = tuple[Path, list[Step], list[Step]]
"""Where a model and one of its head lie, and what was told of both trainings."""


def silent(_: float) -> None:
    """Nobody is told."""


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a knowledge base of more than 100,000 passages."""
    monkeypatch.setattr(nlu.large.keys, "EXACT", 3)


def unit(vectors: NDArray[Any]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def made(count: int) -> tuple[list[Article], Floats, Floats]:
    """Articles of two passages about their own words and place, every third with two questions."""
    random = np.random.default_rng(0)
    articles = [
        Article(
            f"a{number}",
            " ".join(random.choice(WORDS, 3)),
            "",
            ("ask",) if number % 50 == 0 else (),
            tuple(" ".join(random.choice(WORDS, 4)) for _ in range(2 * (number % 3 == 0))),
            tuple(Section(f"s{part}", " ".join(random.choice(WORDS, 12))) for part in range(2)),
        )
        for number in range(count)
    ]
    places = unit(random.standard_normal((count, WIDTH)).astype(np.float32))
    asked = [number for number, article in enumerate(articles) for _ in article.questions]
    owners = [*np.arange(count).repeat(2).tolist(), *asked]
    around = unit(places[owners] + 0.1 * random.standard_normal((len(owners), WIDTH)))
    return articles, around[: 2 * count], around[2 * count :]


def asked_of(articles: list[Article], questions: Floats, count: int = 60) -> Asked:
    """Texts that share words with an article's questions and lie near them."""
    random = np.random.default_rng(1)
    rows = random.integers(len(questions), size=count)
    near = unit(questions[rows] + 0.1 * random.standard_normal((count, WIDTH)))
    texts = [" ".join(question_texts(articles)[row].split()[:3]) for row in rows]
    return Asked(texts, near, near, [{"ask": 0.7}] * count)


def test_the_nearest_vectors_are_those_of_the_exact_product(tmp_path: Path) -> None:
    _, passages, _ = made(2000)
    keys = Keys.of(passages, silent)
    for vector in passages[:20]:
        exact = set(np.argsort(-(passages @ vector))[:10].tolist())
        rows = keys.near(vector, 40)
        assert len(rows) == 40
        assert exact <= set(rows.tolist())
        assert keys.cosines(vector, rows) == pytest.approx(passages[rows] @ vector, abs=2e-3)


@pytest.mark.usefixtures("indexed")
def test_where_there_are_more_vectors_more_are_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nlu.large.keys, "_LOOKED_AT_OF_A_MILLION", 100_000_000)
    index = Keys.of(np.eye(7, 16, dtype=np.float32), silent).index
    assert index is not None
    index.save(tmp_path / "index")
    read = nlu.large.keys.opened(str(tmp_path / "index"))
    assert index.expansion_search == read.expansion_search == 700


@pytest.mark.usefixtures("indexed")
def test_an_index_finds_nearly_all_of_them_without_the_matrix() -> None:
    _, passages, _ = made(5000)
    told: list[float] = []
    keys = Keys.of(passages, told.append)
    assert len(keys.coarse) == 0
    assert sum(told) == len(passages)
    exact = [set(np.argsort(-(passages @ vector))[:10].tolist()) for vector in passages[:100]]
    found = [set(keys.near(vector, 40).tolist()) for vector in passages[:100]]
    assert sum(len(a & b) for a, b in zip(exact, found, strict=True)) >= 0.98 * 1000


@settings(deadline=None)
@given(st.text(max_size=30), st.lists(st.integers(0, 3), max_size=4, unique=True))
def test_postings_give_the_shares_that_reading_every_article_gives(text: str, numbers: list[int]) -> None:
    texts = ["alpha beta beta", "gamma shipping", "alpha delta epsilon", "\ud800 zeta"]
    some, asked = np.array(sorted(numbers), np.int64), f"alpha shipped {text}"
    shares = Postings.of(texts, silent).shares(asked, some)
    assert shares == pytest.approx(Lexical(texts, Words()).shares([asked])[0][some], abs=1e-6)


def test_a_part_of_an_article_is_scored_as_if_it_were_not_there() -> None:
    texts = ["how much is postage\nshipping is free", "returns", "postage returns"]
    found = Postings.of(texts, silent).share_without("how much is postage", texts[0])
    assert found == pytest.approx(Lexical(texts, Words()).share_without("how much is postage", 0), abs=1e-6)


def test_common_words_name_no_articles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ", 2)
    postings = Postings.of(["the lamp", "the sofa", "the chair", "the sofa bed"], silent)
    assert postings.best("the sofa", 5).tolist() == [1, 3]
    assert postings.best("the", 5).tolist() == []
    assert postings.best("", 5).tolist() == []


def fusion() -> Fusion:
    """Of the signals that a large knowledge base has."""
    weights = np.where([name in USED for name in SIGNALS], FIRST, 0).astype(np.float32)
    return replace(untaught(), weights=weights)


def test_few_articles_are_compared_and_the_answers_are_those_of_comparing_all() -> None:
    articles, passages, questions = made(3000)
    known, asked = catalogue(articles, passages, questions, silent), asked_of(articles, questions)
    wide = Wide(articles, known, fusion())
    nothing = np.zeros((len(articles), WIDTH + 1), np.float32)
    vectors = Vectors(passages, questions, known.common, passages[:0], np.empty(0, np.int64), nothing)
    exact = Retriever(articles, vectors, fusion()).find(asked, 0.5)
    found = wide.find(asked, 0.5)
    assert max(len(wide.candidates(*one)) for one in zip(asked.texts, asked.embeddings, strict=True)) < 200
    assert [(best.article, best.section) for best, *_ in found] == [(best.article, best.section) for best, *_ in exact]
    assert [best.score for best, *_ in found] == pytest.approx([best.score for best, *_ in exact], abs=0.02)


def test_what_joins_the_signals_is_learnt_from_questions_as_if_they_were_new() -> None:
    """Their own vectors and words find them; the questions beside them and the passages have to."""
    articles, passages, questions = made(300)
    known = catalogue(articles, passages, questions, silent)
    texts = question_texts(articles)
    asked = Asked(texts, questions, questions, [{}] * len(texts))
    found = joined(articles, known, asked, np.arange(len(texts)) + len(passages), replace(asked, texts=[]))
    weights = dict(zip(SIGNALS, found.weights.tolist(), strict=True))
    assert (weights["pieces"], weights["topic"]) == (0, 0)
    assert weights["words"] < untaught().weights[SIGNALS.index("words")], "without the question no word speaks for it"
    wide = Wide(articles, known, found)
    best = [first.article for first, *_ in wide.find(asked_of(articles, questions), 0.5)]
    assert len(set(best)) > 20


def test_a_catalogue_without_questions_is_joined_as_the_first_weights_say() -> None:
    articles = [replace(article, questions=()) for article in made(30)[0]]
    passages = made(30)[1]
    known, nothing = catalogue(articles, passages, passages[:0], silent), Asked([], passages[:0], passages[:0], [])
    found = joined(articles, known, nothing, np.empty(0, np.int64), nothing)
    assert np.array_equal(found.weights, fusion().weights)
    asked = Asked(document_texts(articles)[:3], passages[:6:2], passages[:6:2], [{}] * 3)
    assert [first.article for first, *_ in Wide(articles, known, found).find(asked, 0.5)] == ["a0", "a1", "a2"]


@pytest.mark.usefixtures("indexed")
def test_a_catalogue_survives_its_directory_and_can_be_written_from_there(tmp_path: Path) -> None:
    articles, passages, questions = made(200)
    known = catalogue(articles, passages, questions, silent)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    known.write(first)
    again = Catalogue.read(first)
    assert again is not None
    again.write(second)
    assert [(first / name).read_bytes() == (second / name).read_bytes() for name in (ARRAYS, INDEX)] == [True, True]
    asked = asked_of(articles, questions)
    assert Wide(articles, again, fusion()).find(asked, 0.5) == Wide(articles, known, fusion()).find(asked, 0.5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder, steps, of_the_head = tmp_path_factory.mktemp("large"), list[Step](), list[Step]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nlu.large.keys, "EXACT", 3)
        patch.setattr(nlu.training.shelve, "LARGE", 1)
        options = replace(OPTIONS, epochs=1, log_to="none")
        train(write_data(folder / "data"), folder / "model", options, steps.append)
        options = replace(options, tune=Tune.HEAD)
        train(folder / "data", folder / "head", options, of_the_head.append, last=folder / "model")
    return folder, steps, of_the_head


def test_a_large_knowledge_base_is_trained_packed_listed_and_answers(trained: Trained) -> None:
    folder, steps, _ = trained
    listed = json.loads((folder / "model" / "manifest.json").read_text())["files"]
    assert {ARRAYS, INDEX, "kb.json"} <= set(listed)
    assert "kb.safetensors" not in listed
    assert steps[-1].share == pytest.approx(1.0, abs=0.05)
    for name in ("model", "head"):
        model = load_model(folder / name, device="cpu", threads=1)
        assert isinstance(model.retriever, Wide)
        (found,) = model.understand_now(["what do I pay for delivery"])
        assert found.passages[0].article == "shipping-cost"


def test_a_training_of_the_head_takes_the_index_over(trained: Trained) -> None:
    folder, _, steps = trained
    assert "reading the knowledge base" not in {step.doing for step in steps}
    assert (folder / "model" / INDEX).read_bytes() == (folder / "head" / INDEX).read_bytes()


@pytest.mark.parametrize("name", [INDEX, ARRAYS])
def test_a_damaged_index_is_refused_as_other_damage_is(name: str, trained: Trained, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home")
    registry.sign(trained[0] / "model")
    (model,) = [registry.add(trained[0] / "model")]
    file = registry.folder / model / name
    content = file.read_bytes()
    file.write_bytes(content[:-40] + bytes(byte ^ 1 for byte in content[-40:]))
    with pytest.raises(ModelError, match="not what training wrote"):
        registry.check(model)
    file.write_bytes(content)
    assert registry.is_sound(model)


@pytest.mark.parametrize("content", [b"", b"no index", b"usearch" + bytes(500)])
def test_what_is_no_index_is_a_sentence_even_where_the_manifest_lists_it(
    content: bytes, trained: Trained, tmp_path: Path
) -> None:
    shutil.copytree(trained[0] / "model", tmp_path / "model")
    (tmp_path / "model" / INDEX).write_bytes(content)
    write_manifest(tmp_path / "model", read_manifest(tmp_path / "model"))
    with pytest.raises(ModelError, match="Train it again"):
        load_model(tmp_path / "model", device="cpu", threads=1)


def test_an_index_of_other_vectors_or_none_is_refused_in_a_sentence(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained[0] / "model", tmp_path / "model")
    monkeypatch.setattr(nlu.large.keys, "EXACT", 3)
    other = Keys.of(np.eye(7, 16, dtype=np.float32), silent).index
    assert other is not None
    other.save(str(tmp_path / "model" / INDEX))
    for _ in range(2):
        write_manifest(tmp_path / "model", read_manifest(tmp_path / "model"))
        with pytest.raises(ModelError, match="Train it again"):
            load_model(tmp_path / "model", device="cpu", threads=1)
        (tmp_path / "model" / INDEX).unlink(missing_ok=True)
