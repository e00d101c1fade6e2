"""Second opinions: asked blind of another person, counted once two agree, and measured."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from rich.console import Console as Screen

from bot.app import Service
from bot.config import Settings
from bot.console.sign_in import one_time_code
from bot.journal.journal import Journal
from bot.journal.values import Kind, Review, Reviewed
from bot.learning import review
from bot.learning.deciding import reviews
from bot.learning.labels import to_learn
from bot.learning.opinions import (
    Agreement,
    Opinions,
    asked_again,
    disputes_of,
    is_drawn,
    opinions,
    settled,
)
from bot.learning.queue import Queue, queue_of, shared_queue
from tests.command import Frontdesk
from tests.seer import Seer, said
from tests.service import KeywordUnderstander, running
from tests.test_cli_review import frontdesk  # noqa: F401  # a fixture
from tests.test_cli_review import said as imported
from tests.test_reviews import DATA, kept


def words(*pairs: str, text: str = "where", number: int = 1) -> list[Reviewed]:
    """`ada track`: who says what of one utterance."""
    utterance = said(text, number)
    said_by = (pair.split() for pair in pairs)
    return [Reviewed(utterance, Review(number, Kind.INTENT, label, name)) for name, label in said_by]


def one(*pairs: str, share: float = 1.0) -> Opinions:
    (found,) = opinions(words(*pairs), share)
    return found


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (["ada track"], None),
        (["ada track", "ada track"], None),
        (["ada track", "Ada  track"], None),
        (["ada track", "bob track"], "track"),
        (["ada track", "bob refund"], None),
        (["ada track", "bob refund", "cem refund"], "refund"),
        (["ada track", "bob refund", "cem greet"], None),
        (["ada track", "bob refund", "ada refund"], "refund"),
        (["ada track", "bob track", "bob refund"], None),
        (["ada track", "bob refund", "cem track", "dan refund"], None),
        (["ada track", "bob refund", "cem track", "dan refund", "eve refund"], "refund"),
    ],
)
def test_two_people_have_to_agree_and_outnumber_the_others(said: list[str], counts: str | None) -> None:
    word = one(*said).settled
    assert (word.label if word else None) == counts


def test_what_is_not_drawn_counts_as_the_last_one_says() -> None:
    word = one("ada track", "bob refund", share=0.0).settled
    assert word is not None
    assert word.label == "refund"


def test_the_share_is_drawn_by_the_words_and_never_by_chance() -> None:
    texts = [f"question number {number}" for number in range(2000)]
    tenth = {text for text in texts if is_drawn(text, 0.1)}
    assert 150 < len(tenth) < 250
    assert tenth < {text for text in texts if is_drawn(text, 0.5)}
    assert all(is_drawn(text, 1.0) and not is_drawn(text, 0.0) for text in texts)
    drawn = next(iter(tenth))
    assert is_drawn(drawn.upper(), 0.1)


def test_kappa_is_cohens_and_of_first_words_alone() -> None:
    """Of Cohen's own kind of table: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no give 0.4."""
    table = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    found = []
    for number, (first, second) in enumerate(table, 1):
        more = ["ada no"] if (first, second) == ("yes", "no") else []  # who gives way did not agree before
        found += words(f"ada {first}", f"bob {second}", *more, text=f"text {number}", number=number)
    agreement = Agreement.of(opinions(found, 1.0))
    assert (agreement.texts, agreement.agreed, agreement.disputed) == (50, 35, 10)
    assert agreement.kappa == pytest.approx(0.4)
    assert agreement.to_text() == (
        "Second opinions: two people agree on 35 of 50 texts (Cohen's kappa 0.40), 10 disputed."
    )


def test_the_same_words_are_one_text_and_one_answer_for_all_is_no_kappa() -> None:
    found = words("ada a", "bob a", number=1) + words("ada a", "bob a", number=2) + words("ada a", text="x", number=3)
    agreement = Agreement.of(opinions(found, 1.0))
    assert (agreement.texts, agreement.agreed, agreement.kappa, agreement.waiting) == (1, 1, None, 1)
    assert Agreement.of(opinions(found, 0.0)).to_text() == ""


