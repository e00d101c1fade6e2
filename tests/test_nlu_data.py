"""Training data: what is read, what is refused with a place and an advice, and what is only warned about."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlu.data.examples import Annotation
from nlu.data.reader import data_hash, read_examples, read_training_data
from nlu.data.sources.markdown import read_markdown
from nlu.source import DataError

TWO_INTENTS = """\
version: "3.1"
nlu:
- intent: greet
  examples: |
    - hello
    - good morning
- intent: bye
  examples: |
    - see you
    - good night
"""


def write(folder: Path, text: str, name: str = "nlu.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def nlu(*items: str) -> str:
    return "nlu:\n" + "".join(items)


def intent(examples: str, name: str = "ask") -> str:
    lines = "".join(f"    - {line}\n" for line in examples.split("\n"))
    return f"- intent: {name}\n  examples: |\n{lines}"


def problem(folder: Path, text: str) -> DataError:
    with pytest.raises(DataError) as caught:
        read_examples(write(folder, text))
    return caught.value


def test_examples_know_their_intent_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path, TWO_INTENTS)
    examples = read_training_data(path).examples
    assert [(e.text, e.intent, e.line) for e in examples] == [
        ("hello", "greet", 5),
        ("good morning", "greet", 6),
        ("see you", "bye", 9),
        ("good night", "bye", 10),
    ]
    assert examples[0].path == path


def test_a_folder_is_read_to_its_depths_and_other_keys_are_left_to_others(tmp_path: Path) -> None:
    write(tmp_path, TWO_INTENTS, "a/b/nlu.yaml")
    write(tmp_path, "responses:\n  utter_hi:\n  - text: hi\n", "domain.yml")
    assert len(read_training_data(tmp_path).examples) == 4


def test_nothing_below_a_folder_named_test_is_opened_for_training(tmp_path: Path) -> None:
    write(tmp_path, TWO_INTENTS)
    write(tmp_path, "nlu: [broken", "test/nlu.yml")
    write(tmp_path, "---\ntitle: [broken\n---\n", "test/kb/article.md")
    assert len(read_training_data(tmp_path).examples) == 4


@pytest.mark.parametrize("inside", ["", "nlu.yml"])
def test_a_held_out_path_is_refused_for_training(tmp_path: Path, inside: str) -> None:
    write(tmp_path, TWO_INTENTS, "test/nlu.yml")
    with pytest.raises(DataError, match="never trained on"):
        read_training_data(tmp_path / "test" / inside)


def test_a_held_out_folder_is_refused_from_within_and_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, TWO_INTENTS, "test/nlu.yml")
    (tmp_path / "more").symlink_to(tmp_path / "test")
    monkeypatch.chdir(tmp_path / "test")
    for path in (Path(), tmp_path / "more"):
        with pytest.raises(DataError, match="never trained on"):
            read_training_data(path)


def test_one_example_is_told_in_the_singular(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("text,intent\nhello,greet\n", "utf-8")
    with pytest.raises(DataError, match="there is 1 example of 1 intent"):
        read_training_data(tmp_path / "one.csv")


@pytest.mark.parametrize(
    ("marked", "text", "annotations"),
    [
        ("order [A-1](order_id) now", "order A-1 now", (Annotation(6, 9, "order_id"),)),
        ("to [Rome](city:IT-RM)", "to Rome", (Annotation(3, 7, "city", "IT-RM"),)),
        (
            '[Oslo]{"entity": "city", "role": "from", "group": "1"} now',
            "Oslo now",
            (Annotation(0, 4, "city", None, "from", "1"),),
        ),
        (
            'in [Rome][{"entity": "city", "value": "Roma"}, {"entity": "place"}]',
            "in Rome",
            (Annotation(3, 7, "city", "Roma"), Annotation(3, 7, "place")),
        ),
        ("[a](x) and [b](y)", "a and b", (Annotation(0, 1, "x"), Annotation(6, 7, "y"))),
        ("a [bracket] alone (is text)", "a [bracket] alone (is text)", ()),
    ],
)
def test_annotations_give_plain_text_and_offsets(
    tmp_path: Path, marked: str, text: str, annotations: tuple[Annotation, ...]
) -> None:
    example = read_examples(write(tmp_path, nlu(intent(marked)))).examples[0]
    assert (example.text, example.annotations) == (text, annotations)


def test_the_long_form_and_retrieval_intents_are_read(tmp_path: Path) -> None:
    text = nlu(
        "- intent: faq/returns\n  examples:\n"
        "  - text: |\n      can I [send](verb) it back\n    metadata: {source: log}\n"
    )
    example = read_examples(write(tmp_path, text)).examples[0]
    assert (example.text, example.intent, example.annotations[0].entity) == (
        "can I send it back",
        "faq/returns",
        "verb",
    )


def test_synonyms_regexes_and_lookups_are_collected(tmp_path: Path) -> None:
    text = nlu(
        "- synonym: parcel\n  examples: |\n    - Box\n",
        "- regex: order_id\n  examples: |\n    - [A-Z]-\\d{4}\n",
        "- lookup: carrier\n  examples: |\n    - DHL\n    - UPS\n",
    )
    patterns = read_examples(write(tmp_path, text)).patterns
    assert patterns.synonyms == {"box": "parcel"}
    assert patterns.regexes == (("order_id", r"[A-Z]-\d{4}"),)
    assert patterns.lookups == {"carrier": ("DHL", "UPS")}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("nlu:\n- intent: a\n  examples: |\n    - x\n   - y\n", 5, "the YAML is broken"),
        (nlu("- intent: a\n  exampels: |\n    - x\n"), 3, "Did you mean 'examples'?"),
        ("nul:\n- intent: a\n", 2, "Did you mean 'nlu'?"),
        (nlu("- intent: a\n  examples: |\n    - x\n    -\n"), 5, "the example is empty"),
        (nlu("- intent: a\n  examples: |\n    - x\n    y\n"), 5, "does not begin with '- '"),
        (nlu("- intent: a\n"), 2, "has no examples"),
        (nlu("- intent: a\n  regex: b\n  examples: |\n    - x\n"), 2, "exactly one of"),
        (nlu(intent("go to [Rome](city\nx")), 4, "does not parse"),
        (nlu(intent('x\n[Rome]{"entity": city}')), 5, "is not JSON"),
        (nlu(intent('[Rome]{"entitty": "city"}')), 4, "Did you mean 'entity'?"),
        (nlu(intent('[Rome]{"role": "to"}')), 4, "names no entity"),
        (nlu("- regex: r\n  examples: |\n    - (\n"), 4, "does not compile"),
        (nlu("- regex: r\n  examples: |\n    - <fone>\n"), 4, "<fone> is not known; there are <email>, <money>"),
        (nlu("- intent: a\n  examples:\n  - x\n"), 4, "must be a mapping"),
    ],
)
def test_bad_data_is_one_sentence_with_a_line_and_an_advice(tmp_path: Path, text: str, line: int, says: str) -> None:
    error = problem(tmp_path, text)
    assert (error.line, error.path.name) == (line, "nlu.yml")
    assert says in str(error)
    assert "\n" not in str(error)


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "nlu.yml").write_bytes("nlu:\n# ok\n# gr\u00fc\u00df\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"nlu\.yml:3: the file is not UTF-8"):
        read_examples(tmp_path)


def test_one_intent_alone_cannot_be_trained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two intents"):
        read_training_data(write(tmp_path, nlu(intent("a\nb"), intent("book a flight", "out_of_scope"))))


def test_lonely_repeated_and_contradictory_examples_are_warned_about(tmp_path: Path) -> None:
    data = read_training_data(
        write(tmp_path, nlu(intent("yes\nYes \nof course"), intent("yes\nno", "deny"), intent("hm", "think")))
    )
    assert [(w.line, w.problem) for w in data.warnings] == [
        (5, "'Yes' stands twice under 'ask'."),
        (13, "the intent 'think' has one example."),
        (9, "'yes' stands under 'deny' and under 'ask'."),
    ]
    assert len(data.examples) == 5


def test_the_hash_follows_the_content_and_not_the_files(tmp_path: Path) -> None:
    first = write(tmp_path / "one", TWO_INTENTS)
    second = write(tmp_path / "two", "# moved\n" + TWO_INTENTS + "stories: []\n", "deep/all.yml")
    changed = write(tmp_path / "three", TWO_INTENTS.replace("hello", "hullo"))
    assert data_hash(first) == data_hash(second.parent.parent)
    assert data_hash(first) != data_hash(changed)


@pytest.mark.parametrize("label", ["intent", "category"])
def test_csv_is_read_with_either_name_of_the_label(tmp_path: Path, label: str) -> None:
    path = write(tmp_path, f'text,{label}\n"hello, you",greet\nbye,leave\n', "data.csv")
    assert [(e.text, e.intent, e.line) for e in read_training_data(path).examples] == [
        ("hello, you", "greet", 2),
        ("bye", "leave", 3),
    ]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("sentence,intent\nx,y\n", 1, "must be 'text,intent'"),
        ("text,intent\nx,y\n ,z\n", 3, "the text is empty"),
        ("text,intent\nx\n", 2, "the intent is empty"),
        ("text,intent,Text\nx,y,z\n", 1, "the column 'text' is there twice"),
    ],
)
def test_bad_csv_is_refused_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_training_data(write(tmp_path, text, "data.csv"))
    assert caught.value.line == line
    assert says in str(caught.value)


ARTICLE = """\
---
title: Shipping cost
url: /help/shipping
intents: [ask_shipping]
questions:
  - what does delivery cost
