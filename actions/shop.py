"""The demo shop as one transaction sees it: orders, stores, stock, cases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from actions.dates import today
from actions.tables import cases, customers, order_lines, orders, products, stock, stores, subscriptions

RETURN_DAYS = 30
WARRANTY_YEARS = 3
FIRST_CASE = 5000


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
