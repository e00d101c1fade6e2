"""The demo shop: a real database behind the actions, made and filled at first use."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Date,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from actions import demo_data
from actions.dates import today

RETURN_DAYS = 30
WARRANTY_YEARS = 3
FIRST_CASE = 5000

metadata = MetaData()

customers = Table(
    "customers",
    metadata,
    Column("email", String(254), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("address", String(300), nullable=False),
    Column("phone", String(40), nullable=False),
)
orders = Table(
    "orders",
    metadata,
    Column("number", String(10), primary_key=True),
    Column("email", ForeignKey("customers.email"), nullable=False, index=True),
    Column("state", String(20), nullable=False),
    Column("total_cents", Integer, nullable=False),
    Column("address", String(300), nullable=False),
    Column("paid_by", String(40), nullable=False),
    Column("placed_on", Date, nullable=False),
    Column("shipped_on", Date),
    Column("due_on", Date),
    Column("delivered_on", Date),
    Column("closed_on", Date),
    Column("carrier", String(40)),
    Column("tracking_number", String(20), index=True),
    Column("refund_cents", Integer),
    Column("refunded_on", Date),
)
order_lines = Table(
    "order_lines",
    metadata,
    Column("order_number", ForeignKey("orders.number"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("product", String(80), nullable=False),
    Column("quantity", Integer, nullable=False),
)
products = Table("products", metadata, Column("name", String(80), primary_key=True))
stores = Table(
    "stores",
    metadata,
    Column("city", String(80), primary_key=True),
    Column("street", String(200), nullable=False),
    Column("hours", JSON, nullable=False),
)
stock = Table(
    "stock",
    metadata,
    Column("product", ForeignKey("products.name"), primary_key=True),
    Column("place", String(80), primary_key=True),
    Column("quantity", Integer, nullable=False),
)
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("email", String(254), primary_key=True),
    Column("topic", String(40), primary_key=True),
)
cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("email", String(254), nullable=False, index=True),
    Column("order_number", ForeignKey("orders.number")),
    Column("details", Text, nullable=False),
    Column("opened_on", Date, nullable=False),
)
answers = Table(
    "answers",
    metadata,
    Column("key", String(500), primary_key=True),
    Column("answer", Text),
    Column("at", Float, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Store:
    city: str
    street: str
    hours: list[str | None]
    """Monday to Sunday, `10:00-19:00`; None is closed."""


@dataclass(frozen=True, slots=True)
class Order:
    number: str
    email: str
    state: str
    total_cents: int
    address: str
    paid_by: str
    placed_on: date
    shipped_on: date | None
    due_on: date | None
    delivered_on: date | None
    closed_on: date | None
    carrier: str | None
    tracking_number: str | None
    refund_cents: int | None
    refunded_on: date | None
    items: tuple[tuple[str, int], ...]

    @property
    def content(self) -> str:
        """`Fjord table lamp and 2 x Cove towel set`"""
        said = [name if quantity == 1 else f"{quantity} x {name}" for name, quantity in self.items]
        return " and ".join(filter(None, [", ".join(said[:-1]), said[-1]]))

    def goes_to(self, postcode: str) -> bool:
        return re.search(rf"(?<!\w){re.escape(postcode)}(?!\w)", self.address, re.IGNORECASE) is not None

    @property
    def total(self) -> str:
        return euros(self.total_cents)

    @property
    def cancellable(self) -> bool:
        return self.state == "placed"

    @property
    def readdressable(self) -> bool:
        return self.state in ("placed", "packed")

    @property
    def arrived(self) -> date | None:
        """When it was delivered, if the customer still has it."""
        return self.delivered_on if self.state == "delivered" else None

    @property
    def return_until(self) -> date | None:
        return self.arrived + timedelta(days=RETURN_DAYS) if self.arrived else None

    @property
    def returnable(self) -> bool:
        return self.return_until is not None and today() <= self.return_until

    @property
    def warranty_until(self) -> date | None:
        return _years_after(self.arrived, WARRANTY_YEARS) if self.arrived else None

    @property
    def under_warranty(self) -> bool:
        return self.warranty_until is not None and today() <= self.warranty_until


def euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d} EUR"


def _years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


class Shop:
    """The shop as seen by one transaction."""

    def __init__(self, connection: Connection, *, changing: bool = False) -> None:
        self._connection = connection
        self._changing = changing

    def order(self, number: str | None) -> Order | None:
        """The order; nobody else changes it until a changing transaction ends."""
        found = self._orders(orders.c.number == number) if number else ()
        return found[0] if found else None

    def orders_of(self, email: str) -> tuple[Order, ...]:
        """Newest first."""
        return self._orders(orders.c.email == email)

    def order_with_tracking(self, tracking_number: str) -> str | None:
        return self._connection.scalar(select(orders.c.number).where(orders.c.tracking_number == tracking_number))

    def is_customer(self, email: str) -> bool:
        return self._connection.scalar(select(customers.c.email).where(customers.c.email == email)) is not None

    def product_names(self) -> list[str]:
        return list(self._connection.scalars(select(products.c.name).order_by(products.c.name)))

    def stores(self) -> list[Store]:
        return [Store(*row) for row in self._connection.execute(select(stores).order_by(stores.c.city))]

    def stock_of(self, product: str) -> dict[str, int]:
        """Pieces by place: the shops' cities, and `online`."""
        rows = self._connection.execute(select(stock.c.place, stock.c.quantity).where(stock.c.product == product))
        return {row.place: row.quantity for row in rows}

    def change_order(self, number: str, **values: Any) -> None:
        self._connection.execute(update(orders).where(orders.c.number == number).values(**values))

    def open_case(self, kind: str, *, email: str, details: str, order_number: str | None = None) -> str:
        """Files a case for the service team and returns its number."""
        values = {"kind": kind, "email": email, "order_number": order_number, "details": details, "opened_on": today()}
        made = self._connection.execute(insert(cases).values(values)).inserted_primary_key
        assert made is not None
        return f"C-{FIRST_CASE + int(made[0])}"

    def case_of(self, kind: str, order_number: str) -> str | None:
        """The number of a case of this kind that is already filed for the order."""
        same = (cases.c.kind == kind) & (cases.c.order_number == order_number)
        found = self._connection.scalar(select(cases.c.id).where(same).limit(1))
        return f"C-{FIRST_CASE + found}" if found else None

    def subscribe(self, email: str, topics: Sequence[str]) -> None:
        self.unsubscribe(email, topics)
        self._connection.execute(insert(subscriptions), [{"email": email, "topic": topic} for topic in topics])

    def unsubscribe(self, email: str, topics: Sequence[str]) -> None:
        mine = (subscriptions.c.email == email) & subscriptions.c.topic.in_(topics)
        self._connection.execute(delete(subscriptions).where(mine))

    def _orders(self, condition: ColumnElement[bool]) -> tuple[Order, ...]:
        query = select(orders).where(condition).order_by(orders.c.placed_on.desc())
        rows = self._connection.execute(query.with_for_update() if self._changing else query).mappings().all()
        return tuple(Order(**row, items=self._items(row["number"])) for row in rows)

    def _items(self, number: str) -> tuple[tuple[str, int], ...]:
        query = select(order_lines).where(order_lines.c.order_number == number).order_by(order_lines.c.position)
        return tuple((row.product, row.quantity) for row in self._connection.execute(query))


