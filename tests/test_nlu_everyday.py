"""What `<money>`, `<date>` and their like find in customers' sentences, and what they leave alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlu.everyday.dates import DATES
from nlu.everyday.finders import finder

CURRENCIES = [
    *(("EUR", "€"), ("USD", "$"), ("GBP", "£"), ("PLN", "zł")),
    *((code, code.lower()) for code in ("EUR", "USD", "GBP", "CHF", "DKK", "SEK", "NOK", "PLN", "CZK")),
]


def found(line: str, text: str) -> list[tuple[str, str]]:
    """What stands in the text, and its value; of several that overlap the longest."""
    find = finder(line)
    assert find is not None
    spans = sorted(find(text), key=lambda one: (one.start - one.end, one.start))
    longest = [a for n, a in enumerate(spans) if all(a.end <= b.start or b.end <= a.start for b in spans[:n])]
    return [(text[one.start : one.end], one.value) for one in sorted(longest)]


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("you owe me 59.90 EUR", {"59.90 EUR": "59.90 EUR"}),
        ("1.190,50 € and not 1,190.50€", {"1.190,50 €": "1190.50 EUR", "1,190.50€": "1190.50 EUR"}),
        ("€5 or $ 20, twenty-five euros", {"€5": "5 EUR", "$ 20": "20 USD", "twenty-five euros": "25 EUR"}),
        ("two hundred and fifty euros", {"two hundred and fifty euros": "250 EUR"}),
        (
            "twelve hundred dollars or five thousand euros",
            {"twelve hundred dollars": "1200 USD", "five thousand euros": "5000 EUR"},
        ),
        ("in euros, 20 percent, 4 europeans", {}),
        ("five DOLLARS or six bucks", {"five DOLLARS": "5 USD", "six bucks": "6 USD"}),
        ("five \u017fek or Dk\u212a 7", {"five \u017fek": "5 SEK", "Dk\u212a 7": "7 DKK"}),
        *((f"it is {unit} 5", {f"{unit} 5": f"5 {key}"}) for key, unit in CURRENCIES),
    ],
)
def test_sums_have_one_spelling(text: str, amounts: dict[str, str]) -> None:
    assert dict(found("<money>", text)) == amounts


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("is it open on Sunday, on Sundays or tomorrow morning?", ["Sunday", "Sundays", "tomorrow morning"]),
        ("ordered last Tuesday evening, or 2 yrs ago", ["last Tuesday evening", "2 yrs ago"]),
        ("the 24th of December, Dec 25 2026, 3 May", ["24th of December", "Dec 25 2026", "3 May"]),
        ("31/12, 14.2., since 2023", ["31/12", "14.2.", "2023"]),
        ("at the end of the month, in early March, in May", ["end of the month", "early March", "May"]),
        ("last winter and the summer of love", ["last winter"]),
        ("Black Friday deals, bank holidays, New Year's Eve", ["Black Friday", "bank holidays", "New Year's Eve"]),
        ("it may arrive in two weeks at 7 pm, 24/7, in the morning, now, ages ago", []),
        ("they march on; 200x300; LW-10234; 12.50; next time", []),
    ],
)  # fmt: skip
def test_dates_are_what_the_calendar_or_the_moment_fixes(text: str, days: list[str]) -> None:
    assert [there for there, _ in found("<date>", text)] == days


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("it broke after two years", {"two years": "P2Y"}),
        ("within 30 days, for a week, 2-3 working days", {"30 days": "P30D", "a week": "P1W", "3 working days": "P3D"}),
        ("I waited forty minutes", {"forty minutes": "PT40M"}),
        ("two years ago, once a week", {}),
    ],
)
def test_lengths_of_time_are_told_as_iso_does(text: str, lengths: dict[str, str]) -> None:
    assert dict(found("<duration>", text)) == lengths


def test_numbers_are_digits_whatever_they_were() -> None:
    text = "twelve forks, a dozen plates, 1,200 cups, 2.5 kg but not LW-10234 nor a@1.de"
    assert [value for _, value in found("<number>", text)] == ["12", "12", "1200", "2.5"]


@pytest.mark.parametrize(
    ("line", "text", "numbers"),
    [
        ("<phone DE>", "call 040 5550 1234 or 0045 33 55 01 99", ["+494055501234", "+4533550199"]),
        ("<phone DE>", "+49 (0)40 5550-1234, order 10234, 59.90 EUR", ["+494055501234"]),
        ("<phone>", "040 5550 1234 or +353 1 555 0134", ["+35315550134"]),
    ],
)
def test_phone_numbers_carry_their_country(line: str, text: str, numbers: list[str]) -> None:
    assert [value for _, value in found(line, text)] == numbers


def test_an_address_has_one_spelling_and_ends_before_the_full_stop() -> None:
    assert found("<email>", "it's Mara.Lindt@Example.org.") == [("Mara.Lindt@Example.org", "mara.lindt@example.org")]


@given(
    st.sampled_from(["<money>", "<date>", "<duration>", "<number>", "<email>", "<phone DE>"]),
    st.text(alphabet="0123456789 .,-/@€$aeinotwyr\u0660\u00b2", max_size=60),
)
def test_a_finder_never_raises_and_finds_what_is_there(line: str, text: str) -> None:
    find = finder(line)
    assert find is not None
    assert all(0 <= one.start < one.end <= len(text) for one in find(text))


_OF_DATES = sorted(set(re.findall(r"[a-z]+", " ".join(DATES))) | set("0123456789 .,/-'’:ſDAY"))
"""What the expressions consist of."""


@given(st.lists(st.sampled_from([*_OF_DATES, *(" " + word for word in _OF_DATES)]), max_size=8).map("".join))
def test_a_text_that_is_not_looked_into_holds_no_date(text: str) -> None:
    spans = {match.span() for one in DATES for match in re.finditer(one, text, re.IGNORECASE)}
    find = finder("<date>")
    assert find is not None
    assert {(one.start, one.end) for one in find(text)} == spans


@pytest.mark.parametrize("line", ["<fone>", "<phone XX>", "<money DE>"])
def test_a_finder_that_does_not_exist_is_told(line: str) -> None:
    with pytest.raises(ValueError, match=line):
        finder(line)


@pytest.mark.parametrize("line", [r"\bLW-\d{5}\b", "<a>.*</a>", "(?<=x)y", "money"])
def test_any_other_line_is_an_expression(line: str) -> None:
    assert finder(line) is None