---
Parcels cost 4.90 EUR.

## By truck
39 EUR.
```
# not a heading
```
"""


def test_an_article_is_split_at_its_headings(tmp_path: Path) -> None:
    article = read_markdown(write(tmp_path, ARTICLE, "shipping-cost.md"))
    assert (article.id, article.title, article.url) == ("shipping-cost", "Shipping cost", "/help/shipping")
    assert (article.intents, article.questions) == (("ask_shipping",), ("what does delivery cost",))
    assert [(s.heading, s.text) for s in article.sections] == [
        ("", "Parcels cost 4.90 EUR."),
        ("By truck", "39 EUR.\n```\n# not a heading\n```"),
    ]


def test_an_article_without_front_matter_is_named_by_its_heading(tmp_path: Path) -> None:
    article = read_markdown(write(tmp_path, "# Hours\nNine to five.\n", "hours.md"))
    assert (article.title, article.sections[0].text) == ("Hours", "Nine to five.")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("---\ntitle: a\nquestoins: [b]\n---\nx\n", 3, "Did you mean 'questions'?"),
        ("---\ntitle: a\n", 1, "does not end"),
        ("---\ntitle: a\n---\n\n", 4, "has no text"),
        ("---\nquestions:\n  - yes: no\n---\nx\n", 3, "must be text"),
    ],
)
def test_a_bad_article_is_refused_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_markdown(write(tmp_path, text, "a.md"))
    assert caught.value.line == line
    assert says in str(caught.value)


def test_only_folders_named_kb_hold_articles(tmp_path: Path) -> None:
    write(tmp_path, TWO_INTENTS)
    write(tmp_path, "# About this folder\ntext\n", "README.md")
    write(tmp_path, ARTICLE, "kb/shipping-cost.md")
    assert [article.id for article in read_training_data(tmp_path).articles] == ["shipping-cost"]


def test_a_file_deep_in_a_projects_held_out_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, TWO_INTENTS, "project/test/by_hand/2026/nlu.yml")
    deep = tmp_path / "project" / "test" / "by_hand" / "2026" / "nlu.yml"
    assert read_training_data(deep).examples, "a folder named `test` may hold a whole project"
    (tmp_path / "project" / "nlu").mkdir()
    for path in (deep, deep.parent):
        with pytest.raises(DataError, match="never trained on"):
            read_training_data(path)
