"""The knowledge base's formats: what becomes a passage, which link it has, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from pypdf import PdfWriter

from nlu.data import knowledge
from nlu.data.article import LONGEST, Article
from nlu.data.knowledge import read_knowledge
from nlu.data.reader import read_training_data
from nlu.data.sources.html import page_of
from nlu.data.sources.pdf import read_pdf
from nlu.source import DataError
from tests.pdf_file import Line, pdf

PAGE = """\
<!doctype html><html><head><title>Returns | Shop</title>
<link rel="canonical" href="https://shop.example/help/returns"><style>p {}</style></head>
<body><header><a href="/">Home</a></header><nav>Menu</nav>
<main><h1>Returns</h1><p>You have <b>30 days</b>.</p>
<h2>What it <i>costs</i></h2><p>Nothing,<br>see <a href="../terms">the terms</a>.</p>
<ul><li>by parcel</li><li>in a shop</li></ul>
<table><tr><th>size</th><th>price</th></tr><tr><td>small</td><td>0 EUR</td></tr></table>
<details><summary>And gifts?</summary>Gifts too.</details>
<script>alert(1)</script></main><footer>Imprint</footer></body></html>
"""


def kb(folder: Path, **files: str | bytes) -> list[Path]:
    """Files of a knowledge base; a double underscore in a name is its dot."""
    made = []
    for name, content in files.items():
        path = folder / "kb" / name.replace("__", ".").replace("_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        made.append(path)
    return made


def sections(article: Article) -> list[tuple[str, str]]:
    return [(section.heading, section.text) for section in article.sections]


def problem(files: list[Path]) -> DataError:
    with pytest.raises(DataError) as caught:
        read_knowledge(files)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_page_becomes_sections_of_markdown_without_what_stands_around_it(tmp_path: Path) -> None:
    (article,) = read_knowledge(kb(tmp_path, returns__html=PAGE))
    assert (article.id, article.title, article.url) == ("returns", "Returns", "https://shop.example/help/returns")
    assert sections(article) == [
        ("", "You have **30 days**."),
        (
            "What it costs",
            "Nothing,\nsee [the terms](https://shop.example/terms).\n\n- by parcel\n- in a shop\n\n"
            "size | price\n\nsmall | 0 EUR",
        ),
        ("And gifts?", "Gifts too."),
    ]


def test_only_links_that_a_customer_may_follow_are_kept() -> None:
    article = page_of(
        "<p><a href='javascript:alert(1)'>one</a> <a href='/two'>two</a> <a href='http://[x'>three</a>", "a"
    )
    assert article is not None
    assert article.sections[0].text == "one [two](/two) three"


def test_a_page_nested_without_end_is_read_to_its_text() -> None:
    article = page_of("<div>" * 5000 + "the text" + "</div>" * 5000, "deep")
    assert article is not None
    assert article.sections[0].text == "the text"


def test_an_article_without_a_link_of_its_own_is_shown_by_the_service(tmp_path: Path) -> None:
    articles = read_knowledge(
        kb(tmp_path, a__md="text", b__html="<p>text", c__csv="question,answer\nWhy so?,because\n")
    )
    assert [article.url for article in articles] == ["/help/a", "/help/b", "/help/why-so"]


def test_rows_with_one_answer_are_one_article_asked_for_in_two_ways(tmp_path: Path) -> None:
    table = (
        "question,answer,title,url,intents\n"
        "do you ship,Yes we do.,Shipping,https://shop.example/s,ask_shipping ask_area\n"
        "can you send it,Yes we do.,,,\n"
        '"who, me",No.,,,\n'
    )
    first, second = read_knowledge(kb(tmp_path, faq__csv=table))
    assert (first.id, first.title, first.url) == ("shipping", "Shipping", "https://shop.example/s")
    assert (first.questions, first.intents) == (("do you ship", "can you send it"), ("ask_shipping", "ask_area"))
    assert (second.id, second.title, sections(second)) == ("who-me", "who, me", [("", "No.")])


def test_what_users_asked_is_added_to_the_articles_of_any_format(tmp_path: Path) -> None:
    table = "question,article\nmay I send it back,returns\nMay I  send it back,returns\n"
    (article,) = read_knowledge(kb(tmp_path, asked__csv=table, returns__html=PAGE))
    assert article.questions == ("May I  send it back",)


def test_a_long_section_is_parted_where_paragraphs_end(tmp_path: Path) -> None:
    paragraphs = [f"Paragraph {number}. " + "word " * 100 for number in range(6)]
    (article,) = read_knowledge(kb(tmp_path, long__md="## Head\n" + "\n\n".join(paragraphs)))
    assert [section.heading for section in article.sections] == ["Head"] * 3
    assert max(len(section.text) for section in article.sections) <= LONGEST
    assert "\n\n".join(section.text for section in article.sections).split() == " ".join(paragraphs).split()


def test_a_pdf_has_headings_paragraphs_and_lists(tmp_path: Path) -> None:
    first = [
        Line("Warranty terms", 22, bold=True),
        Line("The warranty is three years for all furni-", gap=10),
        Line("ture that we sell."),
        Line("It begins with the delivery.", gap=14),
        Line("What it covers", 14, gap=10),
        Line("• frames and legs", gap=8),
        Line("• hinges"),
        Line("Page 1 of 2", 9, gap=400),
    ]
    second = [
        Line("How to claim", bold=True),
        Line("Write to us (with a photo).", gap=8),
        Line("Page 2 of 2", 9, gap=500),
    ]
    (article,) = read_knowledge(kb(tmp_path, warranty__pdf=pdf(first, second)))
    assert (article.id, article.title, article.url) == ("warranty", "Warranty terms", "/help/warranty")
    assert sections(article) == [
        ("", "The warranty is three years for all furniture that we sell.\n\nIt begins with the delivery."),
        ("What it covers", "- frames and legs\n- hinges"),
        ("How to claim", "Write to us (with a photo)."),
    ]


def test_what_stands_on_most_pages_of_a_pdf_is_no_text(tmp_path: Path) -> None:
    pages = [[Line("Larkwood Home 2026", 8), Line(f"Something new on {word}.")] for word in ("one", "two", "three")]
    text = read_pdf(kb(tmp_path, a__pdf=pdf(*pages, title="All of it"))[0])
    assert text.title == "All of it"
    assert "Larkwood" not in str(text.sections)


def test_a_locked_pdf_is_refused_and_one_that_only_may_not_be_changed_is_read(tmp_path: Path) -> None:
    (plain,) = kb(tmp_path, plain__pdf=pdf([Line("Anyone may read this.")]))
    for name, password in (("open.pdf", ""), ("locked.pdf", "secret")):
        writer = PdfWriter(clone_from=plain)
        writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
        writer.write(tmp_path / name)
    assert read_pdf(tmp_path / "open.pdf").sections[0].text == "Anyone may read this."
    with pytest.raises(DataError, match="is locked with a password"):
        read_pdf(tmp_path / "locked.pdf")


SITEMAP = '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</urlset>'


def entries(*addresses: str) -> str:
    return SITEMAP.format("".join(f"<url><loc>{address}</loc></url>" for address in addresses))


def test_a_sitemap_says_where_the_pages_beside_it_are_found(tmp_path: Path) -> None:
    site = tmp_path / "kb" / "site"
    for name in ("hours.html", "help/returns/index.html", "jobs.html"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(f"<h1>{name}</h1>text", "utf-8")
    (site / "sitemap.xml").write_text(
        entries("https://shop.example/hours", "https://shop.example/help/returns/"), "utf-8"
    )
    found = {a.id: a.url for a in read_knowledge(sorted(path for path in site.rglob("*") if path.is_file()))}
    assert found == {
        "hours": "https://shop.example/hours",
        "returns": "https://shop.example/help/returns/",
        "jobs": "/help/jobs",
    }


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("a__html", "<nav>menu</nav><script>x</script>", None, "the page has no text"),
        ("a__html", b"<p>gr\xfc\xdfe", 1, "the file is not UTF-8"),
        ("a__csv", "question,reply\na,b\n", 1, "must be 'question,answer' or 'question,article'"),
        ("a__csv", "question,answer\nwhy,because\n,because\n", 3, "the question is empty"),
        ("a__csv", "question,answer\nwhy,\n", 2, "the answer is empty"),
        ("a__csv", "question,answer\n", 1, "no answers below the first line"),
        ("a__csv", "question,answer,url\nwhy,so,javascript:x\n", 2, "is no address"),
        ("a__csv", "question,article\nwhy,nowhere\n", 2, "there is no article 'nowhere'"),
        ("a__pdf", b"%PDF-1.4\nnot really", None, "the PDF cannot be read"),
        ("a__pdf", b"", None, "the PDF cannot be read"),
        ("a__pdf", pdf([]), None, "has no text layer"),
        ("a__xml", "<urlset><url>", 1, "the XML is broken"),
        ("a__xml", "<rss></rss>", None, "<rss> is no sitemap"),
        ("a__xml", "<!DOCTYPE a [<!ENTITY b 'b'>]><urlset/>", None, "has no document type"),
        ("a__xml", entries("https://shop.example/../../etc/passwd"), None, "does not lie beside the sitemap"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    tmp_path: Path, name: str, content: str | bytes, line: int | None, says: str
) -> None:
    files = kb(tmp_path, **{name: content})
    error = problem(files)
    assert (error.path, error.line) == (files[0], line)
    assert says in str(error)


def test_the_nearest_article_is_suggested_for_one_that_is_not_there(tmp_path: Path) -> None:
    assert "Did you mean 'returns'?" in str(
        problem(kb(tmp_path, asked__csv="question,article\nwhy,retuns\n", returns__html=PAGE))
    )


def test_two_articles_of_one_name_are_refused_whatever_their_format(tmp_path: Path) -> None:
    error = problem(kb(tmp_path, returns__html=PAGE, returns__md="text"))
    assert "an article of returns.html is called 'returns' too" in str(error)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge, "_LARGEST", 10)
    assert "are read at most" in str(problem(kb(tmp_path, a__md="more than that")))


def test_too_many_passages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge, "_MOST", 1)
    assert "there are 2 passages" in str(problem(kb(tmp_path, a__md="one", b__md="two")))


def test_every_format_below_a_folder_named_kb_is_read(tmp_path: Path) -> None:
    (tmp_path / "nlu.csv").write_text("text,intent\n", "utf-8")
    (tmp_path / "nlu.yml").write_text(
        "nlu:\n- intent: a\n  examples: |\n    - b\n- intent: c\n  examples: |\n    - d\n", "utf-8"
    )
    kb(tmp_path, one__md="text", two__html=PAGE, three__csv="question,answer\nthree,3\n", four__pdf=pdf([Line("text")]))
    (tmp_path / "test" / "kb").mkdir(parents=True)
    (tmp_path / "test" / "kb" / "a.pdf").write_bytes(b"broken, and never opened")
    assert sorted(article.id for article in read_training_data(tmp_path).articles) == ["four", "one", "three", "two"]