def test_only_who_has_a_part_in_a_disagreement_is_told_of_it() -> None:
    found = [one("ada track", "bob refund")]
    assert disputes_of(found, "ADA") == found
    assert disputes_of(found, "cem") == []


def shared(*said_of: Reviewed, share: float = 1.0) -> Queue:
    again = asked_again(opinions(said_of, share))
    return shared_queue([said("new | .6", 9)], again, Seer())  # type: ignore[arg-type]  # what it needs of one


def test_the_queue_asks_another_one_first_and_without_what_was_said() -> None:
    queue = shared(*words("ada track", text="b | .7"))
    assert [item.texts for item in queue.of("bob").items] == [("b | .7",), ("new | .6",)]
    assert [item.texts for item in queue.of("ada").items] == [("new | .6",)]
    fresh, again = queue_of([said("b | .7")], Seer()).items[0], queue.of("bob").items[0]  # type: ignore[arg-type]
    assert fresh.to_json() == again.to_json(), "it looks as it did to the first one"
    assert queue.waiting == 1
    assert queue.of("bob").advice() == queue.of("ada").advice()
    assert [item.texts for item in shared(*words("ada track", text="b | .7"), share=0).items] == [("new | .6",)]


def test_a_third_is_asked_about_a_disagreement_and_nobody_about_what_is_settled() -> None:
    disputed = shared(*words("ada track", "bob refund", text="b | .7"))
    assert [len(disputed.of(name).items) for name in ("ada", "bob", "cem")] == [1, 1, 2]
    settled_now = shared(*words("ada track", "bob track", text="b | .7"))
    assert [len(settled_now.of(name).items) for name in ("ada", "bob", "cem")] == [1, 1, 1]


async def test_a_label_counts_when_the_journal_has_two_that_agree(journal: Journal) -> None:
    (first,) = await kept(journal, "parcel?")
    await journal.decide(reviews([first.id], Kind.INTENT, "track", "ada"))
    assert settled(opinions(await journal.opinions(), 1.0)) == []
    await journal.decide(reviews([first.id], Kind.INTENT, "track", "bob"))
    (counts,) = settled(opinions(await journal.opinions(), 1.0))
    assert (counts.utterance.text, counts.review.label) == ("parcel?", "track")
    await journal.undo("bob")
    assert settled(opinions(await journal.opinions(), 1.0)) == []
    assert len(settled(opinions(await journal.opinions(), 0.0))) == 1


