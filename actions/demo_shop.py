"""Puts the demo's rows into a new shop, and moves the dates of those that nobody has touched along with the days."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime

from sqlalchemy import ColumnElement, Connection, Engine, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from actions import demo_data
from actions.demo_data import Row
from actions.tables import answers, cases, customers, order_lines, orders, products, stock, stores

MARK = "demo data"
"""The answer under this key says from which day the demo's orders are dated."""


def fill(engine: Engine, day: date) -> None:
    try:
        with engine.begin() as connection:
            # The first statement is a row that can be there only once: whoever comes second changes nothing.
            connection.execute(insert(answers).values(key=MARK, answer=_dated(day), at=time.time()))
            connection.execute(insert(customers), demo_data.customers())
            connection.execute(insert(products), [{"name": name} for name in demo_data.PRODUCTS])
            connection.execute(insert(orders), demo_data.orders(day))
            connection.execute(insert(order_lines), demo_data.lines())
            connection.execute(insert(stores), list(demo_data.STORES))
            connection.execute(insert(stock), demo_data.stock())
    except IntegrityError:
        return


def date_from(engine: Engine, day: date) -> None:
    """Dates the orders that are still as they were made, and that no case is about, from this day."""
    with engine.begin() as connection:
        mark = connection.execute(select(answers.c.answer, answers.c.at).where(answers.c.key == MARK)).one_or_none()
        before = _day_of(mark.answer, mark.at) if mark else day
        if mark is None or before >= day or not _claimed(connection, mark.answer, day):
            return
        for made, fresh in zip(demo_data.orders(before), demo_data.orders(day), strict=True):
            connection.execute(update(orders).where(_untouched(made)).values(fresh))


def _untouched(made: Row) -> ColumnElement[bool]:
    of_case = select(cases.c.id).where(cases.c.order_number == made["number"])
    return and_(*(orders.c[name] == value for name, value in made.items()), ~of_case.exists())


def _claimed(connection: Connection, known: str | None, day: date) -> bool:
    """One process alone moves the dates."""
    mine = (answers.c.key == MARK) & (answers.c.answer == known)
    return connection.execute(update(answers).where(mine).values(answer=_dated(day))).rowcount == 1


def _dated(day: date) -> str:
    return json.dumps({"dated": day.isoformat()})


def _day_of(answer: str | None, at: float) -> date:
    said = json.loads(answer or "{}").get("dated")
    return date.fromisoformat(said) if said else datetime.fromtimestamp(at, UTC).date()
