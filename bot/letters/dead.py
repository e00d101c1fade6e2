"""`frontdesk dead`: customers' messages that were given up."""

from __future__ import annotations

import time
from collections.abc import Sequence

import typer

from bot.desk import DeskError, check_choice, with_journal
from bot.dialogue.tracker import Tracker
from bot.journal.dead import Revival
from bot.journal.errors import StaleFence
from bot.journal.journal import Journal
from bot.journal.values import Conversation, DeadLetter
from bot.messages import Event, Json, Owner, State
from bot.printed import counted, print_json, print_table, short, when

_OWNERS = {Owner.BOT: "the assistant", Owner.QUEUE: "waiting for a person", Owner.AGENT: "a person"}
_TRIES = 5


def show(as_json: bool) -> None:
    letters = with_journal(lambda journal: journal.dead_letters())
    if as_json:
        print_json([_letter_json(letter) for letter in letters])
    elif not letters:
        typer.echo("There is no dead letter.", err=True)
    else:
        print_table(("id", "when", "why", "is with", "message"), [_letter_row(letter) for letter in letters])
        typer.echo(f"{counted(len(letters), 'dead letter', 'dead letters')}.")


def retry(ids: Sequence[str] | None, every: bool, as_json: bool) -> None:
    check_choice(ids, every)
    retried, left = with_journal(lambda journal: _revive_all(journal, ids))
    if as_json:
        print_json({"retried": retried, "left": left})
        return
    if retried:
        typer.echo(
            f"{counted(len(retried), 'message', 'messages')} retried: the service answers soon, or once it runs."
        )
    for name, why in left.items():
        typer.echo(f"{name}: {why}", err=True)
    if not retried and not left:
        typer.echo("There is no dead letter.", err=True)


def drop(ids: Sequence[str] | None, every: bool, as_json: bool) -> None:
    check_choice(ids, every)

    async def apply(journal: Journal) -> list[str]:
        return [
            _name(letter)
            for letter in await _chosen(journal, ids)
            if await journal.bury_for_good(letter.entry.conversation_id, letter.entry.seq)
        ]

    dropped = with_journal(apply)
    if as_json:
        print_json({"dropped": dropped})
    elif every and not dropped:
        typer.echo("There is no dead letter.", err=True)
    else:
        typer.echo(f"{counted(len(dropped), 'message', 'messages')} dropped.")


async def _chosen(journal: Journal, ids: Sequence[str] | None) -> list[DeadLetter]:
    """Those, or all. Raises DeskError for an id that is none."""
    letters = {_name(letter): letter for letter in await journal.dead_letters()}
    if strange := [name for name in ids or () if name not in letters]:
        raise DeskError(f"There is no dead letter {strange[0]}; `frontdesk dead list` shows them.")
    return [letters[name] for name in ids] if ids else list(letters.values())


async def _revive_all(journal: Journal, ids: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """What was revived, and what was not with the reason."""
    retried: list[str] = []
    left: dict[str, str] = {}
    failures = {letter.failure for letter in await journal.dead_letters()}
    for letter in await _chosen(journal, ids):
        why = await _revive(journal, letter, failures)
        if why is None:
            retried.append(_name(letter))
        else:
            left[_name(letter)] = why
    return retried, left


async def _revive(journal: Journal, letter: DeadLetter, failures: set[str]) -> str | None:
    """None, or why the message is left to a person."""
    conversation_id = letter.entry.conversation_id
    for _ in range(_TRIES):
        fence = await journal.fence(conversation_id)  # from here on no turn under way can commit
        conversation = await journal.conversation(conversation_id)
        assert conversation is not None
        if why := _with_a_person(conversation, failures):
            return why
        state, events = _back_to_the_bot(conversation)
        try:
            await journal.revive(Revival(conversation_id, letter.entry.seq, fence, events, state))
        except StaleFence:
            continue
        return None
    return "The conversation is busy; try again."


def _with_a_person(conversation: Conversation, failures: set[str]) -> str | None:
    if conversation.owner is Owner.AGENT:
        return "a person has the conversation now and answers it; drop the letter once that is done."
    if conversation.owner is Owner.QUEUE and conversation.reason not in failures:
        return "the customer waits for a person for another reason, who answers this too; drop the letter then."
    return None


def _back_to_the_bot(conversation: Conversation) -> tuple[State | None, tuple[Event, ...]]:
    """It waits for a person only because the message was given up; the answer ends that."""
    if conversation.owner is Owner.BOT:
        return None, ()
    tracker = Tracker.from_json(conversation.state) if conversation.state else Tracker(conversation.id)
    resume = Event("resume", time.time(), {"metadata": {"by": "frontdesk dead retry"}})
    return tracker.apply(resume).written(), (resume,)


def _name(letter: DeadLetter) -> str:
    return f"{letter.entry.conversation_id}/{letter.entry.seq}"


def _letter_row(letter: DeadLetter) -> tuple[str, ...]:
    return (
        _name(letter),
        when(letter.entry.at),
        letter.failure,
        _OWNERS[letter.owner],
        short(letter.entry.message.text),
    )


def _letter_json(letter: DeadLetter) -> Json:
    return {
        "id": _name(letter),
        "conversation": letter.entry.conversation_id,
        "seq": letter.entry.seq,
        "at": letter.entry.at,
        "failure": letter.failure,
        "owner": letter.owner.value,
        "reason": letter.reason,
        "text": letter.entry.message.text,
    }
