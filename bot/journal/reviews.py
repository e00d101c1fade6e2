"""What people decided about utterances: the last word on each counts, and a decision can be taken back whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import uuid4

from sqlalchemy import Connection, Select, Text, delete, exists, func, insert, or_, select, type_coerce

from bot.journal.rows import Row, lists
from bot.journal.tables import reviews, utterances
from bot.journal.utterances import as_utterance
from bot.journal.values import Kind, Review, Reviewed, Utterance, person
from bot.messages import LABELS

_TOLD = ("pressed", "rating", "completed", LABELS)
_later = reviews.alias("later")
_LAST = ~exists().where(_later.c.utterance_id == reviews.c.utterance_id, _later.c.id > reviews.c.id)
_OPEN = ~exists().where(reviews.c.utterance_id == utterances.c.id)


def decide(connection: Connection, given: Sequence[Review], now: float) -> str:
    """Keeps them as one decision; returns its name. Of an utterance that is gone nothing is kept."""
    name = uuid4().hex
    wanted = [review.utterance_id for review in given]
    there = set(connection.execute(select(utterances.c.id).where(utterances.c.id.in_(wanted))).scalars())
    rows = [
        {
            "decision": name,
            "utterance_id": review.utterance_id,
            "kind": review.kind.value,
            "label": review.label,
            "reviewer": review.reviewer,
            "at": now,
        }
        for review in given
        if review.utterance_id in there
    ]
    if rows:
        connection.execute(insert(reviews), rows)
    return name


def undo(connection: Connection, reviewer: str) -> list[int]:
    """Takes back the reviewer's last decision; returns the ids of the utterances that it was about."""
    people = connection.execute(select(reviews.c.reviewer).distinct()).scalars()
    names = [name for name in people if person(name) == person(reviewer)]
    last = select(reviews.c.decision).where(reviews.c.reviewer.in_(names)).order_by(reviews.c.id.desc()).limit(1)
    name = connection.execute(last).scalar()
    if name is None:
        return []
    mine = reviews.c.decision == name
    found = list(connection.execute(select(reviews.c.utterance_id).where(mine).order_by(reviews.c.id)).scalars())
    connection.execute(delete(reviews).where(mine))
    return found


def decided(connection: Connection) -> list[Reviewed]:
    """The last word on each utterance, in the order of the utterances."""
    query = _words().where(_LAST).order_by(utterances.c.id)
    return [_reviewed(row) for row in connection.execute(query).mappings()]


def all_words(connection: Connection) -> list[Reviewed]:
    """Every word on every utterance, in the order in which they were said."""
    return [_reviewed(row) for row in connection.execute(_words().order_by(reviews.c.id)).mappings()]


def words_on(connection: Connection, ids: Collection[int]) -> list[tuple[Utterance, list[Review]]]:
    """Of those of the utterances that are there, with every word on each in the order in which they were said."""
    found: dict[int, tuple[Utterance, list[Review]]] = {}
    for some in lists(ids):
        query = _words(of_all=True).where(utterances.c.id.in_(some)).order_by(reviews.c.id)
        for row in connection.execute(query).mappings():
            words = found.setdefault(row["id"], (_utterance(row), []))[1]
            words += [_review(row)] if row["review_kind"] else []
    return list(found.values())


def _words(*, of_all: bool = False) -> Select[tuple[object, ...]]:
    """`of_all`: also the utterances without any."""
    said = (reviews.c[name].label(f"review_{name}") for name in ("decision", "kind", "label", "reviewer", "at"))
    return select(utterances, *said).join(reviews, reviews.c.utterance_id == utterances.c.id, isouter=of_all)


def undecided(connection: Connection, limit: int) -> list[Utterance]:
    """The last kept first; answers to a form's question are left out."""
    query = select(utterances).where(_OPEN, utterances.c.asked.is_(None))
    rows = connection.execute(query.order_by(utterances.c.id.desc()).limit(limit)).mappings()
    return [as_utterance(row) for row in rows]


def answered_for(connection: Connection) -> list[Utterance]:
    """Undecided ones of which customers themselves said what they meant, or whether the answer was right, or people
    who took over what it was about."""
    told = or_(*(type_coerce(utterances.c.signals, Text).contains(f'"{name}":', autoescape=True) for name in _TOLD))
    query = select(utterances).where(_OPEN, utterances.c.asked.is_(None), told).order_by(utterances.c.id)
    return [as_utterance(row) for row in connection.execute(query).mappings()]


def counts(connection: Connection) -> dict[str, int]:
    """Utterances by the kind of the last word on them, and `open`."""
    by_kind = select(reviews.c.kind, func.count()).where(_LAST).group_by(reviews.c.kind)
    every = select(func.count()).select_from(utterances).where(utterances.c.asked.is_(None))
    seen = select(func.count(reviews.c.utterance_id.distinct())).where(
        reviews.c.utterance_id == utterances.c.id, utterances.c.asked.is_(None)
    )  # they are few: to look for a decision on each of a million would take seconds
    waiting = connection.execute(every).scalar_one() - connection.execute(seen).scalar_one()
    return {"open": waiting, **{row.kind: row[1] for row in connection.execute(by_kind)}}


def _reviewed(row: Row) -> Reviewed:
    return Reviewed(_utterance(row), _review(row))


def _utterance(row: Row) -> Utterance:
    return as_utterance({name: row[name] for name in row if not name.startswith("review_")})


def _review(row: Row) -> Review:
    said = {name.removeprefix("review_"): row[name] for name in row if name.startswith("review_")}
    return Review(row["id"], Kind(said["kind"]), said["label"], said["reviewer"], said["decision"], said["at"])
