"""Which one-time links were used: kept until they would have been too old anyway."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite

from bot.journal.tables import spent_links

FORGET = delete(spent_links).where(spent_links.c.until < bindparam("now"))


def spend(connection: Connection, link: str, until: float, now: float) -> bool:
    """Of two who come at once, one finds the row there."""
    connection.execute(FORGET, {"now": now})
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = insert(spent_links).on_conflict_do_nothing().returning(spent_links.c.link)
    return connection.execute(new, {"link": link, "until": until}).scalar() is not None
