"""Custom actions change things outside: each run is recorded before it starts and after it ends."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, insert, select, update

from bot.journal.errors import AlreadyProcessed, NotFound, OutOfOrder, StaleFence
from bot.journal.tables import action_runs, conversations, entries
from bot.journal.values import ActionRun, ActionStatus, Step
from bot.messages import Json

_this = (
    (action_runs.c.conversation_id == bindparam("conversation"))
    & (action_runs.c.seq == bindparam("number"))
    & (action_runs.c.n == bindparam("nth"))
)
FIND = select(action_runs).where(_this)
OF_MESSAGE = (
    select(action_runs)
    .where(action_runs.c.conversation_id == bindparam("conversation"), action_runs.c.seq == bindparam("number"))
    .order_by(action_runs.c.n)
)
_earlier = entries.alias("earlier")
STANDING = (
    select(
        conversations.c.fence,
        entries.c.pending_since,
        exists()
        .where(
            _earlier.c.conversation_id == bindparam("conversation"),
            _earlier.c.seq < bindparam("number"),
            _earlier.c.pending_since.is_not(None),
        )
        .label("overtakes"),
    )
    .join(entries, entries.c.conversation_id == conversations.c.id)
    .where(conversations.c.id == bindparam("conversation"), entries.c.seq == bindparam("number"))
    .with_for_update(read=True, key_share=True, of=conversations)  # it is not erased meanwhile
)
START = insert(action_runs)
FINISH = (
    update(action_runs)
    .where(_this)
    .values(finished_at=bindparam("now"), result=bindparam("outcome", type_=action_runs.c.result.type))
)


def start(connection: Connection, step: Step, name: str, fence: int, now: float) -> ActionRun:
    """Records the start of the turn's nth action, or finds that it was started before.

    A turn that is repeated and takes another way finds another action's record: that is no result of this one.
    A turn that could not be committed any more starts nothing: StaleFence, AlreadyProcessed, OutOfOrder, NotFound.
    """
    _check_standing(connection, step, fence)
    row = connection.execute(FIND, _key(step)).first()
    if row is None:
        connection.execute(
            START,
            {
                "conversation_id": step.conversation_id,
                "seq": step.seq,
                "n": step.n,
                "name": name,
                "started_at": now,
            },
        )
        return ActionRun(ActionStatus.NEW, name)
    return _run(row) if row.name == name else ActionRun(ActionStatus.STARTED_BEFORE, row.name)


def of_message(connection: Connection, conversation_id: str, seq: int) -> list[ActionRun]:
    """What earlier turns for the message started, in order."""
    key = {"conversation": conversation_id, "number": seq}
    return [_run(row) for row in connection.execute(OF_MESSAGE, key)]


def _check_standing(connection: Connection, step: Step, fence: int) -> None:
    key = {"conversation": step.conversation_id, "number": step.seq}
    standing = connection.execute(STANDING, key).first()
    if standing is None:
        raise NotFound("There is no such message.")
    if standing.fence > fence:
        raise StaleFence("Somebody else owns the conversation by now.")
    if standing.pending_since is None:
        raise AlreadyProcessed("The message has its answer.")
    if standing.overtakes:
        raise OutOfOrder("An earlier message of the conversation still waits for its answer.")


def _run(row: Row[Any]) -> ActionRun:
    if row.finished_at is None:
        return ActionRun(ActionStatus.STARTED_BEFORE, row.name)
    return ActionRun(ActionStatus.DONE, row.name, row.result)


def finish(connection: Connection, step: Step, result: Json, now: float) -> None:
    values = {**_key(step), "now": now, "outcome": result}
    if connection.execute(FINISH, values).rowcount == 0:
        raise NotFound("This action was never started.")


def _key(step: Step) -> Json:
    return {"conversation": step.conversation_id, "number": step.seq, "nth": step.n}