class Database:
    """Hands out the shop, one transaction at a time. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def reading(self) -> Iterator[Shop]:
        with self._engine.connect() as connection:
            yield Shop(connection)

    def once(self, key: str | None, change: Callable[[Shop], dict[str, Any]]) -> dict[str, Any]:
        """Makes a change and stores its answer in one transaction; the same key again only returns the answer."""
        if key is None:
            with self._engine.begin() as connection:
                return change(Shop(connection, changing=True))
        try:
            with self._engine.begin() as connection:
                # First, so that a second call with the key waits here for the first one's commit.
                connection.execute(insert(answers).values(key=key, at=time.time()))
                answer = change(Shop(connection, changing=True))
                connection.execute(update(answers).where(answers.c.key == key).values(answer=json.dumps(answer)))
                return answer
        except IntegrityError:
            stored = self._stored(key)
            if stored is None:
                raise
            return stored

    def _stored(self, key: str) -> dict[str, Any] | None:
        with self._engine.connect() as connection:
            found = connection.scalar(select(answers.c.answer).where(answers.c.key == key))
        stored: dict[str, Any] | None = json.loads(found) if found else None
        return stored


def shop_url() -> str:
    """`SHOP_DATABASE_URL`, else a SQLite file in Frontdesk's home folder."""
    url = os.environ.get("SHOP_DATABASE_URL")
    home = Path(os.environ.get("FRONTDESK_HOME") or ".frontdesk")
    return url or f"sqlite:///{home.absolute() / 'shop.db'}"


def the_database() -> Database:
    """The database that the settings name, opened once."""
    return open_database(shop_url())


@cache
def open_database(url: str) -> Database:
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    _create_tables(engine)
    _fill(engine)
    return Database(engine)


def _create_tables(engine: Engine) -> None:
    try:
        metadata.create_all(engine)
    except (OperationalError, ProgrammingError, IntegrityError):
        metadata.create_all(engine)  # another process made a table between our look and our CREATE


def _fill(engine: Engine) -> None:
    try:
        with engine.begin() as connection:
            # The first statement is a row that can be there only once: whoever comes second changes nothing.
            connection.execute(insert(answers).values(key="demo data", answer="{}", at=time.time()))
            connection.execute(insert(customers), demo_data.customers())
            connection.execute(insert(products), [{"name": name} for name in demo_data.PRODUCTS])
            connection.execute(insert(orders), demo_data.orders(today()))
            connection.execute(insert(order_lines), demo_data.lines())
            connection.execute(insert(stores), list(demo_data.STORES))
            connection.execute(insert(stock), demo_data.stock())
    except IntegrityError:
        return
