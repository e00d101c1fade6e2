"""Custom actions change things outside: each run is recorded before it starts and after it ends."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from bot.journal.errors import NotFound
from bot.journal.tables import action_runs
from bot.journal.values import ActionRun, ActionStatus, Step
from bot.messages import Json

_this = (
    (action_runs.c.conversation_id == bindparam("conversation"))
    & (action_runs.c.seq == bindparam("number"))
    & (action_runs.c.n == bindparam("nth"))
)
FIND = select(action_runs).where(_this)
START = insert(action_runs)
FINISH = (
    update(action_runs)
    .where(_this)
    .values(finished_at=bindparam("now"), result=bindparam("outcome", type_=action_runs.c.result.type))
)


def start(connection: Connection, step: Step, name: str, now: float) -> ActionRun:
    """Records the start of the turn's nth action, or finds that it was started before.

    A turn that is repeated and takes another way finds another action's record: that is no result of this one.
    """
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
    if row.finished_at is None or row.name != name:
        return ActionRun(ActionStatus.STARTED_BEFORE, row.name)
    return ActionRun(ActionStatus.DONE, row.name, row.result)


def finish(connection: Connection, step: Step, result: Json, now: float) -> None:
    values = {**_key(step), "now": now, "outcome": result}
    if connection.execute(FINISH, values).rowcount == 0:
        raise NotFound("This action was never started.")


def _key(step: Step) -> Json:
    return {"conversation": step.conversation_id, "number": step.seq, "nth": step.n}
