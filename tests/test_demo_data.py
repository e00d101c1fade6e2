"""The demo assistant's data: enough of it, consistent, and nothing held out in what training reads."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bot.checks import problems_of
from nlu.data.examples import Example
from nlu.data.reader import read_examples, read_training_data
from nlu.evaluation.measure import read_texts
from nlu.source import read_yaml
from tests.demo import DATA

ROOT = Path(__file__).parents[1]
TRAINING = read_training_data(DATA)
HELD_OUT = read_examples(DATA / "test" / "nlu.yml").examples
OUTLIERS = read_examples(DATA / "test" / "out_of_scope.yml").examples
CANARIES = read_texts(DATA / "canaries")
ARTICLES = {article.id: article for article in TRAINING.articles}


def _questions() -> list[tuple[str, str]]:
    with (DATA / "test" / "knowledge.csv").open(newline="", encoding="utf-8") as file:
        return [(row["question"], row["article"]) for row in csv.DictReader(file)]


def _bare(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()


def test_nothing_is_wrong_with_the_assistant() -> None:
    assert [problem.sentence for problem in problems_of(DATA)] == []


def test_every_intent_has_varied_examples_and_held_out_lines() -> None:
    examples = Counter(example.intent for example in TRAINING.examples if not example.outlier)
    held_out = Counter(example.intent for example in HELD_OUT)
    assert len(examples) >= 40
    assert min(examples.values()) >= 25
    assert examples.keys() == held_out.keys()
    assert min(held_out.values()) >= 10
    assert len(OUTLIERS) >= 200


def test_there_are_entities_articles_and_conversations_enough() -> None:
    entities = {a.entity for example in TRAINING.examples for a in example.annotations}
    cases = [c for path in (DATA / "conversations").glob("*.yml") for c in read_yaml(path).value["test_cases"].value]
    assert len(entities) >= 12
    assert len(ARTICLES) >= 80
    assert len(cases) >= 60
    assert len(_questions()) >= 150


def test_every_held_out_question_has_an_article() -> None:
    assert {article for _, article in _questions()} <= ARTICLES.keys()


def test_no_line_that_scores_is_a_line_that_trains() -> None:
    def bare(examples: Sequence[Example]) -> set[str]:
        return {_bare(example.text) for example in examples}

    trained = bare(TRAINING.examples) | {_bare(q) for article in TRAINING.articles for q in article.questions}
    scored = bare(HELD_OUT) | bare(OUTLIERS) | {_bare(question) for question, _ in _questions()}
    canaries = bare(CANARIES.examples) | {_bare(question) for question, _ in CANARIES.questions}
    assert {line for line in trained & scored if line} == set()
    assert {line for line in canaries & (trained | scored) if line} == set()


def test_every_intent_has_a_canary() -> None:
    assert {example.intent for example in CANARIES.examples} >= set(TRAINING.intents)
    assert {article for _, article in CANARIES.questions} <= ARTICLES.keys()


def test_links_between_articles_lead_somewhere() -> None:
    urls = {article.url for article in TRAINING.articles}
    linked = {
        link for a in TRAINING.articles for s in a.sections for link in re.findall(r"\]\((/help/[^)\s]+)\)", s.text)
    }
    assert linked <= urls


def test_the_prices_on_the_demo_page_are_those_of_the_articles() -> None:
    page = (ROOT / "bot" / "widget" / "demo" / "demo.js").read_text("utf-8")
    told = [s.text for article in ARTICLES.values() for s in article.sections if re.search(r" costs?$", s.heading)]
    goods = re.findall(r"\['[a-z-]+', '([^']+)', '[^']+', '([0-9.]+)'\]", page)

    assert len(goods) >= 20
    for name, price in goods:
        spoken = f"{float(price):,.2f} EUR".replace(".00 ", " ")
        assert [text for text in told if name.removesuffix(" set") in text and spoken in text], (name, spoken)
