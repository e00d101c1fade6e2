"""The rows a new demo shop starts with (training_data/README.md), dated from a given day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]

PRODUCTS = (
    "Alma sofa", "Alma armchair", "Fjord table lamp", "Fjord floor lamp", "Lumen pendant", "Tarn oak table",
    "Tarn bench", "Brook bookshelf", "Heron desk", "Heron chair", "Wren nightstand", "Marsh bed", "Moor mattress",
    "Linden wardrobe", "Thistle duvet", "Thistle pillow", "Clover rug", "Fern curtains", "Sorrel blanket",
    "Bramble bed linen", "Ember cast-iron pan", "Pebble dinner set", "Reed cutlery", "Dune wine glasses",
    "Copper kettle", "Hazel chopping board", "Cove towel set", "Juniper garden table", "Juniper garden chair",
    "Sage planter",
)  # fmt: skip

LARGE_FURNITURE = {
    "Alma sofa", "Alma armchair", "Tarn oak table", "Brook bookshelf", "Heron desk", "Marsh bed", "Moor mattress",
    "Linden wardrobe", "Juniper garden table",
}  # fmt: skip
ONLINE = "online"
OUT_OF_STOCK = {("Linden wardrobe", ONLINE), ("Lumen pendant", ONLINE), ("Alma sofa", "Dublin"), ("Marsh bed", "Lyon")}
FEW_LEFT = {("Alma sofa", "Hamburg"), ("Copper kettle", ONLINE), ("Clover rug", "Vienna")}
GARDEN = {"Juniper garden table", "Juniper garden chair", "Sage planter"}

WEEK = ["10:00-19:00"] * 5 + ["10:00-18:00"]
STORES: tuple[Row, ...] = (
    {"city": "Hamburg", "street": "Speicherweg 8", "hours": [*WEEK, None]},
    {"city": "Vienna", "street": "Webgasse 21", "hours": [*WEEK, None]},
    {"city": "Amsterdam", "street": "Houtkade 15", "hours": [*WEEK, "12:00-18:00"]},
    {"city": "Dublin", "street": "12 Weaver Lane", "hours": [*WEEK, "12:00-18:00"]},
    {"city": "Lyon", "street": "9 rue des Tisserands", "hours": [*WEEK, None]},
    {"city": "Copenhagen", "street": "Havnevej 30", "hours": [*WEEK, "11:00-17:00"]},
)

MARA = "mara@example.org"
JONAS = "jonas@example.org"


def customers() -> list[Row]:
    return [
        {"email": MARA, "name": "Mara Lindt", "address": "Birkenweg 12, 20095 Hamburg", "phone": "+494055501234"},
        {"email": JONAS, "name": "Jonas Berg", "address": "Seilerstraat 4, 1017 Amsterdam", "phone": "+31205550187"},
    ]


def orders(today: date) -> list[Row]:
    def ago(days: int) -> date:
        return today - timedelta(days=days)

    empty: Row = dict.fromkeys(
        (
            "shipped_on",
            "delivered_on",
            "due_on",
            "closed_on",
            "carrier",
            "tracking_number",
            "refund_cents",
            "refunded_on",
        )
    )
    mara = {**empty, "email": MARA, "address": "Birkenweg 12, 20095 Hamburg", "paid_by": "PayPal"}
    jonas = {**empty, "email": JONAS, "address": "Seilerstraat 4, 1017 Amsterdam", "paid_by": "card"}
    return [
        {
            **mara, "number": "LW-10234", "state": "shipped", "total_cents": 14870, "placed_on": ago(4),
            "shipped_on": ago(1), "due_on": today + timedelta(days=2), "carrier": "DHL",
            "tracking_number": "PX402911873",
        },
        {**mara, "number": "LW-10251", "state": "placed", "total_cents": 64900, "placed_on": ago(1)},
        {
            **mara, "number": "LW-10198", "state": "delivered", "total_cents": 11800, "placed_on": ago(13),
            "shipped_on": ago(11), "delivered_on": ago(9), "carrier": "DHL", "tracking_number": "PX402905512",
        },
        {
            **mara, "number": "LW-10077", "state": "returned", "total_cents": 18900, "placed_on": ago(40),
            "shipped_on": ago(38), "delivered_on": ago(35), "closed_on": ago(5), "carrier": "DHL",
            "tracking_number": "PX402871140", "refund_cents": 18900, "refunded_on": ago(2),
        },
        {
            **mara, "number": "LW-09810", "state": "delivered", "total_cents": 51800, "placed_on": ago(440),
            "shipped_on": ago(432), "delivered_on": ago(425), "carrier": "Larkwood truck",
        },
        {**jonas, "number": "LW-10300", "state": "packed", "total_cents": 119000, "placed_on": ago(2)},
    ]  # fmt: skip


def lines() -> list[Row]:
    bought = {
        "LW-10234": {"Fjord table lamp": 1, "Cove towel set": 2},
        "LW-10251": {"Tarn oak table": 1},
        "LW-10198": {"Ember cast-iron pan": 1, "Hazel chopping board": 1},
        "LW-10077": {"Clover rug": 1},
        "LW-09810": {"Heron desk": 1, "Heron chair": 1},
        "LW-10300": {"Alma sofa": 1},
    }
    return [
        {"order_number": number, "position": position, "product": product, "quantity": quantity}
        for number, items in bought.items()
        for position, (product, quantity) in enumerate(items.items(), 1)
    ]


def stock() -> list[Row]:
    return [
        {"product": product, "place": place, "quantity": _quantity(product, place)}
        for product in PRODUCTS
        for place in (ONLINE, *(store["city"] for store in STORES))
    ]


def _quantity(product: str, place: str) -> int:
    if (product, place) in OUT_OF_STOCK or (product in GARDEN and place in ("Vienna", "Lyon")):
        return 0
    return 2 if (product, place) in FEW_LEFT else 12
