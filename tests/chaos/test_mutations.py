"""The suite sees what it is there to see: the damages that the promise cannot bear, each in a copy of the source."""

from __future__ import annotations

import os

import pytest

from tests.chaos.mutations import MUTATIONS, Mutation, damaged, sees
from tests.conftest import postgres_binaries

QUICK = ("no fence at the commit", "acknowledged before the commit", "committed without the processed mark")
"""The others are shown by `python -m tests.chaos.mutations`."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_damage_fits_the_source(mutation: Mutation) -> None:
    compile(damaged(mutation), mutation.file, "exec")


@pytest.mark.parametrize("name", QUICK)
def test_the_suite_sees_a_damage(name: str) -> None:
    mutation = next(each for each in MUTATIONS if each.name == name)
    seen, found = sees(mutation)
    assert seen, f"'{name}' went unseen; found: {sorted(found)}"


@pytest.mark.skipif(
    postgres_binaries() is None and os.environ.get("CI") != "true", reason="There is no PostgreSQL here."
)
def test_the_suite_sees_that_nothing_keeps_two_sockets_apart() -> None:
    mutation = next(each for each in MUTATIONS if each.name == "no UNIQUE on message ids")
    assert sees(mutation)[0]
