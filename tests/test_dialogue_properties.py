"""What holds in every state that a conversation can reach."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.dialogue.tracker import Tracker
from bot.messages import Event, Outbound, Owner
from tests.dialogue_play import Play, assistant_of, fails, passage
from tests.test_dialogue import ACTIONS, DOMAIN, RULES

ASSISTANT = assistant_of(domain=DOMAIN, rules=RULES)
LINES = [
    "hi | greet",
    "cancel | cancel",
    "cancel lw-1 | cancel order=lw-1 email=a@b",
    "where | track",
    "where is 2 | track order=2",
    "send back | lone",
    "yes | affirm",
    "no | deny",
    "never mind | stop",
    "a@b | inform email=a@b",
    "17 | inform order=17",
    "lw-3 | ? order=lw-3",
    "ugh | ?",
    "time | ask_time",
    "chat | chat",
    "again | repeat",
    "hm | track / cancel",
    "hm | chat / thank order=1",
    "other | out_of_scope",
    "/resume_bot",
    "/human",
    "/restart",
    "/back",
    '/cancel{"order": ["lw-1", {"value": "lw-2", "role": "x"}]}',
]
walks = st.lists(st.sampled_from(LINES), max_size=12)


def walked(lines: list[str], *, failing: bool = False, known: bool = False) -> Play:
    play = Play(ASSISTANT, {**ACTIONS, "action_track": fails("failed")} if failing else dict(ACTIONS))
    play.passages = (passage("Three days.", sure=False),) if known else ()
    for line in lines:
        play.hear(line)
    return play


@settings(max_examples=80, deadline=None)
@given(walks, st.booleans(), st.booleans())
def test_a_person_can_be_called_at_once_from_anywhere(lines: list[str], failing: bool, known: bool) -> None:
    play = walked(lines, failing=failing, known=known)
    assert play.hear("/human").owner is Owner.QUEUE
    assert play.copy().hear("a person | human").owner is Owner.QUEUE


@settings(max_examples=80, deadline=None)
@given(walks, st.booleans(), st.sampled_from(["ugh | ?", "/nothing", "/"]))
def test_two_messages_that_are_not_understood_lead_to_a_person(lines: list[str], failing: bool, ugh: str) -> None:
    play = walked(lines, failing=failing)
    assume(not _takes_any_text(play.tracker))
    replies = [*play.hear(ugh).replies, *play.hear(ugh).replies]
    assert _offers(replies) or play.tracker.owner is Owner.QUEUE


def _offers(replies: list[Outbound]) -> bool:
    return any(button.payload == "/human" for reply in replies for button in reply.buttons)


def _takes_any_text(tracker: Tracker) -> bool:
    """A form waits for an answer of any kind, now or as soon as the one in its way is done."""
    return tracker.requested == "reason" or any(form.form == "return_form" for form in tracker.suspended)


@settings(max_examples=80, deadline=None)
@given(walks, st.booleans())
def test_a_form_that_takes_any_text_takes_what_is_not_understood(lines: list[str], failing: bool) -> None:
    play = walked([*lines, "/restart", "send back | lone"], failing=failing)
    assert [reply.text for reply in play.hear("ugh | ?").replies] == ["Refunded."]


payloads = st.one_of(
    st.none(),
    st.sampled_from([f"/{intent}" for intent in (*ASSISTANT.domain.intents, "back", "resume_bot", "session_start")]),
    st.builds("/{}{{{}".format, st.sampled_from(list(ASSISTANT.domain.intents)), st.text()),
    st.text().map("/".__add__),
)


@settings(max_examples=150, deadline=None)
@given(walks, st.text(), payloads)
def test_every_text_and_every_press_is_answered(lines: list[str], text: str, payload: str | None) -> None:
    play = walked(lines)
    before = play.tracker
    replies = play.turn(text, None, payload).replies
    if before.owner is Owner.QUEUE and before.waiting_told and payload is None:
        assert replies == ()  # somebody is on the way, and that was said
    elif before.owner is Owner.BOT and not (payload or "").startswith("/session_start"):
        assert replies


@settings(max_examples=40, deadline=None)
@given(walks)
def test_the_events_of_the_turns_alone_make_the_same_tracker(lines: list[str]) -> None:
    play = Play(ASSISTANT, dict(ACTIONS))
    play.tracker = rebuilt = Tracker("c1").seated(ASSISTANT.domain.initial_slots())
    for line in lines:
        rebuilt = rebuilt.apply_all(play.hear(line).events)
    assert rebuilt == play.tracker


@settings(max_examples=40, deadline=None)
@given(walks)
def test_nobody_hears_the_bot_while_a_person_answers(lines: list[str]) -> None:
    play = walked(lines)
    play.apply(Event("pause", play.now, {"owner": "agent"}))
    for line in [line for line in LINES if line != "/restart"]:
        assert play.hear(line).replies == ()
