"""Answers in each channel's own marks: what was plain stays plain, whoever wrote it."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.channels.capabilities import Markup, Unit
from bot.channels.markup import Span, joined, parse, write
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
            "**Bold** and *it*, `code`, [our page](https://example.com/a?b=1&c=2)  \n• one  \n• two",
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


words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("*_~`<>[]()#-\\! .\n"), min_size=1, max_size=60
)
urls = st.sampled_from(["", "", "", "https://example.com/_a_?b=(1)&lt;c", "mailto:a_b_@example.com"])
spans = st.lists(st.builds(Span, words, st.booleans(), st.booleans(), st.booleans(), urls), min_size=1, max_size=6)


@given(spans)
def test_html_says_what_was_written_and_has_the_known_elements(given: list[Span]) -> None:
    parser = Read()
    parser.feed(write(given, Markup.HTML))
    parser.close()
    assert parser.text == "".join(span.text for span in given)
    assert parser.tags <= {"b", "i", "code", "pre", "a"}


@settings(max_examples=50)
@given(spans)
def test_markdown_says_what_was_written(given: list[Span]) -> None:
    parser = Read()
    parser.feed(MarkdownIt("commonmark", {"html": True}).render(write(joined(given), Markup.MARKDOWN)))
    parser.close()
    shown = parser.text.replace("\u2060", "")
    assert "".join(shown.split()) == "".join("".join(span.text for span in given).replace("\u2060", "").split())
    assert parser.tags <= {"p", "br", "em", "strong", "code", "pre", "a"}


@given(words)
def test_plain_text_has_no_marks_in_markdown(text: str) -> None:
    parser = Read()
    parser.feed(MarkdownIt("commonmark", {"html": True}).render(write((Span(text),), Markup.MARKDOWN)))
    assert parser.tags <= {"p", "br"}


@pytest.mark.parametrize("markup", Markup)
def test_an_address_stays_whole(markup: Markup) -> None:
    address = "https://example.com/_next/*a*?b=1"
    assert address in write(parse(f"See {address}."), markup)
    assert address in write(parse(f"See [the page]({address})."), markup)


@pytest.mark.parametrize(
    ("text", "slack", "whatsapp"),
    [
        ("**2 * 3 *4***", "2 * 3 *\u20604*", "2 * 3 *\u20604*"),  # a mark within would end it
        ("foo**bar**", "foobar", "foobar"),
        ("**one\ntwo**", "*one*\n*two*", "*one*\n*two*"),
        ("> said", "\u2060&gt; said", "\u2060> said"),
        ("```\na *b*\nc\n```", "```\na *b*\nc\n```", "```a *b*\nc```"),
        ("**[page](https://example.com)**", "*<https://example.com|page>*", "*page* (https://example.com)"),
        ("<https://example.com>", "<https://example.com>", "https://example.com"),
    ],
)
def test_marks_that_cannot_stand_are_left_out(text: str, slack: str, whatsapp: str) -> None:
    assert write(parse(text), Markup.MRKDWN) == slack
    assert write(parse(text), Markup.WHATSAPP) == whatsapp


def test_a_link_after_an_exclamation_mark_is_no_image() -> None:
    spans = (Span("Wow!"), Span("page", url="https://example.com/"))
    assert write(spans, Markup.MARKDOWN) == "Wow!\u2060[page](https://example.com/)"


@pytest.mark.parametrize("markup", [Markup.MRKDWN, Markup.WHATSAPP, Markup.MARKDOWN])
def test_code_cannot_be_left_from_within(markup: Markup) -> None:
    assert "` *bold* `" not in write((Span("x` *bold* `y", code=True),), markup)


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
    for span in given:  # a link that is too long is text and address
        assert all(character in together for character in span.text if not character.isspace())
    if not any(span.url for span in given):
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


def test_a_link_is_in_one_part_or_is_no_link() -> None:
    spans = parse("Read [all of our conditions](https://example.com/conditions) now, please.")
    both = split(spans, 57, Unit.CHARACTERS, Markup.PLAIN)
    assert [write(part, Markup.PLAIN) for part in both] == [
        "Read",
        "all of our conditions (https://example.com/conditions)",
        "now, please.",
    ]
    cut = split(spans, 30, Unit.CHARACTERS, Markup.PLAIN)
    assert not any(span.url for part in cut for span in part)
    assert "".join(write(part, Markup.PLAIN) for part in cut).count("https://") == 1


def test_a_word_that_fits_is_never_cut() -> None:
    assert parts("hello " + "a" * 28, 30) == ["hello", "a" * 28]


def test_sentences_without_blanks_end_where_they_fit() -> None:
    assert parts("一二三四。五六七八。九十", 9) == ["一二三四。", "五六七八。九十"]


def looks(text: str) -> int:
    """How many calls it takes."""
    found = 0

    def count(*_: object) -> None:
        nonlocal found
        found += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        split(parse(text), 160, Unit.UTF16, Markup.HTML)
        shortened(text, 24, Unit.UTF16)
    finally:
        sys.setprofile(before)
    return found


@pytest.mark.parametrize("text", ["ab, cd. ", "🇩🇪", "\u0301", "**a** b ", "x", "https://example.com/a "])
def test_the_work_grows_no_faster_than_the_text(text: str) -> None:
    assert looks(text * 800) < 5 * looks(text * 200)
