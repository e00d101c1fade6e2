"""What an erasure removed, when, and what it could not: kept without a word of the customer's, and without their id."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from bot.printed import counted

FOLDER = "erasures"
_NAMES = {
    "conversations": ("conversation", "conversations"),
    "entries": ("entry", "entries"),
    "turns": ("turn", "turns"),
    "deliveries": ("delivery", "deliveries"),
    "action_runs": ("run of an action", "runs of actions"),
    "utterances": ("utterance", "utterances"),
    "reviews": ("decision about utterances", "decisions about utterances"),
}


@dataclass(frozen=True, slots=True)
class Receipt:
    at: datetime
    customer: str
    """The digest of the name that was given; only the service's key makes it."""
    removed: Mapping[str, int]
    """Rows by table."""
    snapshots: int
    """In Redis."""
    models: tuple[str, ...]
    """They learnt from what was removed."""
    database_rewritten: bool
    """False: the database server may keep the bytes until it cleans up."""
    redis_rewritten: bool
    """False: Redis is not ours, and may keep the bytes in its file until it writes that anew."""

    def to_json(self) -> dict[str, Any]:
        told = {**asdict(self), "at": self.at.isoformat(timespec="seconds"), "removed": dict(self.removed)}
        return {**told, "finished": True}

    def to_text(self) -> str:
        lines = [f"Removed: {in_words(self.removed)}; {counted(self.snapshots, 'snapshot', 'snapshots')} in Redis."]
        if not self.database_rewritten:
            lines.append("PostgreSQL keeps the bytes until the tables are rewritten: see docs/erasure.md.")
        if not self.redis_rewritten:
            lines.append("Your Redis may keep the bytes in its file until it writes that anew: BGREWRITEAOF or SAVE.")
        if self.models:
            lines.append(
                f"Learnt from by {', '.join(self.models)}: `frontdesk retrain` makes a successor, and "
                "`frontdesk models prune` then removes what learnt from it."
            )
        return "\n".join(lines)

    def write(self, home: Path) -> Path:
        return _write(home, self.at, self.customer, self.to_json())


def begin(home: Path, at: datetime, customer: str) -> None:
    """Before anything is removed: an erasure that a crash stopped is known by what it left."""
    _write(home, at, customer, {"at": at.isoformat(timespec="seconds"), "customer": customer, "finished": False})


def is_unfinished(home: Path, customer: str) -> bool:
    """Whether the customer's last erasure never came to its end."""
    paths = sorted((home / FOLDER).glob(f"*-{customer[:8]}.json"))
    return bool(paths) and not orjson.loads(paths[-1].read_bytes()).get("finished")


def _write(home: Path, at: datetime, customer: str, told: dict[str, Any]) -> Path:
    folder = home / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{at.astimezone(UTC):%Y%m%d-%H%M%S}-{customer[:8]}.json"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
    return path


def in_words(rows: Mapping[str, int]) -> str:
    told = [counted(number, *_NAMES.get(table, (table, table))) for table, number in rows.items() if number]
    return ", ".join(told) or "nothing"
