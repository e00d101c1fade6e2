"""What a reviewer says about articles, those that have to be written among them, and the conversation that they see."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
import yaml
from rich.console import Console as Screen

from bot.journal.journal import Journal
from bot.journal.values import Kind, Review, Reviewed
from bot.learning.around import AFTER, BEFORE, NO_CONVERSATION, said_around
from bot.learning.articles import article_named, draft, unwritten
from bot.learning.deciding import BadDecision
from bot.learning.labels import labelled
from bot.learning.queue import queue_of
from bot.learning.terminal import Round
from bot.messages import Inbound
from nlu.data.article import Article
from nlu.data.examples import Example, TrainingData
from tests.seer import Seer, said

ARTICLE = Article("returns", "Returns", "/help/returns", (), (), ())
DATA = TrainingData((Example("where is my parcel", "track"),), articles=(ARTICLE,))


def answered(text: str, number: int, article: str) -> Reviewed:
    return Reviewed(said(text, number), Review(number, Kind.ARTICLE, article, "ada"))


GIVEN = [
    answered("can i send it back", 1, "returns"),
    answered("do you take the old sofa", 2, "old-furniture"),
    answered("old bed removal, i am <name>", 3, "old-furniture"),
    answered("do you take the old sofa", 4, "old-furniture"),
]


def test_questions_wait_for_an_article_that_has_to_be_written() -> None:
    found = labelled(GIVEN, [], DATA)
    assert found.learned.questions == (("returns", "can i send it back"),)
    assert len(found.learned.keys) == 1, "from the others nothing is learnt yet"
    assert found.unwritten == {"old-furniture": 2}
    assert "1 question that articles answer" in found.to_text()
    assert "The article old-furniture has to be written: 2 questions wait for it" in found.to_text()
    written = replace(DATA, articles=(ARTICLE, replace(ARTICLE, id="old-furniture")))
    assert len(labelled(GIVEN, [], written).learned.questions) == 4
    assert unwritten(GIVEN, {"returns", "old-furniture"}) == {}


def test_an_article_begins_with_the_questions_that_wait_for_it() -> None:
    _, head, body = draft("old-furniture", GIVEN).split("---\n")
    told = yaml.safe_load(head)
    assert told["questions"][0] == "do you take the old sofa"
    assert len(told["questions"]) == 2
    assert "<name>" not in told["questions"][1]
    assert (told["title"], told["url"]) == ("Old furniture", "/help/old-furniture")
    assert "Write here" in body
    with pytest.raises(BadDecision, match="There are some for old-furniture, returns"):
        draft("nothing", GIVEN)


def test_an_article_is_named_as_its_file() -> None:
    assert article_named("  Old furniture, taken back? ") == "old-furniture-taken-back"
    for title in ("", "?!"):
        with pytest.raises(BadDecision):
            article_named(title)


async def talked(journal: Journal, count: int) -> None:
    for number in range(1, count + 1):
        await journal.accept(Inbound("c1", f"m{number}", f"line {number} | .6", "rest", float(number)))


async def test_a_reviewer_sees_what_was_said_before_and_after(journal: Journal) -> None:
    await talked(journal, 12)
    around = await said_around(journal, replace(said("b | .6"), message="7.2"))
    assert [entry.seq for entry in around] == list(range(7 - BEFORE, 7 + AFTER + 1))
    assert [entry.seq for entry in await said_around(journal, said("b | .6"))] == [1, 2, 3]
    assert await said_around(journal, replace(said("b | .6"), conversation="gone")) == []
    assert not await said_around(journal, replace(said("b | .6"), source="csv"))


async def round_of(journal: Journal, keys: str, *lines: str, texts: Sequence[str] = ("b | .6",)) -> str:
    await journal.keep_utterances([said(text, number) for number, text in enumerate(texts, 1)])
    found = await journal.newest_utterances()
    pressed, typed = iter(keys), iter(lines)
    written = io.StringIO()
    screen = Screen(file=written, width=60, soft_wrap=True)
    items = queue_of(found, Seer())  # type: ignore[arg-type]  # as much of a model as it needs
    at = Round(journal, items, [], [], "ada", screen, lambda: next(pressed, "q"), lambda _: next(typed, ""))
    await at.play()
    return written.getvalue()


async def test_the_terminal_shows_the_conversation(journal: Journal) -> None:
    assert NO_CONVERSATION in await round_of(journal, "c")
    await talked(journal, 2)
    assert "customer: line 2 | .6" in await round_of(journal, "c")


async def test_the_terminal_shows_long_texts_to_their_end(journal: Journal) -> None:
    long = "b " + "two " * 30 + "end | .7"
    assert "end | .7" in await round_of(journal, "", texts=("b one | .6", long))


async def test_in_the_terminal_an_article_is_asked_for(journal: Journal) -> None:
    assert "no name for an article" in await round_of(journal, "w", "?")
    assert await journal.reviewed() == []
    assert "old-furniture" in await round_of(journal, "w", "Old furniture")
    assert [(one.review.kind, one.review.label) for one in await journal.reviewed()] == [
        (Kind.ARTICLE, "old-furniture")
    ]


def test_how_many_messages_a_question_stands_for_is_told_as_it_is() -> None:
    texts = ["b one | .6", "a | .9", "b two | .7", "a | .9"]
    found = queue_of([said(text, number) for number, text in enumerate(texts, 1)], Seer())  # type: ignore[arg-type]
    assert {item.texts[0][0]: item.said for item in found.items} == {"b": "2 messages", "a": "said 2 times"}
