"""The tables of the demo shop."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Date, Float, ForeignKey, Integer, MetaData, String, Table, Text

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
