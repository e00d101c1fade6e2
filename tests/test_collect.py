"""What customers said in the conversation log becomes utterances: each message once, redacted, with what followed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.dialogue.assistant import Assistant
from bot.journal import collected
from bot.journal.journal import Journal
from bot.journal.values import Mark, Note, Utterance
from bot.messages import Event, Inbound, Outbound, Owner, Turn
from bot.tokens import Signer
from bot.transcripts import collect as collecting
from bot.transcripts.collect import Collection
from bot.transcripts.heard import PRESSED
from bot.transcripts.keeper import EMPTY, LONG, REPEATED, Keeper
from nlu.learning.redaction import Redactor
from tests.command import ROOT, SECONDS, Frontdesk
from tests.dialogue_play import Play, assistant_of, understood
from tests.test_dialogue_two_forms import DOMAIN, RULES, tells

KEEPER = Keeper(Redactor.of(r"LW-\d+"), Signer(b"k" * 32))


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    return assistant_of(domain=DOMAIN, rules=RULES)


@dataclass
class Talk:
    """A conversation that is played and kept in the journal; the lines are those of tests/dialogue_play.py."""

    journal: Journal
    assistant: Assistant
    conversation: str = "c1"
    metadata: dict[str, Any] = field(default_factory=dict)
    play: Play = field(init=False)

    def __post_init__(self) -> None:
        actions = {"action_track": tells("track"), "action_cancel": tells("cancel")}
        self.play = Play(self.assistant, actions, now=round(time.time()))

    async def __call__(self, *lines: str) -> None:
        for line in lines:
            await self.say(line)

    async def say(self, line: str) -> int:
        text, _, meaning = (part.strip() for part in line.partition(" | "))
        payload = text if text.startswith("/") else None
        unasked = payload or self.play.tracker.owner is Owner.AGENT
        outcome = self.play.turn(text, None if unasked else understood(text, meaning or "?"), payload)
        inbound = Inbound(
            self.conversation, f"m{self.play.now}", text, "web", self.play.now, payload, metadata=self.metadata
        )
        seq = (await self.journal.accept(inbound)).seq
        turn = Turn(
            inbound, seq, outcome.events, outcome.replies, outcome.owner, reason=outcome.reason, model="model-1"
        )
        fence = (await self.journal.take(self.conversation)).fence
        await self.journal.commit(turn, fence)
        return seq


@pytest.fixture
def talk(journal: Journal, assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> Talk:
    monkeypatch.setattr(collected, "LAG_SECONDS", -1.0)
    return Talk(journal, assistant)


async def collect(journal: Journal) -> Collection:
    collection = Collection(journal, KEEPER)
    await collection.collect()
    return collection


async def kept(journal: Journal) -> list[Utterance]:
    return (await journal.newest_utterances())[::-1]


async def test_a_message_is_kept_as_it_was_understood_and_without_who_wrote_it(talk: Talk) -> None:
    await talk("hello, i am Ada Berg and want LW-10234 tracked, ada@x.org | track order=LW-10234")
    await collect(talk.journal)

    (found,) = await kept(talk.journal)
    assert found.text == "hello, i am <name> and want <order> tracked, <email>"
    assert (found.source, found.conversation, found.message, found.customer) == ("journal", "c1", "1", "c1")
    assert (found.intent, found.confidence, found.verdict, found.model) == ("track", 0.95, "sure", "model-1")
    assert (found.language, found.asked, found.signals, found.at) == ("en", None, {}, talk.play.now)


async def test_what_was_collected_is_not_read_again(talk: Talk) -> None:
    await talk("nice day | chat")
    first = await collect(talk.journal)
    await talk("what time is it | ask_time")
    second, third = await collect(talk.journal), await collect(talk.journal)

    assert [(c.turns, c.report.added) for c in (first, second, third)] == [(1, 1), (1, 1), (0, 0)]
    assert [utterance.text for utterance in await kept(talk.journal)] == ["nice day", "what time is it"]


async def test_an_answer_to_a_form_says_what_was_asked(talk: Talk) -> None:
    await talk("cancel my order | cancel", "LW-1 | inform order=LW-1")
    await collect(talk.journal)  # what was asked has to be looked up the next time
    await talk("a@x.org | inform email=a@x.org", "nice | chat", "/affirm", "what time is it | ask_time")
    await collect(talk.journal)

    assert [(u.text, u.asked) for u in await kept(talk.journal)] == [
        ("cancel my order", None),
        ("<order>", "order"),
        ("<email>", "email"),
        ("nice", "confirm"),
        ("what time is it", None),
    ]


async def test_a_form_that_was_gone_through_tells_so_of_the_message_that_began_it(talk: Talk) -> None:
    await talk("cancel my order | cancel", "LW-1 | inform order=LW-1")
    await collect(talk.journal)  # the note comes to an utterance that is kept already
    await talk("a@x.org | inform email=a@x.org", "/affirm", "cancel another one | cancel", "never mind | stop")
    await talk("i cancel again | cancel", "LW-2 | inform order=LW-2", "b@x.org | inform email=b@x.org", "/affirm")
    await collect(talk.journal)

    completed = {u.text: u.signals.get("completed") for u in await kept(talk.journal) if u.intent == "cancel"}
    assert completed == {"cancel my order": True, "cancel another one": None, "i cancel again": True}


async def test_a_form_that_waited_for_another_one_is_gone_through_in_its_turn(talk: Talk) -> None:
    """Whoever told everything at once was asked nothing."""
    await talk("cancel my order | cancel", "track lw-2 | track order=lw-2", "LW-1 | inform order=LW-1")
    await talk("b@x.org | inform email=b@x.org", "/affirm")
    await collect(talk.journal)

    found = {u.text: u.signals.get("completed") for u in await kept(talk.journal)}
    assert found == {"cancel my order": True, "track <order>": None, "<order>": None, "<email>": None}


async def test_a_form_that_takes_anothers_place_asks_too(talk: Talk) -> None:
    await talk("cancel my order | cancel", "i swap it | swap", "nice day | chat")
    await collect(talk.journal)

    assert [utterance.asked for utterance in await kept(talk.journal)] == [None, "order", "order"]


async def test_after_a_restart_nothing_was_asked(talk: Talk) -> None:
    await talk("cancel my order | cancel", "/restart", "nice day | chat")
    await collect(talk.journal)

    assert [utterance.asked for utterance in await kept(talk.journal)] == [None, None]


async def test_the_button_pressed_after_did_you_mean_labels_the_message_before(talk: Talk) -> None:
    await talk("my order, you know | track / find")
    await collect(talk.journal)
    await talk("/find")
    done = await collect(talk.journal)

    (found,) = await kept(talk.journal)
    assert (found.verdict, found.signals) == ("ambiguous", {"missed": True, "pressed": "find"})
    assert done.report.skipped[PRESSED].count == 1
    assert done.report.skipped[PRESSED].first.startswith("c1/")


async def test_a_button_that_was_not_offered_for_a_message_says_nothing_of_it(talk: Talk) -> None:
    await talk("my order, you know | track / find", "nice day | chat", "/track")
    await collect(talk.journal)

    assert [utterance.signals for utterance in await kept(talk.journal)] == [{"missed": True}, {}]


async def test_each_request_of_a_message_is_an_utterance(talk: Talk) -> None:
    await talk("cancel that and tell me the time | cancel + ask_time")
    await collect(talk.journal)

    found = {u.text: (u.message, u.intent) for u in await kept(talk.journal)}
    assert found == {"cancel that": ("1.2", "cancel"), "tell me the time": ("1", "ask_time")}


async def test_a_request_that_waited_is_kept_once_with_what_became_of_it(talk: Talk) -> None:
    await talk("cancel it and track lw-2 | cancel + track order=lw-2", "LW-1 | inform order=LW-1", "never mind | stop")
    await collect(talk.journal)

    texts = [utterance.text for utterance in await kept(talk.journal)]
    assert texts == ["cancel it", "track <order>", "<order>", "never mind"]


async def test_a_hand_over_tells_why_and_the_words_to_a_person_are_marked(talk: Talk) -> None:
    await talk("blah | ?", "blub | ?", "bleh | ?", "is anybody there | ?")
    taken = Event("pause", talk.play.now, {"owner": "agent"})
    await talk.journal.append("c1", Outbound("Kim is here"), owner=Owner.AGENT, events=(taken,))
    talk.play.apply(taken)
    await talk("thank you Kim | chat")
    await collect(talk.journal)

    signals = [(u.text, u.signals) for u in await kept(talk.journal)]
    assert signals == [
        ("blah", {"missed": True}),
        ("blub", {"missed": True}),
        ("bleh", {"missed": True, "owner": "queue", "handover": "not_understood"}),
        ("is anybody there", {"owner": "queue"}),
        ("thank you Kim", {"owner": "agent"}),
    ]
    last = (await kept(talk.journal))[-1]
    assert (last.intent, last.confidence, last.verdict) == (None, None, None)


async def called(talk: Talk, *labels: str) -> None:
    """People give back what they had taken over."""
    given = Event("resume", talk.play.now, {"metadata": {"by": None, "labels": list(labels)}})
    await talk.journal.append("c1", Outbound("The assistant is back"), owner=Owner.BOT, events=(given,))
    talk.play.apply(given)


async def labels_of(talk: Talk) -> dict[str, Any]:
    await collect(talk.journal)
    return {u.text: u.signals["labels"] for u in await kept(talk.journal) if "labels" in u.signals}


async def test_what_people_called_it_is_noted_on_the_message_that_was_handed_over(talk: Talk) -> None:
    await talk("blah | ?", "blub | ?", "bleh | ?")
    await collect(talk.journal)  # the note comes to an utterance that is kept already
    await called(talk, "track", "vip")
    assert await labels_of(talk) == {"bleh": ["track", "vip"]}


@pytest.mark.parametrize("asks", ["a person please | human", "/human"])
async def test_who_only_asks_for_a_person_wants_what_was_not_understood_before(talk: Talk, asks: str) -> None:
    await talk("nice day | chat", "blah | ?", asks)
    await called(talk, "track")
    assert await labels_of(talk) == {"blah": ["track"]}


async def test_where_it_is_not_plain_what_people_were_called_for_nothing_is_noted(talk: Talk) -> None:
    await talk("blah | ?", "nice day | chat", "a person please | human")
    await called(talk, "track")
    assert await labels_of(talk) == {}, "the last message had its answer"


async def test_only_a_label_that_people_added_says_something(talk: Talk) -> None:
    talk.metadata["labels"] = ["track", "vip"]
    await talk("blah | ?", "blub | ?", "bleh | ?")
    await called(talk, "vip", "track", "swap")
    assert await labels_of(talk) == {"bleh": ["swap"]}
    await talk("bluh | ?", "/human", "/resume_bot")
    await called(talk, "cancel")
    assert await labels_of(talk) == {"bleh": ["swap"]}, "the customer had gone back to the assistant"


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("lines", [("blah | ?", "Blah | ?", "blah | ?"), ("blah | ?", "blah | ?", "/human")])
async def test_what_people_called_it_reaches_a_message_that_was_repeated(
    talk: Talk, lines: tuple[str, ...], between: bool
) -> None:
    await talk(*lines)
    if between:  # then the hand-over has to be looked up
        await collect(talk.journal)
    await called(talk, "track")
    assert await labels_of(talk) == {"blah": ["track"]}


async def test_a_button_offered_for_a_repeated_message_labels_the_first(talk: Talk) -> None:
    await talk("my order | track / find", "my order | track / find", "/find")
    await collect(talk.journal)
    (found,) = await kept(talk.journal)
    assert found.signals == {"missed": True, "repeated": True, "pressed": "find"}


async def test_a_message_that_was_given_up_unheard_leaves_the_one_before_alone(talk: Talk) -> None:
    await talk("blah | ?")
    lost = Inbound("c1", "lost", "something else", "web", talk.play.now)
    seq, paused = (await talk.journal.accept(lost)).seq, Event("pause", talk.play.now, {"owner": "queue"})
    fence = (await talk.journal.take("c1")).fence
    await talk.journal.bury("c1", seq, "timeout", Outbound("Sorry"), fence, events=(paused,))
    talk.play.apply(paused)
    await called(talk, "track")
    assert await labels_of(talk) == {}
    await talk("/human")
    await called(talk, "track")
    assert await labels_of(talk) == {}, "the message before the person was asked for is not the older one"


async def test_what_people_called_it_after_a_restart_is_not_about_what_was_before(talk: Talk) -> None:
    await talk("blah | ?", "blub | ?", "bleh | ?", "/restart", "nice day | chat")
    taken = Event("pause", talk.play.now, {"owner": "agent"})
    await talk.journal.append("c1", Outbound("Kim is here"), owner=Owner.AGENT, events=(taken,))
    talk.play.apply(taken)
    await called(talk, "track")
    assert await labels_of(talk) == {}
    await talk("bluh | ?", "/restart", "/human")
    await called(talk, "track")
    assert await labels_of(talk) == {}, "a restart begins anew"


async def test_thumbs_are_noted_when_they_come_and_taken_back_when_they_go(talk: Talk) -> None:
    seq = await talk.say("nice day | chat")
    await collect(talk.journal)
    seen = []
    for thumb in ("down", "up", "none"):
        await talk.journal.rate("c1", seq + 1, thumb)
        await collect(talk.journal)
        seen.append((await kept(talk.journal))[0].signals)
    assert seen == [{"rating": "down"}, {"rating": "up"}, {}]


async def test_what_is_no_use_is_skipped_and_counted(talk: Talk) -> None:
    await talk("nice day | chat", "Nice  day | chat", "\u200b | chat", "x" * 2001 + " | chat", "nice day | chat")
    done = await collect(talk.journal)

    assert {reason: one.count for reason, one in done.report.skipped.items()} == {REPEATED: 2, EMPTY: 1, LONG: 1}
    assert [(u.text, u.signals) for u in await kept(talk.journal)] == [("nice day", {"repeated": True})]


async def test_a_customer_who_is_signed_in_is_the_same_in_every_conversation(journal: Journal, talk: Talk) -> None:
    signed_in = {"customer": {"email": "Ada@x.org"}}
    for conversation in ("c1", "c2"):
        await Talk(journal, talk.assistant, conversation, signed_in)(f"nice {conversation} | chat")
    await collect(journal)

    customer = KEEPER.customer("ada@x.org")
    assert [u.conversation for u in await journal.utterances_of(customer)] == ["c1", "c2"]
    assert "ada" not in customer


async def test_a_crash_in_between_loses_nothing_and_takes_nothing_twice(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "BATCH", 2)
    await talk(*(f"nice day {n} | chat" for n in range(5)))
    take, left = talk.journal.take_turns, iter([True, False])

    async def crash(*args: Any) -> int | None:
        if not next(left):
            raise ConnectionResetError
        return await take(*args)

    with monkeypatch.context() as crashing:
        crashing.setattr(talk.journal, "take_turns", crash)
        with pytest.raises(ConnectionResetError):
            await collect(talk.journal)
    assert len(await kept(talk.journal)) == 2
    assert (await collect(talk.journal)).report.added == 3
    assert [u.text for u in await kept(talk.journal)] == [f"nice day {n}" for n in range(5)]


async def test_who_comes_too_late_keeps_nothing(talk: Talk) -> None:
    await talk("nice day | chat")
    await collect(talk.journal)
    late = Utterance("journal", "c1", "9", "late")

    assert await talk.journal.take_turns(Mark(0, 0), 9, [late], []) is None
    assert len(await kept(talk.journal)) == 1


async def test_two_that_collect_at_once_keep_each_message_once(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "BATCH", 2)
    await talk(*(f"nice day {n} | chat" for n in range(9)))
    both = await asyncio.gather(collect(talk.journal), collect(talk.journal))
    await collect(talk.journal)

    assert sum(one.report.added for one in both) <= 9
    assert [u.text for u in await kept(talk.journal)] == [f"nice day {n}" for n in range(9)]


async def test_on_postgresql_turns_are_read_once_no_earlier_one_can_come(
    postgres_url: str, assistant: Assistant
) -> None:
    clock = time.time()
    async with await Journal.open(postgres_url, lambda: clock) as journal:
        talk = Talk(journal, assistant)
        await talk("nice day | chat")
        clock += collected.LAG_SECONDS - 1
        await talk("what time is it | ask_time")
        early = (await collect(journal)).turns
        clock += 2
        later = (await collect(journal)).turns
    assert (early, later) == (0, 1)


async def test_an_utterance_is_kept_once_and_a_note_merges(journal: Journal) -> None:
    one = Utterance("csv", "c", "1", "hello \ud800", customer="ada", signals={"missed": True})
    other = Utterance("csv", "c", "2", "bye", customer="bob")
    assert await journal.keep_utterances([one, one]) == 1
    assert await journal.keep_utterances([one, other]) == 1
    await journal.note_signals([Note(one.key, {"rating": "up", "missed": None}), Note(("csv", "c", "9"), {"a": 1})])

    assert await journal.known_utterances([one.key, ("csv", "c", "9")]) == {one.key}
    assert await journal.utterance_counts() == {"csv": 2}
    assert [(u.text, dict(u.signals)) for u in await journal.utterances_of("ada")] == [
        ("hello \ufffd", {"rating": "up"})
    ]
    newest = await journal.newest_utterances(1)
    assert [u.text for u in newest + await journal.newest_utterances(9, newest[0].id)] == ["bye", "hello \ufffd"]


# The command


@pytest.fixture
def frontdesk(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Callable[..., Any]:
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return Frontdesk(monkeypatch, capfdbinary)


def test_the_command_tells_what_it_kept(frontdesk: Frontdesk, tmp_path: Path, assistant: Assistant) -> None:
    async def fill() -> None:
        async with await Journal.open(tmp_path / "home" / "frontdesk.db") as journal:
            await Talk(journal, assistant)("where is LW-10234 | track order=LW-1", "/track", "again please | chat")

    asyncio.run(fill())
    ended = frontdesk("collect")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "3 turns read. 2 utterances added; 2 kept in all.",
        "skipped  because           first at",
        "1        a pressed button  c1/3",
    ]
    told = json.loads(frontdesk("collect", "--json").out)
    assert told == {"turns": 0, "added": 0, "known": 0, "skipped": {}, "utterances": {"journal": 2}}


def test_the_command_loads_no_model() -> None:
    program = "import sys, bot.transcripts.collect; print(*({'torch', 'transformers', 'aiohttp'} & sys.modules.keys()))"
    asked = [sys.executable, "-c", program]
    assert subprocess.run(asked, capture_output=True, timeout=SECONDS, cwd=ROOT, check=True).stdout == b"\n"


def test_without_a_conversation_log_the_command_says_so(frontdesk: Frontdesk, tmp_path: Path) -> None:
    ended = frontdesk("collect")
    assert ended.code == 2
    assert ended.err.startswith(
        f"frontdesk: There is no conversation log {tmp_path}/home/frontdesk.db; name its folder"
    )
    assert not (tmp_path / "home").exists()
