"""Answers in each channel's own marks: what was plain stays plain, whoever wrote it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.channels.capabilities import Markup, Unit
from bot.channels.markup import Span, parse, write
from bot.channels.splitting import measure, shortened, split

TEXT = "**Bold** and *it*, `code`, [our page](https://example.com/a?b=1&c=2)\n- one\n- two"


@pytest.mark.parametrize(
    ("markup", "written"),
    [
        (Markup.PLAIN, "Bold and it, code, our page (https://example.com/a?b=1&c=2)\n• one\n• two"),
        (
            Markup.HTML,
            "<b>Bold</b> and <i>it</i>, <code>code</code>, "
            '<a href="https://example.com/a?b=1&amp;c=2">our page</a>\n• one\n• two',
        ),
        (
            Markup.MRKDWN,
            "*Bold* and _it_, `code`, <https://example.com/a?b=1&amp;c=2|our page>\n• one\n• two",
        ),
        (Markup.WHATSAPP, "*Bold* and _it_, ```code```, our page (https://example.com/a?b=1&c=2)\n• one\n• two"),
        (
            Markup.MARKDOWN,
            "**Bold** and _it_, `code`, [our page](<https://example.com/a?b=1&c=2>)  \n• one  \n• two",
        ),
    ],
)
def test_every_mark_in_every_channel(markup: Markup, written: str) -> None:
    assert write(parse(TEXT), markup) == written


@pytest.mark.parametrize("url", ["javascript:alert", "data:text/html,x", "file:///etc/passwd", "//example.com"])
def test_only_addresses_that_people_may_follow_become_links(url: str) -> None:
    assert parse(f"[press]({url})") == (Span("press"),)


def test_an_escaped_sign_is_a_sign() -> None:
    assert parse(r"5 \*nice\* things") == (Span("5 *nice* things"),)


@pytest.mark.parametrize("text", ["<!channel>", "<@U123>", "<https://evil.example|shop>", "a & b < c"])
def test_words_of_a_customer_mention_and_link_nothing_in_slack(text: str) -> None:
    written = write((Span(text),), Markup.MRKDWN)
    assert "<" not in written
    assert ">" not in written


@pytest.mark.parametrize("markup", [Markup.MRKDWN, Markup.WHATSAPP])
def test_plain_marks_open_nothing(markup: Markup) -> None:
    assert write((Span("*stars* _lines_ snake_case"),), markup) == "*\u2060stars* _\u2060lines_ snake_case"


class Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
spans = st.lists(st.builds(Span, words, st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=6)


@given(spans)
def test_html_says_what_was_written_and_has_the_known_elements(given: list[Span]) -> None:
    parser = Read()
    parser.feed(write(given, Markup.HTML))
    parser.close()
    assert parser.text == "".join(span.text for span in given)
    assert parser.tags <= {"b", "i", "code"}


signs = st.text("ab1 .-+#*_`[]()<>!&|~=:\\\"'/{}", max_size=12).map(str.strip)


@given(st.lists(signs, min_size=1, max_size=5).map("\n".join))
def test_commonmark_shows_what_was_written(text: str) -> None:
    parser = Read()
    parser.feed(MarkdownIt("commonmark").render(write((Span(text),), Markup.MARKDOWN)))
    parser.close()
    assert parser.text.split() == text.split()
    assert parser.tags <= {"p", "br"}


def test_markdown_without_marks_is_plain() -> None:
    text = "It is on its way (since 8.30), well-packed!"
    assert write((Span(text),), Markup.MARKDOWN) == text


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    for markup in Markup:
        write(parse(text), markup)


# Parts


@given(spans, st.integers(30, 200), st.sampled_from(Unit), st.sampled_from(Markup))
def test_parts_fit_and_lose_nothing(given: list[Span], longest: int, unit: Unit, markup: Markup) -> None:
    parts = split(given, longest, unit, markup)
    assert all(measure(write(part, markup), unit) <= longest for part in parts)
    assert all(part for part in parts)
    together = "".join(span.text for part in parts for span in part)
    assert "".join(together.split()) == "".join("".join(span.text for span in given).split())


def parts(text: str, longest: int) -> list[str]:
    return [write(part, Markup.PLAIN) for part in split(parse(text), longest, Unit.CHARACTERS, Markup.PLAIN)]


def test_it_is_parted_at_paragraphs_then_sentences_then_words() -> None:
    assert parts("One two.\n\nThree four. Five six.", 24) == ["One two.", "Three four. Five six."]
    assert parts("One two three. Four five six seven.", 24) == ["One two three.", "Four five six seven."]
    assert parts("one two three four five six", 15) == ["one two three", "four five six"]


@pytest.mark.parametrize("sign", ["👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "e\u0301", "1️⃣"])
def test_no_sign_is_cut(sign: str) -> None:
    cut = parts(sign * 20, 30)
    assert all(part == sign * (len(part) // len(sign)) for part in cut)
    assert "".join(cut) == sign * 20
    short = shortened(sign * 20, 30, Unit.CHARACTERS)
    assert short == sign * (len(short) // len(sign)) + "…"


def test_marks_are_closed_and_opened_again() -> None:
    both = split(parse("**one two three four**"), 14, Unit.CHARACTERS, Markup.WHATSAPP)
    assert [write(part, Markup.WHATSAPP) for part in both] == ["*one two*", "*three four*"]
