"""Measurements replace their own block of the page and leave the rest."""

from __future__ import annotations

from benchmarks.__main__ import HERE, MEASUREMENTS
from benchmarks.blocks import placed

PAGE = "# Measurements\n\n## Swaps\n\nA remark.\n\n## Load\n\nOlder.\n"


def test_a_block_is_put_at_the_end_of_its_section_and_then_written_anew() -> None:
    first = placed(PAGE, "Swaps", "swap", "| 1 |")
    assert first == (
        "# Measurements\n\n## Swaps\n\nA remark.\n\n<!-- measured: swap -->\n| 1 |\n<!-- end: swap -->\n\n"
        "## Load\n\nOlder.\n"
    )
    assert placed(first, "Swaps", "swap", "| 2 |\n") == first.replace("| 1 |", "| 2 |")


def test_two_measurements_share_a_section() -> None:
    both = placed(placed(PAGE, "Load", "load", "| 1 |"), "Load", "load-killed", "| 2 |")
    assert both.endswith(
        "Older.\n\n<!-- measured: load -->\n| 1 |\n<!-- end: load -->\n\n"
        "<!-- measured: load-killed -->\n| 2 |\n<!-- end: load-killed -->\n"
    )
    assert placed(both, "Load", "load", "| 3 |") == both.replace("| 1 |", "| 3 |")


def test_a_section_that_is_not_there_is_made() -> None:
    assert placed(PAGE, "Start", "start", "4 s").endswith(
        "Older.\n\n## Start\n\n<!-- measured: start -->\n4 s\n<!-- end: start -->\n"
    )


def test_a_block_that_never_ends_takes_nothing_with_it() -> None:
    torn = placed(PAGE, "Swaps", "swap", "| 1 |").replace("<!-- end: swap -->\n", "")
    again = placed(torn, "Swaps", "swap", "| 2 |")
    assert "| 2 |\n<!-- end: swap -->" in again
    assert "## Load\n\nOlder." in again


def test_every_measurement_has_a_name_of_its_own() -> None:
    assert len({one.name for one in MEASUREMENTS}) == len(MEASUREMENTS)


def test_make_bench_runs_whatever_measures_something() -> None:
    programs = {path.stem for path in HERE.glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8")}
    packages = {path.parent.name for path in HERE.glob("*/__main__.py")}
    measured = {one.command.split()[0].removeprefix("benchmarks.") for one in MEASUREMENTS}
    assert programs | packages == measured | {"__main__", "channel_player"}
