"""What became of what was read: counted, with the first place of each reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.messages import Json
from bot.printed import counted, print_table


@dataclass(slots=True)
class Skipped:
    count: int
    first: str
    """The place where the reason was met first."""


@dataclass(slots=True)
class Report:
    added: int = 0
    known: int = 0
    """Kept by an earlier run."""
    skipped: dict[str, Skipped] = field(default_factory=dict)

    def skip(self, reason: str, place: str) -> None:
        self.skipped.setdefault(reason, Skipped(0, place)).count += 1

    def print_skipped(self) -> None:
        if self.skipped:
            most_first = sorted(self.skipped.items(), key=lambda item: -item[1].count)
            rows = [(str(one.count), reason, one.first) for reason, one in most_first]
            print_table(("skipped", "because", "first at"), rows)

    def to_json(self) -> Json:
        skipped = {reason: {"count": one.count, "first": one.first} for reason, one in self.skipped.items()}
        return {"added": self.added, "known": self.known, "skipped": skipped}


def kept(report: Report, everything: int, *, dry: bool = False) -> str:
    """`12 utterances added, 3 known already; 815 kept in all.`"""
    done = "would be added" if dry else "added"
    known = f", {report.known} known already" if report.known else ""
    return f"{counted(report.added, 'utterance', 'utterances')} {done}{known}; {everything} kept in all."
