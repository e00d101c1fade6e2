"""The demo shop never looks old: what nobody has touched is dated anew each day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, update

from actions import demo_shop
from actions.database import open_database
from actions.dates import today
from actions.demo_data import orders
from actions.tables import answers, metadata
from actions.tables import orders as table

MADE = date(2024, 3, 1)
LATER = date(2024, 5, 20)


@pytest.fixture
def engine(database_url: str) -> Engine:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    metadata.create_all(engine)
    demo_shop.fill(engine, MADE)
    return engine


def rows(engine: Engine) -> dict[str, dict[str, Any]]:
    with engine.connect() as connection:
        return {row["number"]: dict(row) for row in connection.execute(select(table)).mappings()}


def made(day: date) -> dict[str, dict[str, Any]]:
    return {row["number"]: row for row in orders(day)}


def test_untouched_orders_move_along_with_the_days(engine: Engine) -> None:
    demo_shop.date_from(engine, LATER)
    assert rows(engine) == made(LATER)

    demo_shop.date_from(engine, LATER + timedelta(days=1))
    assert rows(engine) == made(LATER + timedelta(days=1))


def test_an_order_that_was_changed_keeps_its_dates(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(table).where(table.c.number == "LW-10251").values(state="cancelled", closed_on=MADE))

    demo_shop.date_from(engine, LATER)

    assert rows(engine)["LW-10251"]["placed_on"] == made(MADE)["LW-10251"]["placed_on"]
    assert rows(engine)["LW-10234"] == made(LATER)["LW-10234"]


def test_an_order_that_a_case_is_about_keeps_its_dates(engine: Engine, database_url: str) -> None:
    demo_shop.date_from(engine, today())
    open_database(database_url).once(
        None, lambda shop: {"text": shop.open_case("return", email="", details="", order_number="LW-10198")}
    )

    demo_shop.date_from(engine, today() + timedelta(days=60))

    assert rows(engine)["LW-10198"] == made(today())["LW-10198"]


def test_dates_never_go_back(engine: Engine) -> None:
    demo_shop.date_from(engine, LATER)
    demo_shop.date_from(engine, MADE)
    assert rows(engine) == made(LATER)


def test_a_shop_made_before_its_day_was_noted_is_dated_from_the_time_of_its_making(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(answers).values(answer="{}", at=1709251200.0))  # 1 March 2024

    demo_shop.date_from(engine, LATER)

    assert rows(engine) == made(LATER)


def test_a_shop_that_is_not_the_demos_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(answers.delete())

    demo_shop.date_from(engine, LATER)

    assert rows(engine) == made(MADE)


@pytest.mark.usefixtures("engine")
def test_whoever_asks_the_shop_finds_it_fresh(database_url: str) -> None:
    with open_database(database_url).reading() as shop:
        order = shop.order("LW-10198")

    assert order is not None
    assert order.delivered_on == today() - timedelta(days=9)
