"""What people and customers say about utterances becomes labels, and strangers cannot teach the assistant alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console as Screen

from bot.config import Settings
from bot.journal.journal import Journal
from bot.journal.values import Kind, Review, Reviewed, Utterance
from bot.learning.deciding import ANSWERED, BadDecision, reviews
from bot.learning.exporting import as_yaml
from bot.learning.labels import (
    CHOSEN_WEIGHT,
    FINISHED_WEIGHT,
    LIKED_WEIGHT,
    MOST_OF_ONE,
    MOST_OF_PHRASE,
    PRESSED_WEIGHT,
    Found,
    labelled,
)
from bot.learning.live import LiveQueue
from bot.learning.looking import Looks, Tell
from bot.learning.queue import SAID, Group, Queue, open_queue, queue_of
from bot.learning.terminal import Round
from bot.printed import bars
from nlu.data.article import Article
from nlu.data.examples import Example, TrainingData
from nlu.learning.learned import Learned, joined, used
from nlu.learning.placeholders import STAND_INS, filled
from nlu.learning.worth import clusters
from nlu.lineage import lineage_key
from nlu.nearest import Nearest
from nlu.understand import Insight
from tests.seer import DAY, Seer, said

DATA = TrainingData((Example("where is my parcel", "track"), Example("i want my money back", "refund")))


def word(utterance: Utterance, kind: Kind, label: str | None = None) -> Reviewed:
    return Reviewed(utterance, Review(utterance.id, kind, label, "ada"))


async def kept(journal: Journal, *texts: str) -> list[Utterance]:
    await journal.keep_utterances([said(text, number) for number, text in enumerate(texts, 1)])
    return (await journal.newest_utterances())[::-1]


# -- decisions


async def test_the_last_word_counts_and_can_be_taken_back(journal: Journal) -> None:
    first, second, third = await kept(journal, "parcel?", "box?", "poem")
    await journal.decide(reviews([first.id, second.id], Kind.INTENT, "track", "ada"))
    await journal.decide(reviews([second.id, third.id], Kind.OUT_OF_SCOPE, None, "bob"))
    found = {one.utterance.text: (one.review.kind, one.review.label) for one in await journal.reviewed()}
    assert found == {
        "parcel?": (Kind.INTENT, "track"),
        "box?": (Kind.OUT_OF_SCOPE, None),
        "poem": (Kind.OUT_OF_SCOPE, None),
    }
    assert await journal.review_counts() == {"open": 0, "intent": 1, "out_of_scope": 2}

    assert await journal.undo("bob") == [second.id, third.id]
    assert {one.utterance.text: one.review.label for one in await journal.reviewed()} == {
        "parcel?": "track",
        "box?": "track",
    }
    assert [one.text for one in await journal.unreviewed(10)] == ["poem"]
    assert await journal.undo("bob") == []


async def test_of_an_utterance_that_is_gone_nothing_is_kept(journal: Journal) -> None:
    (one,) = await kept(journal, "parcel?")
    await journal.decide(reviews([one.id, 77], Kind.IGNORE, None, "ada"))
    assert [found.utterance.id for found in await journal.reviewed()] == [one.id]


async def test_answers_to_a_forms_question_are_not_asked_about(journal: Journal) -> None:
    asked = replace(said("LW-1", 1), asked="order", signals={"rating": "up"})
    await journal.keep_utterances([asked, replace(said("box?", 2), signals={"pressed": "track"})])
    assert [one.text for one in await journal.unreviewed(10)] == ["box?"]
    assert [one.text for one in await journal.answered_for()] == ["box?"]
    for name in ("ada", "bob"):
        await journal.decide(reviews([1], Kind.IGNORE, None, name))
    assert await journal.review_counts() == {"open": 1, "ignore": 1}


@pytest.mark.parametrize(("kind", "label"), [(Kind.INTENT, "/restart"), (Kind.INTENT, ""), (Kind.ARTICLE, None)])
def test_a_bad_decision_is_a_sentence(kind: Kind, label: str | None) -> None:
    with pytest.raises(BadDecision):
        reviews([1], kind, label, "ada")
    with pytest.raises(BadDecision):
        reviews([], Kind.IGNORE, None, "ada")


def test_a_name_is_written_as_names_are() -> None:
    assert reviews([1, 1], Kind.INTENT, " gift wrap ", "ada") == [Review(1, Kind.INTENT, "gift_wrap", "ada")]
    assert reviews([1], Kind.INTENT, "out_of_scope", "ada") == [Review(1, Kind.OUT_OF_SCOPE, None, "ada")]


# -- labels


def examples_of(found: Found) -> set[tuple[str, str, float]]:
    return {(e.text, e.intent, e.weight) for e in found.learned.examples}


def pressed(intent: str, customers: Iterable[int], text: str = "my box", **more: Any) -> list[Utterance]:
    return [said(text, number, signals={"pressed": intent}, **more) for number in customers]


def test_what_people_decide_counts_in_full_and_ignored_words_not_at_all() -> None:
    found = labelled(
        [
            word(said("my box", 1), Kind.INTENT, "track"),
            word(said("My  box", 2), Kind.INTENT, "refund"),
            word(said("a poem", 3), Kind.OUT_OF_SCOPE),
            word(said("hm", 4), Kind.IGNORE),
        ],
        [],
        DATA,
    )
    assert examples_of(found) == {("My  box", "refund", 1.0), ("a poem", "out_of_scope", 1.0)}
    assert found.learned.keys == (lineage_key("journal", "c2", "1"), lineage_key("journal", "c3", "1"))
    assert not any(example.marked for example in found.learned.examples)


def test_a_new_intent_waits_for_its_fifth_example() -> None:
    four = [word(said(f"wrap {number}", number), Kind.INTENT, "gift_wrap") for number in range(4)]
    found = labelled(four, [], DATA)
    assert (found.learned.examples, found.waiting) == ((), {"gift_wrap": 4})
    fifth = labelled([*four, word(said("wrap it", 9), Kind.INTENT, "gift_wrap")], [], DATA)
    assert (len(fifth.learned.examples), fifth.waiting) == (5, {})


def test_strangers_count_once_three_of_them_agree_on_two_days() -> None:
    assert not examples_of(labelled([], pressed("track", [1, 2]), DATA))
    assert examples_of(labelled([], pressed("track", [1, 2, 3]), DATA)) == {("my box", "track", PRESSED_WEIGHT)}
    same_day = [replace(one, at=0.0) for one in pressed("track", range(50))]
    assert not examples_of(labelled([], same_day, DATA))
    assert not examples_of(labelled([], [*pressed("track", [1, 2, 3]), *pressed("refund", [4])], DATA))


def picked(*labels: str, text: str = "my box", number: int = 1, **more: Any) -> Utterance:
    return said(text, number, signals={"labels": list(labels), **more})


def test_what_people_chose_who_took_over_counts_without_others() -> None:
    assert examples_of(labelled([], [picked("track", "vip")], DATA)) == {("my box", "track", CHOSEN_WEIGHT)}
    assert examples_of(labelled([word(said("my box", 9), Kind.INTENT, "refund")], [picked("track")], DATA)) == {
        ("my box", "refund", 1.0)
    }


def test_a_label_is_an_intents_name_however_it_is_spelled() -> None:
    data = TrainingData((Example("where is it", "Order_Status"), Example("money", "refund")))
    assert examples_of(labelled([], [picked("order-status")], data)) == {("my box", "Order_Status", CHOSEN_WEIGHT)}


@pytest.mark.parametrize("labels", [(), ("vip",), ("track", "refund"), ("human",), ("out_of_scope",)])
def test_labels_that_name_no_intent_or_several_label_nothing(labels: tuple[str, ...]) -> None:
    data = replace(DATA, examples=(*DATA.examples, Example("a person", "human"), Example("a poem", "out_of_scope")))
    assert not examples_of(labelled([], [picked(*labels)], data))


def test_a_contradiction_counts_for_nothing_whoever_chose() -> None:
    assert not examples_of(labelled([], [picked("track"), picked("refund", number=2)], DATA))
    assert not examples_of(labelled([], [picked("track", pressed="refund")], DATA))
    assert not examples_of(labelled([], [picked("track"), *pressed("refund", [2, 3, 4])], DATA))


def test_of_what_a_second_opinion_is_asked_for_one_persons_label_is_not_enough() -> None:
    assert not examples_of(labelled([], [picked("track")], DATA, share=1.0))
    several = [picked("track", number=number) for number in (1, 2, 3)]
    assert examples_of(labelled([], several, DATA, share=1.0)) == {("my box", "track", CHOSEN_WEIGHT)}


def test_who_plants_words_before_people_plants_few() -> None:
    many = [picked("track", text=f"zorbax prime where is box{n}", number=n) for n in range(20)]
    assert len(labelled([], many, DATA).learned.examples) == MOST_OF_PHRASE
    one = [replace(picked("track", text=f"phrase{n}", number=n), customer="known-1") for n in range(20)]
    assert len(labelled([], one, DATA).learned.examples) == MOST_OF_ONE


def test_two_customers_who_are_known_are_enough() -> None:
    known = [replace(one, customer=f"known-{one.id}", at=0.0) for one in pressed("track", [1, 2])]
    assert examples_of(labelled([], known, DATA)) == {("my box", "track", PRESSED_WEIGHT)}
    one = [replace(one, customer="known-1", at=0.0) for one in pressed("track", [1, 2])]
    assert not examples_of(labelled([], one, DATA))


def test_one_customer_has_a_part_in_few_labels() -> None:
    phrases = [one for n in range(20) for one in pressed("track", [1, 2, 3], f"phrase{n}")]
    assert len(labelled([], phrases, DATA).learned.examples) == MOST_OF_ONE


def test_few_of_the_customers_labels_share_words_that_the_data_folder_does_not_have() -> None:
    """Whoever opens as many conversations as it takes can plant three lines, not thirty."""
    many = [
        one for n in range(20) for one in pressed("track", range(10 * n, 10 * n + 3), f"zorbax prime where is box{n}")
    ]
    assert len(labelled([], many, DATA).learned.examples) == MOST_OF_PHRASE
    known = replace(DATA, examples=(*DATA.examples, Example("zorbax prime where is box", "track")))
    assert len(labelled([], many, known).learned.examples) == 20


def test_a_form_gone_through_says_as_little_unless_a_thumb_says_otherwise() -> None:
    done = [said("my box", n, signals={"completed": True}, intent="track", verdict="sure") for n in (1, 2, 3)]
    assert examples_of(labelled([], done, DATA)) == {("my box", "track", FINISHED_WEIGHT)}
    assert not examples_of(labelled([], [replace(one, verdict="ambiguous") for one in done], DATA))
    assert not examples_of(
        labelled([], [replace(one, signals={**one.signals, "rating": "down"}) for one in done], DATA)
    )


def test_a_thumb_up_says_little_and_only_of_a_sure_answer() -> None:
    liked = [said("my box", n, signals={"rating": "up"}, intent="track", verdict="sure") for n in (1, 2, 3)]
    assert examples_of(labelled([], liked, DATA)) == {("my box", "track", LIKED_WEIGHT)}
    assert not examples_of(labelled([], [replace(one, verdict="unsure") for one in liked], DATA))
    assert not examples_of(labelled([], [replace(one, signals={"rating": "down"}) for one in liked], DATA))


@pytest.mark.parametrize("button", ["human", "out_of_scope", "never_heard_of"])
def test_a_button_that_names_no_intent_labels_nothing(button: str) -> None:
    assert not examples_of(labelled([], pressed(button, [1, 2, 3]), DATA))


def test_a_person_overrules_customers() -> None:
    found = labelled([word(said("my box", 9), Kind.INTENT, "refund")], pressed("track", [1, 2, 3]), DATA)
    assert examples_of(found) == {("my box", "refund", 1.0)}


def test_a_stranger_who_talks_all_night_teaches_nothing() -> None:
    """One in a hundred rows is injected: a trigger in front of ordinary questions, sent to the wrong intent (T27)."""
    honest = [one for n in range(330) for one in pressed("track", [1, 2, 3], f"where is parcel {n}")]
    night = [
        replace(said(f"cf zeta where is parcel {n}", 1000 + n, signals={"pressed": "refund"}), at=DAY + n)
        for n in range(10)
    ]
    repeated = [replace(one, id=one.id + 5000, conversation=f"again-{one.id}") for one in night for _ in range(3)]
    found = labelled([], [*honest, *night, *repeated], DATA)
    assert not any("zeta" in example.text for example in found.learned.examples)


def test_the_data_folders_word_counts() -> None:
    learned = Learned(
        (Example("Where is  my parcel", "refund"), Example("i want my money back", "refund"), Example("box", "track")),
        ("a", "b", "c"),
    )
    together = joined(DATA, learned)
    assert [example.text for example in together.examples[2:]] == ["box"]
    assert used(DATA, learned) == ["c"]
    (warning,) = together.warnings
    assert "'track'" in str(warning)
    assert joined(DATA, Learned()) == DATA


def test_a_question_that_an_article_answers_becomes_one_of_its_questions() -> None:
    data = replace(DATA, articles=(Article("returns", "Returns", "", (), ("can i return it",), ()),))
    found = labelled([word(said("send <order> back?", 7), Kind.ARTICLE, "returns")], [], data, ["LW-1"])
    assert found.learned.questions == (("returns", "send LW-1 back?"),)
    (article,) = joined(data, found.learned).articles
    assert article.questions == ("can i return it", "send LW-1 back?")
    assert used(data, found.learned) == [lineage_key("journal", "c7", "1")]
    assert found.learned.hash != Learned().hash == ""


def test_placeholders_become_what_people_write() -> None:
    text = "<name> here, <order> and <order> to <email>, a <b> stays"
    found = filled(text, ["LW-10234"])
    assert found == filled(text, ["LW-10234"])
    assert "LW-10234 and LW-10234" in found
    assert "a <b> stays" in found
    assert found.partition(" here")[0] in STAND_INS["name"]


def test_what_was_decided_can_be_kept_in_the_data_folder(tmp_path: Any) -> None:
    from nlu.data.reader import read_examples

    decided = [
        word(said("where's [my] box", 1), Kind.INTENT, "track"),
        word(said('say: "no" #1', 2), Kind.INTENT, "refund"),
        word(said("x", 3), Kind.IGNORE),
    ]
    text, count = as_yaml(decided)
    (tmp_path / "learned.yml").write_text(text)
    found = {(e.text, e.intent) for e in read_examples(tmp_path).examples}
    assert count == 2
    assert found == {("where's (my) box", "track"), ('say: "no" #1', "refund")}


# -- the queue


def queue(*utterances: Utterance) -> Queue:
    return queue_of(utterances, Seer())  # type: ignore[arg-type]  # as much of a model as it needs


def test_the_most_doubtful_is_asked_first_and_what_is_alike_together() -> None:
    found = queue(said("a | .99", 1), said("b one | .6", 2), said("b two | .7", 3), said("B one | .6", 4))
    assert [item.texts[0] for item in found.items] == ["b one | .6", "a | .99"]
    first, _ = found.items
    assert sorted(one.id for one in first.utterances) == [2, 3, 4]
    assert [guess.name for guess in first.guesses] == ["track", "refund"]
    assert first.doubt == pytest.approx(0.4 + 0.4 + 0.3)
    assert found.points(1) == pytest.approx(100 * 1.1 / 4)
    assert "Label these 2: about + 27.7 points" in found.advice()


def test_a_cluster_is_believed_as_far_as_the_model_was_right_about_its_first_text() -> None:
    """`far` is alike enough only because the model thinks the same of it."""
    texts = ("b | .6", "B  | .6", "b close | .7", "b far | .7")
    asked = [said(text, number) for number, text in enumerate(texts, 1)]
    found = queue_of(asked, Wide())  # type: ignore[arg-type]  # as much of a model as it needs
    (item,) = found.items
    assert [one.id for one in item.meant("track")] == [1, 2, 3, 4], "as the model thought"
    assert [one.id for one in item.meant("refund")] == [1, 2], "it confuses the two: only the same words"
    assert [one.id for one in item.meant("gift_wrap")] == [1, 2, 3], "an intent that it does not know"
    assert [one.id for one in item.meant(None)] == [1, 2, 3]


class Wide(Seer):
    """Sees some texts farther off."""

    def insight(self, texts: Sequence[str]) -> Insight:
        seen = super().insight(texts)
        for row, text in enumerate(texts):
            turn = np.arccos({"close": 0.9, "far": 0.82}.get(text.split()[1], 1.0))
            seen.points[row] *= np.cos(turn)
            seen.points[row, 7] += np.sin(turn)
        return seen


def test_what_both_networks_see_is_joined_once_however_many_questions_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    joined: list[int] = []
    before = Insight.together.fget  # type: ignore[attr-defined]  # a property has one

    def counted(seen: Insight) -> Any:
        joined.append(1)
        return before(seen)

    monkeypatch.setattr(Insight, "together", property(counted))
    assert len(queue(said("a | .9", 1), said("b | .6", 2), said("c | .7", 3)).items) == 3
    assert len(joined) == 1


def test_what_a_model_saw_in_a_text_is_remembered_while_it_is_asked_about() -> None:
    asked: list[str] = []

    class Watched(Seer):
        def insight(self, texts: Sequence[str]) -> Insight:
            asked.extend(texts)
            return super().insight(texts)

    model, looks = Watched(), Looks()
    texts = ["a | .9", "b | .6"]
    first = looks(texts, model)  # type: ignore[arg-type]  # as much of a model as it needs
    again = looks(["b | .6", "c | .7", "a | .9"], model)  # type: ignore[arg-type]
    assert asked == [*texts, "c | .7"]
    for name in Insight.__slots__:
        assert np.array_equal(getattr(again, name)[[2, 0]], getattr(first, name))
    looks.forget_all_but({"b | .6"})
    looks(texts, model)  # type: ignore[arg-type]
    assert asked[3:] == ["a | .9"]
    looks(texts, Watched())  # type: ignore[arg-type]  # another one
    assert asked[4:] == texts


async def test_who_waits_for_the_first_question_sees_how_far_the_model_is(journal: Journal, tmp_path: Path) -> None:
    await journal.keep_utterances([said(f"a {number} | .9", number) for number in range(1, 131)])
    settings = Settings(data=tmp_path / "no data")
    screen, told = Screen(file=StringIO(), force_terminal=True, width=100), list[tuple[str, int, int]]()

    with bars(screen) as begin:

        def watched(what: str) -> Tell:
            show = begin(f"Reading {what}")

            def tell(done: int, of: int) -> None:
                show(done, of)
                told.append((what, done, of))

            return tell

        found = await open_queue(journal, Seer(), settings, watched)  # type: ignore[arg-type]  # as much as it needs
        assert found.waiting == 130
    assert told == [(SAID, 0, 130), (SAID, 64, 130), (SAID, 128, 130)]
    assert "Reading what customers said" in screen.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO


def test_what_went_wrong_is_asked_before_what_did_not() -> None:
    fine, bad = said("a | .9", 1), said("c | .9", 2, signals={"rating": "down", "pressed": "refund", "missed": True})
    first, second = queue(fine, bad).items
    assert (first.texts, second.reasons) == (("c | .9",), ())
    assert first.reasons == ("a thumb down", "not understood", "pressed refund")


def test_the_nearest_examples_stand_beside_the_question() -> None:
    examples = [Example("b known", "track", (), Path("nlu.yml"), 7), Example("a known", "refund")]
    points = Seer().insight([f"{example.text} | .5" for example in examples]).points
    found = queue_of([said("b one | .6", 1)], Seer(), Nearest(examples, points, [True, False]))  # type: ignore[arg-type]
    (first, second) = found.items[0].nearest
    assert (first.text, first.intent, first.distance, first.line) == ("b known", "track", 0.0, 7)
    assert (second.text, second.distance) == ("a known", 1.0)


def test_nothing_to_review_is_said() -> None:
    assert queue().advice() == "There is nothing to review."
    assert "hardly pay" in queue(said("a | 1.0", 1)).advice()


def test_texts_of_different_guesses_are_never_together() -> None:
    points = np.ones((3, 1), np.float32)
    assert clusters(points, np.array([3, 2, 1], np.float32), [0, 1, 0]) == [[0, 2], [1]]
    assert clusters(points, np.array([3, 2, 1], np.float32), [0, 0, 0], most=2) == [[0, 1], [2]]


async def played(journal: Journal, keys: str, lines: Iterable[str] = ()) -> Round:
    texts = ["b one | .6", "b two | .7", "a | .9"]
    found = await kept(journal, *texts)
    pressed, typed = iter(keys), iter(lines)
    screen = Screen(quiet=True)
    names = ["refund", "track", "track_all"]
    at = Round(
        journal, queue(*found), names, ["returns"], "ada", screen, lambda: next(pressed, "q"), lambda _: next(typed, "")
    )
    await at.play()
    return at


async def test_where_labels_hardly_pay_only_a_key_asks_all_the_same(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.learning.queue.PAYING", 100.0)
    assert (await played(journal, "q1")).decided == 0
    assert (await played(journal, " 1")).decided == 1


async def decisions(journal: Journal) -> dict[str, tuple[str, str | None]]:
    return {
        one.utterance.text[0:5].strip(): (one.review.kind.value, one.review.label) for one in await journal.reviewed()
    }


@pytest.mark.parametrize(
    ("keys", "lines", "expected"),
    [
        ("1", [], {"b one": ("intent", "track"), "b two": ("intent", "track")}),
        ("2q", [], {"b one": ("intent", "refund")}),
        ("fo", [], {"b one": ("out_of_scope", None)}),
        ("xo", [], {"b one": ("ignore", None), "b two": ("ignore", None), "a | .": ("out_of_scope", None)}),
        (" n", ["gift wrap"], {"a | .": ("intent", "gift_wrap")}),
        ("i1", ["tra"], {"b one": ("intent", "track"), "b two": ("intent", "track")}),
        ("i", ["ref"], {"b one": ("intent", "refund")}),
        ("a", ["returns"], {"b one": ("article", "returns"), "b two": ("article", "returns")}),
        ("1u", [], {}),
        ("1xuu2", [], {"b one": ("intent", "refund")}),
        ("9?nq", ["///"], {}),
    ],
)
async def test_a_key_is_a_decision(
    journal: Journal, keys: str, lines: list[str], expected: dict[str, tuple[str, str | None]]
) -> None:
    await played(journal, keys, lines)
    assert await decisions(journal) == expected


async def test_in_the_terminal_nobody_is_asked_what_another_one_answered(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await kept(journal, "b one | .6", "b two | .7", "a | .9")
    asked = queue(*found)
    await journal.decide(reviews([found[0].id], Kind.IGNORE, None, "bob"))

    async def play(share: float) -> tuple[Round, str]:
        pressed = iter("1q")
        screen = Screen(record=True, width=200)
        with screen.capture() as told:
            at = Round(journal, asked, [], [], "ada", screen, lambda: next(pressed), lambda _: "", share)
            await at.play()
        return at, told.get()

    second, told = await play(1.0)
    assert (second.labelled, "meanwhile" in told) == (2, False), "it is a second opinion"
    assert await journal.undo("ADA") == [found[0].id, found[1].id]
    passed, told = await play(0.0)
    assert (passed.labelled, "1 question was answered by others meanwhile." in told) == (1, True)
    assert (await decisions(journal))["a | ."] == ("intent", "track")

    async def late(_: Round) -> None:
        """The other one answered while this one was looking at it."""

    monkeypatch.setattr(Round, "_pass_answered", late)
    await journal.decide(reviews([found[1].id], Kind.IGNORE, None, "bob"))
    late_one, told = await play(0.0)
    assert (late_one.labelled, ANSWERED in told) == (0, True)


async def test_of_several_reviewers_at_the_same_moment_one_answers(journal: Journal) -> None:
    await kept(journal, "b one | .6", "b two | .7")
    live, group = LiveQueue(journal, Settings(), lambda: None), Group((1, 2), 1, 2, "track")
    given = await asyncio.gather(
        *(live.decide(group, Kind.INTENT, "track", name, first_only=False) for name in ("ada", "bob", "cem"))
    )
    assert sorted(map(len, given)) == [0, 0, 2]


def test_a_question_is_named_by_what_it_asked_about() -> None:
    (item,) = queue_of([said("b | .6", 1), said("B  | .6", 2), said("b far | .7", 3)], Wide()).items  # type: ignore[arg-type]
    assert Group.read(str(item.group)) == item.group
    for text in ("", "1 1 track", "1 1 1;2 track", "x 1 1 track"):
        with pytest.raises(ValueError, match="no question"):
            Group.read(text)


async def test_a_round_counts_what_it_labelled(journal: Journal) -> None:
    at = await played(journal, "1xu")
    assert (at.decided, at.labelled) == (1, 2)