def test_the_command_counts_what_two_agree_on(
    frontdesk: Frontdesk,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    imported("wrap it please", "wrap it nicely")
    assert frontdesk("import", "transcripts", "said.jsonl").code == 0
    assert frontdesk("review", "decide", 1, 2, "--intent", "gift", "--by", "ada").code == 0
    assert frontdesk("review", "status").out == (
        "0 open, 2 intent.\nNo second opinions are asked for (FRONTDESK_SECOND_OPINION).\n"
    )
    monkeypatch.setenv("FRONTDESK_SECOND_OPINION", "1")
    assert "wrap" not in frontdesk("review", "export").out
    assert "Second opinions: 2 utterances wait for one." in frontdesk("review", "status").out

    frontdesk("review", "decide", 1, "--intent", "gift", "--by", "bob")
    frontdesk("review", "decide", 2, "--ignore", "--by", "bob")
    exported = frontdesk("review", "export").out
    assert ("wrap it please" in exported, "wrap it nicely" in exported) == (True, False)
    told = frontdesk("review", "status", "--by", "bob").out
    assert "two people agree on 1 of 2 texts (Cohen's kappa 0.00), 1 disputed." in told
    assert "  2 wrap it nicely: ada says gift, bob says ignore\n" in told
    assert "ada says" not in frontdesk("review", "status", "--by", "cem").out
    assert json.loads(frontdesk("review", "status", "--json").out)["agreement"]["disputed"] == 1

    found = to_learn(Settings.read(), DATA)
    assert (found.waiting, found.unsettled) == ({"gift": 1}, 1)
    assert found.to_text().endswith("1 more waits for a second opinion: `frontdesk review status`.")

    frontdesk("review", "decide", 2, "--intent", "gift", "--by", "bob")
    assert to_learn(Settings.read(), DATA).waiting == {"gift": 2}
    assert "wrap it nicely" in frontdesk("review", "export").out


def test_the_terminal_tells_who_differs() -> None:
    screen = Screen(record=True, width=200)
    with screen.capture() as told:
        review._tell([one("ada track", "bob refund")], "ada", screen)
    assert told.get() == (
        "Second opinions: two people agree on 0 of 1 text (Cohen's kappa 0.00), 1 disputed.\n"
        "  1 where: ada says track, bob says refund\n"
    )


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    understander = KeywordUnderstander()
    understander.now = Seer()  # type: ignore[attr-defined]  # what a real one has beside it
    async with running(tmp_path, understander, data=tmp_path / "no data", second_opinion=1.0) as service:
        await service.journal.keep_utterances([said("b <i>one</i> | .6")])
        yield service


class Reviewer:
    def __init__(self, service: Service, session: aiohttp.ClientSession) -> None:
        self._page, self._session = f"{service.url}/console/review", session

    async def sees(self) -> str:
        async with self._session.get(self._page) as answer:
            return await answer.text()

    async def says(self, **form: str) -> tuple[int, str]:
        async with self._session.post(self._page, data=form) as answer:
            return answer.status, await answer.text()


@pytest_asyncio.fixture
async def people(service: Service) -> AsyncIterator[tuple[Reviewer, Reviewer, Reviewer]]:
    """Ada, Bob and Cem."""
    sessions = [
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": service.url})
        for _ in range(3)
    ]
    for session, name in zip(sessions, ("Ada", "Bob", "Cem"), strict=True):
        form = {"code": one_time_code(service.signer), "name": name}
        async with session.post(f"{service.url}/console/enter", data=form) as answer:
            assert answer.status == 200
    ada, bob, cem = (Reviewer(service, session) for session in sessions)
    yield ada, bob, cem
    for session in sessions:
        await session.close()


ASKED = '<p class="said">b &lt;i&gt;one&lt;/i&gt; | .6</p>'
DIFFER = "You and others differ on 1"


async def test_two_at_once_are_asked_different_questions_as_long_as_there_are_some(
    service: Service, people: tuple[Reviewer, Reviewer, Reviewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.journal.keep_utterances([said("a | .9", 2)])
    ada, bob, cem = people
    assert ASKED in await ada.sees()
    assert ASKED in await ada.sees()
    assert ASKED not in await bob.sees()
    assert ASKED in await cem.sees(), "there is no third"
    monkeypatch.setattr("bot.console.review.LOOKED_AT", -1.0)  # the others are out to lunch
    assert ASKED in await bob.sees()


async def test_the_console_asks_another_one_blind_and_shows_who_differs(
    service: Service, people: tuple[Reviewer, Reviewer, Reviewer]
) -> None:
    ada, bob, cem = people
    assert ASKED in await ada.sees()
    _, page = await ada.says(asked="1 1 1 track", guess="track")
    assert "There is nothing to review." in page
    assert "1 utterance waits for one" in page
    await ada.says(asked="1 1 1 track", guess="track")
    assert len(await service.journal.opinions()) == 1, "she is not asked again"

    page = await bob.sees()
    assert ASKED in page
    assert "Ada" not in page
    _, page = await bob.says(asked="1 1 1 track", guess="refund")
    assert DIFFER in page
    assert '<button name="concede" value="Ada">Ada: track. Agree</button>' in page
    page = await cem.sees()
    assert ASKED in page
    assert DIFFER not in page
    assert (await cem.says(item="1", concede="Ada"))[0] == 409, "who has no part in it is asked, not told"

    status, page = await bob.says(item="1", concede="Ada")
    assert (status, DIFFER in page) == (200, False)
    (counts,) = settled(opinions(await service.journal.opinions(), 1.0))
    assert counts.review.label == "track"
    assert (await ada.says(item="1", concede="Bob"))[0] == 409, "it is settled"
