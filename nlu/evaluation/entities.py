"""Scores of entities, strict: the same characters, entity, role and group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nlu.data.examples import Annotation, Example
from nlu.evaluation.intervals import Interval, Rows, interval
from nlu.evaluation.scores import EntityScores
from nlu.types import Entity, Understanding

Pairs = Sequence[tuple[Example, Understanding]]


def entity_scores(pairs: Pairs) -> EntityScores:
    wanted = [(number, *_key(entity)) for number, (example, _) in enumerate(pairs) for entity in example.annotations]
    found = [(number, *_key(entity)) for number, (_, read) in enumerate(pairs) for entity in read.entities]
    hits = set(wanted) & set(found)
    of = {
        name: tuple(sum(key[3] == name for key in keys) for keys in (hits, wanted, found))
        for name in sorted({key[3] for key in wanted})
    }
    return EntityScores(
        len(wanted),
        len(hits) / len(found) if found else 0.0,
        len(hits) / len(wanted),
        2 * len(hits) / (len(wanted) + len(found)),
        {name: 2 * hit / (want + had) for name, (hit, want, had) in of.items()},
    )


def entity_intervals(pairs: Pairs) -> dict[str, Interval]:
    """Whole texts are drawn, with all their entities."""
    counts = np.array([_hits_and_both(example, read) for example, read in pairs])

    def f1(rows: Rows) -> float:
        hits, both = counts[rows].sum(0)
        return 2 * hits / both if both else 0.0

    return {"entity_f1": interval(f1, len(pairs))}


def exact(example: Example, read: Understanding) -> bool:
    """Whether every entity was found, and no other."""
    hits, both = _hits_and_both(example, read)
    return 2 * hits == both


def _hits_and_both(example: Example, read: Understanding) -> tuple[int, int]:
    wanted, found = ({_key(entity) for entity in entities} for entities in (example.annotations, read.entities))
    return len(wanted & found), len(wanted) + len(found)


def _key(entity: Annotation | Entity) -> tuple[int, int, str, str | None, str | None]:
    return entity.start, entity.end, entity.entity, entity.role, entity.group
