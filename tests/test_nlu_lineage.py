"""A model knows which utterances it was trained on, and none of their words."""

from __future__ import annotations

from pathlib import Path

from nlu.lineage import LINEAGE, lineage_key, read_lineage, write_lineage


def test_what_is_written_is_read(tmp_path: Path) -> None:
    keys = [lineage_key("journal", "c1", "4"), lineage_key("journal", "c1", "4.2"), lineage_key("journal", "c1", "4")]
    write_lineage(tmp_path, keys)
    assert read_lineage(tmp_path) == set(keys)
    assert len(set(keys)) == 2
    assert b"c1" not in (tmp_path / LINEAGE).read_bytes()


def test_a_model_without_lineage_learnt_from_nobody(tmp_path: Path) -> None:
    assert read_lineage(tmp_path) == frozenset()


def test_a_damaged_lineage_keeps_nobody_from_looking_at_the_other_models(tmp_path: Path) -> None:
    for damaged in ("", "[1]", "{}"):
        (tmp_path / LINEAGE).write_text(damaged)
        assert read_lineage(tmp_path) == frozenset()
