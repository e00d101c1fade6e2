"""`frontdesk import transcripts`: the customers' words in exports as tools write them, each once; never a traceback."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import mails
from bot.config import Settings
from bot.journal.journal import Journal
from bot.journal.values import Utterance
from bot.transcripts import columns, formats, importing, json_values, mail, progress, times, writers
from bot.transcripts.chat_lines import said
from bot.transcripts.keeper import REPEATED, Keeper
from bot.transcripts.message import COMMAND, NO_TEXT, NOT_UTF8, STAFF, Item, Message, Way, Writer
from bot.transcripts.rows import BEHIND, BROKEN, Rows
from nlu.source import DataError
from tests.command import ROOT, Ended, Frontdesk
from tests.test_collect import KEEPER

Run = Callable[..., Ended]


@pytest.fixture
def frontdesk(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Frontdesk:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    asyncio.run(opened(tmp_path / "home" / "frontdesk.db"))
    return Frontdesk(monkeypatch, capfdbinary)


async def opened(where: str | Path) -> None:
    async with await Journal.open(where):
        pass


def kept(where: str | Path) -> list[Utterance]:
    async def read() -> list[Utterance]:
        async with await Journal.open(where) as journal:
            return (await journal.newest_utterances(1000))[::-1]

    return asyncio.run(read())


def read(path: Path, **way: Any) -> list[Item]:
    return list(formats.read(path, Way(**way))[1])


def customers(items: Sequence[Item]) -> list[str]:
    return [item.text for item in items if isinstance(item, Message) and item.writer is Writer.CUSTOMER]


def written(path: Path, *values: Any) -> Path:
    path.write_text("\n".join(map(json.dumps, values)))
    return path


# JSON as help desks export it


def test_zendesk_tickets_are_read_comment_by_comment(tmp_path: Path) -> None:
    comments = [
        {"id": 1, "author_id": 7, "plain_body": "where is it", "body": "x", "created_at": "2026-03-01T09:00:00Z"},
        {"id": 2, "author_id": 555, "plain_body": "let me look"},
    ]
    ticket = {"id": 900, "description": "where is it", "requester_id": 7, "tags": ["a"], "comments": comments}
    items = read(written(tmp_path / "t.json", ticket, {"id": 901, "description": "lamp broken", "requester_id": 8}))

    assert customers(items) == ["where is it", "lamp broken"]
    first, second, _ = items
    assert isinstance(first, Message)
    assert (first.conversation, first.id, first.at, first.customer) == ("900", "1", 1772355600.0, "7")
    assert isinstance(second, Message)
    assert second.writer is Writer.STAFF


def test_a_ticket_that_begins_with_a_text_of_its_own_is_one_conversation(tmp_path: Path) -> None:
    replies = [{"id": 5, "body_text": "yes", "incoming": False}, {"id": 6, "body_text": "thanks", "incoming": True}]
    ticket = {"id": 3, "requester_id": 7, "description_text": "is it in stock", "conversations": replies}
    items = read(written(tmp_path / "t.json", ticket))
    assert customers(items) == ["is it in stock", "thanks"]
    assert {item.conversation for item in items if isinstance(item, Message)} == {"3"}


def test_zendesk_chat_tells_visitors_from_agents_and_triggers(tmp_path: Path) -> None:
    history = [
        {"type": "chat.memberjoin", "name": "Visitor 8", "sender_type": "Visitor"},
        {"type": "chat.msg", "sender_type": "Visitor", "name": "Visitor 8", "msg": "do you ship abroad"},
        {"type": "chat.msg", "sender_type": "Agent", "name": "Kim", "msg": "we do"},
        {"type": "chat.msg", "sender_type": "Trigger", "name": "Auto", "msg": "still there?"},
    ]
    chat = {"id": "2603.1", "type": "chat", "visitor": {"id": "3.x", "email": "bob@x.org"}, "history": history}
    path = tmp_path / "chats.json"
    path.write_text(json.dumps({"chats": [chat]}, indent=2))

    items = read(path)
    assert customers(items) == ["do you ship abroad"]
    assert isinstance(items[1], Message)
    assert (items[1].conversation, items[1].customer) == ("2603.1", "3.x")


def test_intercom_conversations_have_a_source_and_parts_in_html(tmp_path: Path) -> None:
    user, admin = {"type": "user", "id": "u1", "email": "ada@x.org"}, {"type": "admin", "id": "a1"}
    parts = [
        {"id": "p1", "body": "<p>Sure</p>", "author": admin},
        {"id": "p2", "body": "<p>Main street 5</p><p>thanks&nbsp;a lot</p>", "author": user},
        {"id": "p3", "part_type": "close", "body": None, "author": {"type": "bot"}},
    ]
    conversation = {
        "type": "conversation",
        "id": "2154",
        "source": {"id": "s1", "body": "<p>Can I <b>change</b> it?</p>", "author": user},
        "contacts": {"type": "contact.list", "contacts": [{"id": "u1"}]},
        "conversation_parts": {"conversation_parts": parts},
    }
    items = read(written(tmp_path / "i.json", {"type": "conversation.list", "conversations": [conversation]}))

    assert customers(items) == ["Can I change it?", "Main street 5\nthanks a lot"]
    assert {item.conversation for item in items if isinstance(item, Message)} == {"2154"}


@pytest.mark.parametrize(
    "record",
    [
        {"role": "user", "content": "is it in stock"},
        {"from": "Visitor 12", "message": {"text": "is it in stock"}},
        {"message_type": "incoming", "content": "is it in stock", "conversation": {"id": 12, "status": "open"}},
        {"message_type": 0, "content": "is it in stock"},
        {"is_bot": False, "text": "is it in stock"},
        {"incoming": None, "text": "is it in stock"},
        {"messages": [{"sender": "agent", "body": "hi"}, {"sender": "customer", "body": "is it in stock"}]},
        {"_source": {"speaker": "USER", "utterance": "is it in stock"}},
        {"role": "user", "content": [{"type": "text", "text": "is it in stock"}, {"type": "image"}]},
        {
            "results": [
                {"sender_type": "user", "sender_public_name": "Customer Service", "message": "hello"},
                {"sender_type": "visitor", "sender_public_name": None, "message": "is it in stock"},
            ]
        },
        {
            "type": "notification_event",
            "data": {
                "item": {
                    "id": "207",
                    "user": {"type": "lead", "id": "5c"},
                    "conversation_message": {"body": "<p>Hi</p>", "author": {"type": "admin", "id": "29"}},
                    "conversation_parts": {
                        "conversation_parts": [
                            {"body": "<p>is it in stock</p>", "author": {"type": "user", "id": "5c"}}
                        ]
                    },
                }
            },
        },
        {"direction": "incoming", "payload": {"type": "text", "text": "is it in stock"}},
        {"author_id": "115712", "inbound": "True", "text": "is it in stock"},
        {"sender": {"name": "Ada"}, "from_agent": False, "body_text": "is it in stock", "body": "<p>x</p>"},
        {"c1": [{"role": "user", "text": "is it in stock"}], "c2": {"messages": [{"role": "bot", "text": "yes"}]}},
        {
            "users": [{"id": "x", "type": "customer"}, {"id": "kim", "type": "agent"}],
            "thread": {
                "events": [
                    {"type": "message", "text": "is it in stock", "author_id": "x"},
                    {"type": "message", "text": "yes", "author_id": "kim"},
                ]
            },
        },
        {
            "id": 3,
            "requester_id": 7,
            "description_text": "is it in stock",
            "conversations": [{"body_text": "yes", "incoming": False}],
        },
        {"chat_id": 1, "transcript": "[12:01] Kim: hello\n[12:02] Visitor: is it in stock"},
    ],
)
def test_a_message_is_found_in_many_shapes(record: Any, tmp_path: Path) -> None:
    assert customers(read(written(tmp_path / "one.jsonl", record))) == ["is it in stock"]


def test_json_is_read_line_by_line_or_as_an_array_packed_or_not(tmp_path: Path) -> None:
    records = [{"text": f"hello {n}"} for n in range(3)]
    array, packed, pretty = tmp_path / "a.json", tmp_path / "a.json.gz", tmp_path / "p.json"
    array.write_text("\ufeff" + json.dumps(records), encoding="utf-8")
    packed.write_bytes(gzip.compress(json.dumps(records, indent=1).encode()))
    pretty.write_text("\n".join(json.dumps(record, indent=1) for record in records))
    for path in (array, packed, pretty, written(tmp_path / "l.jsonl", *records)):
        assert customers(read(path)) == ["hello 0", "hello 1", "hello 2"], path


def test_a_broken_line_is_left_out_and_the_others_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.transcripts.opened.HEAD", 10)
    path = tmp_path / "broken.jsonl"
    path.write_bytes(b'{"text": "one"}\n{"text": \n[1]\n"x"\n{"a": 1}\n{"text": "\xfc"}\n{"text": "two \\ud800"}\n')
    items = read(path)
    assert customers(items) == ["one", "two \ufffd"]
    assert [(i.line, i.reason) for i in items if not isinstance(i, Message)] == [
        (2, "broken JSON"),
        (3, NO_TEXT),
        (4, NO_TEXT),
        (5, NO_TEXT),
        (6, NOT_UTF8),
    ]


def test_an_array_that_ends_in_the_middle_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text('[{"text": "one"},\n{"te')
    items = read(path)
    assert customers(items) == ["one"]
    assert [(i.line, i.reason) for i in items[1:] if not isinstance(i, Message)] == [
        (2, "broken JSON: it and all behind it is left out")
    ]


def test_values_are_decoded_whole_wherever_a_piece_of_the_file_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_values, "_PIECE", 7)
    path = tmp_path / "array.json"
    path.write_text(json.dumps([{"text": f"number {n} \u00fc"} for n in range(50)], indent=1))
    items = read(path)
    assert customers(items) == [f"number {n} \u00fc" for n in range(50)]
    assert [item.line for item in items] == [2 + 3 * n for n in range(50)]


# Rasa


def events(sender: str) -> list[dict[str, Any]]:
    parsed = {"intent": {"name": "cancel_order", "confidence": 0.93}, "entities": []}
    told = [
        {"event": "session_started", "timestamp": 1.7e9},
        {"event": "user", "timestamp": 1.7e9 + 1, "text": "cancel it", "parse_data": parsed, "message_id": "a1"},
        {"event": "slot", "timestamp": 1.7e9 + 1, "name": "requested_slot", "value": "order"},
        {"event": "bot", "timestamp": 1.7e9 + 2, "text": "Which order?"},
        {"event": "user", "timestamp": 1.7e9 + 3, "text": "the lamp", "parse_data": {}, "message_id": "a2"},
        {"event": "active_loop", "timestamp": 1.7e9 + 3, "name": None},
        {"event": "user", "timestamp": 1.7e9 + 4, "text": "/greet", "message_id": "a3"},
        {"event": "user", "timestamp": 1.7e9 + 5, "text": "bye", "message_id": "a4"},
    ]
    return [{"sender_id": sender, **event} for event in told]


def tracker_store(path: Path) -> Path:
    store = sqlite3.connect(path)
    store.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, sender_id TEXT, type_name TEXT, data TEXT)")
    for event in events("web-1"):
        data = {name: value for name, value in event.items() if name != "sender_id"}
        store.execute("INSERT INTO events (sender_id, data) VALUES ('web-1', ?)", (json.dumps(data),))
    store.commit()
    store.close()
    return path


def tracker_dump(path: Path) -> Path:
    rows = (json.dumps(event).replace('"', '""') for event in events("web-1"))
    path.write_text("id,sender_id,data\n" + "\n".join(f'{n},web-1,"{row}"' for n, row in enumerate(rows)))
    return path


def postgres_dump(path: Path) -> Path:
    columns = "id, sender_id, type_name, data"
    rows = (json.dumps(event).replace("\\", "\\\\") for event in events("web-1"))
    copied = "\n".join(f"{n}\tweb-1\tx\t{row}" for n, row in enumerate(rows))
    path.write_text(f"-- a dump\n\nCOPY public.events ({columns}) FROM stdin;\n{copied}\n\\.\n\nSELECT 1;\n")
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: postgres_dump(folder / "dump.sql"),
        lambda folder: written(folder / "events.jsonl", *events("web-1")),
        lambda folder: written(folder / "tracker.json", {"sender_id": "web-1", "slots": {}, "events": events("web-1")}),
        lambda folder: written(folder / "trackers.json", [{"sender_id": "web-1", "events": events("web-1")}]),
        lambda folder: tracker_store(folder / "rasa.db"),
        lambda folder: tracker_dump(folder / "dump.csv"),
    ],
)
def test_rasa_events_are_read_from_a_broker_a_tracker_and_the_store(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    items = read(make(tmp_path))
    found = [item for item in items if isinstance(item, Message)]
    assert [(m.text, m.id, m.asked, m.intent, m.confidence) for m in found] == [
        ("cancel it", "a1", None, "cancel_order", 0.93),
        ("the lamp", "a2", "order", None, None),
        ("bye", "a4", None, None, None),
    ]
    assert {(m.conversation, m.customer) for m in found} == {("web-1", "web-1")}
    assert found[0].at == 1.7e9 + 1
    assert [item.reason for item in items if not isinstance(item, Message)] == [STAFF, COMMAND]


def test_another_database_is_no_tracker_store(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "x.db").execute("CREATE TABLE a (b)").connection.commit()
    with pytest.raises(DataError, match="no Rasa tracker store"):
        read(tmp_path / "x.db")


# CSV


@pytest.mark.parametrize("conversation", ["Ticket-ID", "Gesprächsnummer", "Vorgangsnummer"])
def test_a_spreadsheet_from_germany_is_read(tmp_path: Path, conversation: str) -> None:
    path = tmp_path / "german.csv"
    rows = f'{conversation};Absender;Zeit;Nachricht\n1;Kunde;01.03.2026 09:00;"Danke; Küche"\n1;Mitarbeiter;;Moment\n'
    path.write_bytes(rows.encode("cp1252"))
    way = Way()
    items = list(formats.read(path, way)[1])

    assert customers(items) == ["Danke; Küche"]
    assert isinstance(items[0], Message)
    assert (items[0].conversation, items[0].at, items[0].line) == ("1", 1772355600.0, 2)
    assert [remark.partition(",")[0] for remark in way.remarks] == ["read as Windows-1252", "text = Nachricht"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("sender,message\nuser,hello\n", "no column names the conversation, so all is taken as one"),
        ("email,role,text\na@b.c,user,hello\n", "so a customer's messages are taken as one"),
        ("ticket_id,role,text\n4,user,hello\n", ""),
    ],
)
def test_a_table_that_names_no_conversation_is_remarked_upon(tmp_path: Path, table: str, told: str) -> None:
    path, way = tmp_path / "export.csv", Way()
    path.write_text(table)
    assert customers(list(formats.read(path, way)[1])) == ["hello"]
    (remark,) = way.remarks
    assert told in remark
    assert ("conversation, so" in remark) == bool(told)


def test_tabs_and_utf_16_as_excel_saves_them(tmp_path: Path) -> None:
    path = tmp_path / "export.txt"
    path.write_text("Conversation ID\tDirection\tMessage\n5\tinbound\tmoney back\n5\toutbound\tok\n", "utf-16")
    assert customers(read(path)) == ["money back"]


def test_a_column_of_texts_alone_is_customers_words(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text('text\nwhere is it\n\n"two\nlines"\nlast\n')
    items = read(path)
    assert customers(items) == ["where is it", "two\nlines", "last"]
    assert [item.line for item in items] == [2, 4, 6]


def test_a_title_above_the_columns_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("Chat report,,\nfrom 1 to 2,,\n\nchat,sender,text\n1,visitor,hello\n1,agent,hi\n")
    items = read(path)
    assert customers(items) == ["hello"]
    assert [item.line for item in items] == [5, 6]


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("Wer,Was\nAnna,hello\nKim,hi\n")
    named = {"text": "was", "author": "wer"}
    assert customers(read(path, columns=named, customers=frozenset({"anna"}))) == ["hello"]
    with pytest.raises(DataError, match="no column 'nope'; the columns are Wer, Was"):
        read(path, columns={"text": "nope"})


def test_a_row_in_other_bytes_and_a_quote_without_end_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.transcripts.opened.HEAD", 10)
    monkeypatch.setattr("bot.transcripts.tables.LONGEST", 50)
    path = tmp_path / "bytes.csv"
    path.write_bytes(b'text,sender\none,user\n\xfc,user\n"' + b"x" * 80 + b"\nlast,user\n")
    items = read(path)
    assert customers(items) == ["one", "last"]
    reasons = [item.reason for item in items if not isinstance(item, Message)]
    assert reasons == [NOT_UTF8, "a broken row: a quote that is not closed, perhaps"]


@pytest.mark.parametrize(
    "broken",
    [
        'user,"it broke\n',
        'user,"it broke "badly"\n',
        'user,"it broke\nuser,"and this too\n',
    ],
)
def test_a_quote_without_end_costs_its_own_row_and_no_other(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "quotes.csv"
    rows = ['user,"one,\nof two lines"\n', broken, "user,plain\n", 'user,"quoted, too"\n', "user,last\n"]
    path.write_text("sender,text\n" + "".join(rows), newline="")
    items = read(path)
    said = [text for text in customers(items) if "broke" not in text]
    assert said == ["one,\nof two lines", "plain", "quoted, too", "last"]
    assert [item.line for item in items][-3:] == [4 + broken.count("\n") + n for n in range(3)]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            '"Dear Ada,\nyour parcel is on its way.\nBye, Support",agent,\n',
            "Dear Ada,\nyour parcel is on its way.\nBye, Support",
        ),
        ('"first\nsecond" ,agent\n', "first\nsecond"),
        ('"he said "yes" and\nleft",agent\n', 'he said "yes" and\nleft'),
        ('"first\nthe "second" line\nyes, third",agent\n', 'first\nthe "second" line\nyes, third'),
    ],
)
@pytest.mark.parametrize("behind", ["thanks,user\n", '"thank\nyou",user\n'])
def test_a_cell_of_several_lines_stays_one_message(tmp_path: Path, row: str, text: str, behind: str) -> None:
    path = tmp_path / "lines.csv"
    path.write_text(f"text,sender\n{row}{behind}", newline="")
    items = read(path)
    assert all(isinstance(item, Message) for item in items)
    assert [(item.text, item.writer) for item in items if isinstance(item, Message)] == [
        (text, Writer.STAFF),
        (behind.partition(",")[0].strip('"'), Writer.CUSTOMER),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        '"Dear Ada,\nyour parcel is on its way.\nBye, Support",agent,and,more\n',
        '"Dear Ada,\nwe said,"wait", but\nsorry",agent\n',
    ],
)
def test_the_rest_of_a_broken_row_is_nobodys_words(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "rest.csv"
    path.write_text(f'text,sender\n{broken}\n"thank\nyou",user\nbye,user\n', newline="")
    items = read(path)
    assert [(item.text, item.line) for item in items if isinstance(item, Message)] == [("thank\nyou", 6), ("bye", 8)]
    assert {item.reason for item in items if not isinstance(item, Message)} == {BROKEN, BEHIND}


def test_behind_a_broken_row_rows_may_be_as_short_as_those_before(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text('sender,text,note\nuser,one\nuser,"it broke\nand on\nuser,two\nuser,three\n', newline="")
    items = read(path)
    assert customers(items) == ["one", "two", "three"]
    assert [item.reason for item in items if not isinstance(item, Message)] == [BROKEN, BEHIND]


def test_a_quote_without_end_does_not_give_the_customer_what_staff_said(tmp_path: Path) -> None:
    path = tmp_path / "staff.csv"
    path.write_text('sender,text\nuser,"it broke\nagent,"how can I help"\nuser,it broke\n', newline="")
    items = read(path)
    assert [(item.text, item.writer) for item in items if isinstance(item, Message)] == [
        ("how can I help", Writer.STAFF),
        ("it broke", Writer.CUSTOMER),
    ]


def test_words_behind_quotes_are_read_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "loose.csv"
    path.write_text('sender,text\nuser,"very" broken\nuser,the 5" pipe\n')
    assert customers(read(path)) == ["very broken", 'the 5" pipe']


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=8),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_csv_writes_is_what_is_read(texts: list[str], quoting: Literal[0, 1]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=quoting).writerows([str(number), text] for number, text in enumerate(texts))
    lines = io.StringIO(written.getvalue(), newline="")
    rows = [row for _, row in Rows(lines, ["number", "text"], ",", 1)]
    assert rows == [{"number": str(number), "text": text} for number, text in enumerate(texts)]


# Mail

MBOX = """\
From 1@xxx Sun Mar 01 09:00:00 2026
Delivered-To: support@shop.example
Message-ID: <a1@mail.example>
From: Ada Berg <Ada@x.org>
To: support@shop.example
Subject: =?utf-8?q?R=C3=BCckgabe?=
Date: Sun, 01 Mar 2026 09:00:00 +0000
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

How can I return the k=C3=BCche chair?
>From my side all is clear.

On Sat, 28 Feb 2026 at 09:00, Shop
<support@shop.example> wrote:
> Welcome
--b
Content-Type: text/html

<p>Hello</p>
--b--

From 2@xxx Sun Mar 01 10:00:00 2026
Message-ID: <a2@shop.example>
From: Shop <kim@shop.example>
To: ada@x.org

Send it back.

From 3@xxx Sun Mar 01 11:00:00 2026
Message-ID: <a3@mail.example>
References: <a1@mail.example> <a2@shop.example>
From: ada@x.org
To: support@shop.example
Content-Type: text/html; charset=utf-8

<div>And who pays?</div><div class="gmail_quote">On Sun Shop wrote:<blockquote>Send it back.</blockquote></div>

From 4@xxx Sun Mar 01 12:00:00 2026
Message-ID: <a4@chat.example>
From: Chat <noreply@chat.example>
Reply-To: bob@y.org
To: support@shop.example
Subject: Chat transcript

[12:00] Bob: is the oak table in stock?
it is for my kitchen
[12:01] Kim (Support): yes it is
[12:02] Bob: thanks

From 5@xxx Sun Mar 01 13:00:00 2026
From: News <news@news.example>
To: support@shop.example
List-Unsubscribe: <mailto:x@y.example>
Date: nonsense

Buy now.

From 6@xxx Sun Mar 01 13:00:00 2026
From: carl@z.org
To: support@shop.example
Subject: Re: AW: where is my parcel?
Content-Type: text/plain; charset=x-unknown

Am 1.3.2026 um 09:00 schrieb Shop <support@shop.example>:
> hello
"""


def test_a_mailbox_gives_what_was_written_now_and_chats_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "inbox.mbox"
    path.write_text(MBOX)
    items = read(path)

    assert customers(items) == [
        "How can I return the küche chair?\nFrom my side all is clear.",
        "And who pays?",
        "is the oak table in stock?\nit is for my kitchen",
        "thanks",
        "where is my parcel?",
    ]
    first, _, second = items[:3]
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert (first.customer, first.conversation, first.at) == ("ada@x.org", "<a1@mail.example>", 1772355600.0)
    assert second.conversation == first.conversation
    assert {item.customer for item in items if isinstance(item, Message) and item.who == "Bob"} == {"bob@y.org"}
    assert [(i.line, i.reason) for i in items if not isinstance(i, Message)] == [
        (26, STAFF),
        (54, "an automatic e-mail"),
    ]


def test_a_maildir_and_a_single_mail_are_read(tmp_path: Path) -> None:
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "box" / folder).mkdir(parents=True)
    mail = "From: dora@z.org\nTo: me@shop.example\nSubject: x\n\nmy lamp flickers\n-- \nDora\n"
    (tmp_path / "box" / "cur" / "1:2,S").write_text(mail)
    (tmp_path / "one.eml").write_text(mail)
    assert customers(read(tmp_path / "box")) == customers(read(tmp_path / "one.eml")) == ["my lamp flickers"]


def test_what_was_sent_from_the_mailbox_tells_whose_it_is(tmp_path: Path) -> None:
    sent = "From 1@x Sun Mar 01 09:00:00 2026\nX-Gmail-Labels: Sent\nFrom: shop@gmail.com\nTo: ada@x.org\n\nhello\n\n"
    got = "From 2@x Sun Mar 01 09:00:00 2026\nFrom: ada@x.org\nTo: all@list.example\n\nis it in stock\n\n"
    path = tmp_path / "sent.mbox"
    path.write_text(got + sent + got)
    assert customers(read(path)) == ["is it in stock"] * 2


def test_of_a_mail_with_a_large_attachment_the_beginning_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "LARGEST", 300)
    path = tmp_path / "large.mbox"
    one = "From 1@x Sun Mar 01 09:00:00 2026\nFrom: ada@x.org\nTo: me@shop.example\n\nhello\n\n" + "-- \n" + "x" * 5000
    path.write_text(f"{one}\n\n{one}\n")
    assert [len(data) < 700 for _, data in mail._of_mbox(path, Way())] == [True, True]
    assert customers(read(path)) == ["hello", "hello"]


def test_own_addresses_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "inbox.mbox"
    path.write_text(MBOX)
    assert customers(read(path, own=frozenset({"x.org", "shop.example", "z.org"})))[:1] == [
        "is the oak table in stock?\nit is for my kitchen"
    ]


def test_a_text_file_in_which_people_talk_is_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp chat with Ada.txt"
    path.write_text(
        "Messages are encrypted.\n01.03.26, 12:01 - Ada: is it in\nstock?\n01.03.26, 12:02 - Support: yes\n"
    )
    kind, items = formats.read(path, Way())
    found = list(items)
    assert (kind, customers(found)) == ("chat", ["is it in\nstock?"])
    assert [item.line for item in found] == [2, 4]


@pytest.mark.parametrize("line", ["[12:01] {}: {}", "[01.02.26, 10:00:00] {}: {}", "[1/2/26, 10:00:00 AM] {}: {}"])
def test_a_conversation_that_begins_with_a_bracket_is_no_json(tmp_path: Path, line: str) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("\n".join((line.format("Visitor", "is it in stock?"), line.format("Support", "yes"))))
    kind, items = formats.read(path, Way())
    assert (kind, customers(list(items))) == ("chat", ["is it in stock?"])


# Who wrote, and when


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("Visitor 83921", Writer.CUSTOMER),
        ("end-user", Writer.CUSTOMER),
        ("End User", Writer.CUSTOMER),
        ("Customer Service", Writer.STAFF),
        ("Support Agent", Writer.STAFF),
        ("BOT", Writer.STAFF),
        ("Kunde", Writer.CUSTOMER),
        ("Anna", Writer.UNKNOWN),
    ],
)
def test_a_writer_is_told_by_a_word(name: str, writer: Writer) -> None:
    assert writers.by_name(name) is writer


def test_of_two_in_a_chat_who_is_not_the_shops_is_the_customer() -> None:
    sides = {line.who: writer for line, writer in said("[9:01] Bob: hi\n[9:02] Kim (Agent): hello", frozenset())}
    assert sides == {"Bob": Writer.CUSTOMER, "Kim (Agent)": Writer.STAFF}
    sides = {line.who: writer for line, writer in said("Bob (9:01 PM): hi\nKim (9:02 PM): hello", frozenset({"bob"}))}
    assert sides == {"Bob": Writer.CUSTOMER, "Kim": Writer.STAFF}
    assert said("Dear shop,\nplease note: it broke at 12:30: twice\n", frozenset()) == []


@pytest.mark.parametrize(
    "value",
    [
        1772355600,
        "1772355600",
        1772355600000,
        "2026-03-01T09:00:00Z",
        "2026-03-01 10:00:00+01:00",
        "2026-03-01 09:00:00 UTC",
        "01.03.2026 09:00",
        "Sun, 01 Mar 2026 09:00:00 +0000",
        "Sun Mar 01 09:00:00 +0000 2026",
    ],
)
def test_times_are_read_as_exports_write_them(value: Any) -> None:
    assert times.seconds(value) == 1772355600


@pytest.mark.parametrize("value", ["", "soon", None, True, "inf", float("nan"), -5, "03/04/2026 10:00", {"a": 1}])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert times.seconds(value) is None


# The command


def test_transcripts_are_kept_once_redacted_and_by_nobodys_name(frontdesk: Run, tmp_path: Path) -> None:
    rows = [
        {"ticket_id": "T1", "sender": "customer", "email": "ada@x.org", "text": "I'm Ada Berg, where is LW-10234?"},
        {"ticket_id": "T1", "sender": "customer", "email": "ada@x.org", "text": "I'm Ada Berg, where is LW-10234?"},
        {"ticket_id": "T1", "sender": "agent", "text": "here"},
        {"ticket_id": "+49 171 5551234", "sender": "customer", "email": "ADA@x.org", "text": "what about the lamp"},
    ]
    path = written(tmp_path / "tickets.jsonl", *rows)
    first, second = frontdesk("import", "transcripts", path), frontdesk("import", "transcripts", path)

    assert (first.code, first.err) == (0, "")
    assert first.out.splitlines() == [
        f"{path}: jsonl, 4 messages; text = text, author = sender, conversation = ticket_id, customer = email.",
        "2 utterances added; 2 kept in all.",
        f"{'skipped  because':{len('skipped  ') + len(REPEATED)}}  first at",
        f"1        {REPEATED}  {path}:2",
        f"1        {STAFF:{len(REPEATED)}}  {path}:3",
    ]
    assert "0 utterances added, 2 known already; 2 kept in all." in second.out
    one, other = kept(tmp_path / "home" / "frontdesk.db")
    assert (one.text, one.source, one.conversation) == ("I'm <name>, where is <order>?", "jsonl", "T1")
    assert one.customer == other.customer
    raw = b"".join(file.read_bytes() for file in (tmp_path / "home").iterdir())
    for word in (b"Berg", b"10234", b"ada@x", b"ADA@x", b"5551234"):
        assert word not in raw


def test_what_would_steer_a_reviewers_terminal_is_not_kept(tmp_path: Path) -> None:
    kept = Keeper.of(Settings(home=tmp_path)).words("where is\x1b]0;owned\x07\x1b[2J my parcel,\nplease\0")
    assert kept.text == "where is]0;owned[2J my parcel,\nplease\ufffd"


def test_a_conversation_named_by_a_phone_number_is_renamed(frontdesk: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "events.jsonl", *events("4915155512345"))
    frontdesk("import", "transcripts", path, "--source", "whatsapp")
    (utterance, *_) = kept(tmp_path / "home" / "frontdesk.db")
    assert utterance.source == "whatsapp"
    assert "5512345" not in utterance.conversation


def test_an_export_in_another_order_adds_nothing_and_one_with_the_same_numbers_does(
    frontdesk: Run, tmp_path: Path
) -> None:
    march = [{"chat_id": 1, "time": 1772355600 + n, "text": f"hello {n}"} for n in range(3)]
    april = [{"chat_id": 1, "id": n, "text": f"bye {n}"} for n in range(3)]
    may = [{"chat_id": 1, "id": n, "text": f"again {n}"} for n in range(3)]
    outs = [
        frontdesk("import", "transcripts", written(tmp_path / f"{n}.jsonl", *rows)).out
        for n, rows in enumerate((march, march[::-1], april, may))
    ]
    assert [out.splitlines()[1].partition(" utterances added")[0] for out in outs] == ["3", "0", "3", "3"]


def test_importing_again_adds_nothing_though_the_redaction_changed(
    frontdesk: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("text\nwhere is AB-1\nwhere is AB-2\n")
    frontdesk("import", "transcripts", "a.csv")
    monkeypatch.setenv("FRONTDESK_ORDER_NUMBERS", r"AB-\d")
    assert "0 utterances added, 2 known already; 2 kept in all." in frontdesk("import", "transcripts", "a.csv").out


def test_of_lines_without_a_customer_the_same_twice_is_two_customers(frontdesk: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nhello there\nhello there\n")
    assert "2 utterances added" in frontdesk("import", "transcripts", "a.csv").out


def test_a_dry_run_counts_and_keeps_nothing(frontdesk: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    path = written(tmp_path / "a.jsonl", *({"id": n % 3, "text": f"hello {n % 3}"} for n in range(6)))
    ended = frontdesk("import", "transcripts", path, "--dry-run", "--json")
    told = json.loads(ended.out)
    assert (told["dry_run"], told["added"], told["known"]) == (True, 3, 3)
    assert told["files"][0]["messages"] == 6
    assert kept(tmp_path / "home" / "frontdesk.db") == []


def test_a_folder_of_everything_is_read_and_what_cannot_be_is_named(frontdesk: Run, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    (folder / "deep").mkdir(parents=True)
    written(folder / "deep" / "good.jsonl", {"text": "hello there"})
    (folder / "empty.csv").touch()
    (folder / "picture.png").write_bytes(b"\x89PNG\0\x01\x02" * 40)
    (folder / "book.xlsx").write_bytes(b"PK\x03\x04rest")
    (folder / "notes.txt").write_text("just some words\n")
    (folder / "cut.json.gz").write_bytes(gzip.compress(b'{"text": "x"}' * 999)[:30])
    (folder / ".hidden").write_text("x")
    ended = frontdesk("import", "transcripts", folder)

    assert ended.code == 0
    assert "1 utterance added; 1 kept in all." in ended.out
    assert ended.err.splitlines() == [
        f"Left out: {folder}/book.xlsx: this is a ZIP archive or an Excel sheet. "
        "Unpack it, or export JSONL, CSV or mbox.",
        f"Left out: {folder}/cut.json.gz: the packed file is damaged or ends in the middle. Copy it again.",
        f"Left out: {folder}/empty.csv: the file is empty.",
        f"Left out: {folder}/notes.txt:1: the first line names no column that is known as one of texts: "
        "it has 'just some words'. Name it: --column text=NAME.",
        f"Left out: {folder}/picture.png: this is no text file. Export the transcripts as JSONL, CSV or mbox.",
    ]


def test_writers_nobody_knows_are_asked_about(frontdesk: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", {"from": "Anna", "text": "hello there"}, {"from": "Kim", "text": "hi"})
    ended = frontdesk("import", "transcripts", path)
    assert f"2        {importing.UNKNOWN}" in ended.out
    assert ended.err == 'Are these customers? Name those who are: --customers "Anna" --customers "Kim"\n'
    assert "1 utterance added" in frontdesk("import", "transcripts", path, "--customers", "anna").out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing.csv"], "There is no nothing.csv."),
        (["empty"], "There is no file in empty."),
        (["empty.csv"], "empty.csv: the file is empty."),
        (["a.jsonl", "--source", "journal"], "The name journal is the conversation log's; choose another"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    frontdesk: Run, tmp_path: Path, words: list[str], sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").touch()
    written(tmp_path / "a.jsonl", {"text": "hello"})
    ended = frontdesk("import", "transcripts", *words)
    assert ended.code == 2
    assert ended.err.startswith(f"frontdesk: {sentence}")


@pytest.mark.parametrize(
    "option", [("--column", "text"), ("--column", "colour=x"), ("--encoding", "nope"), ("--format", "pdf")]
)
def test_an_option_that_makes_no_sense_is_told(frontdesk: Run, tmp_path: Path, option: tuple[str, str]) -> None:
    ended = frontdesk("import", "transcripts", written(tmp_path / "a.jsonl", {"text": "hello"}), *option)
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_a_home_that_is_not_there_yet_is_begun(frontdesk: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path / "other" / "home"))
    path = written(tmp_path / "a.jsonl", {"text": "hello"})
    assert "1 utterance would be added" in frontdesk("import", "transcripts", path, "--dry-run").out
    assert "1 utterance added" in frontdesk("import", "transcripts", path).out
    assert "0 utterances added" in frontdesk("import", "transcripts", path).out


def test_on_postgresql_too(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path / "home"))
    path = written(tmp_path / "a.jsonl", *({"text": f"hello {n}"} for n in range(3 * importing.BATCH)))
    run = Frontdesk(monkeypatch, capfdbinary)
    assert f"{3 * importing.BATCH} utterances added" in run("import", "transcripts", path).out
    assert "0 utterances added" in run("import", "transcripts", path).out


def test_a_long_file_tells_how_far_it_is(frontdesk: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LONG", 10)
    path = written(tmp_path / "a.jsonl", *({"text": f"hello {n}"} for n in range(5 * importing.BATCH)))
    lines = frontdesk("import", "transcripts", path).err.splitlines()
    assert len(lines) >= 2
    assert all(line.endswith(f"read, in {path}") for line in lines)


def test_the_command_loads_no_model() -> None:
    program = "import sys, bot.transcripts.importing; print(*({'torch', 'aiohttp', 'rich'} & sys.modules.keys()))"
    asked = [sys.executable, "-c", program]
    assert subprocess.run(asked, capture_output=True, timeout=60, cwd=ROOT, check=True).stdout == b"\n"


# Whatever a file holds

BEGINNINGS = st.sampled_from(
    [b"", b"{", b"[", b"From x\n", b"From: a@b.c\nTo: d@e.f\n\n", b"text,sender\n", b"\xff\xfe"]
)
LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20)
NAMES = st.sampled_from(
    [*columns.NAMES["text"], *columns.NAMES["author"], "messages", "source", "events", "event", "id"]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=20
)


@settings(max_examples=150)
@given(BEGINNINGS, st.binary(max_size=300))
def test_no_bytes_end_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.bin"
    path.write_bytes(start + rest)
    try:
        read(path)
    except DataError as problem:
        assert str(problem).startswith(str(path))


@settings(max_examples=150)
@given(st.lists(VALUES, max_size=4))
def test_no_json_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, found: list[Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.jsonl"
    path.write_text("{}\n" + "\n".join(map(json.dumps, found)), encoding="utf-8", errors="replace")
    reading = importing.Import(None, KEEPER, importing.Wish([path], Way()), print)  # type: ignore[arg-type]  # no journal
    for item in read(path):
        reading._take(item, path, "jsonl")
    for utterance in reading._waiting:
        "".join(utterance.key).encode()
        utterance.text.encode()


def test_who_writes_below_or_within_what_they_quote_is_heard() -> None:
    below = "On Mon, 2 Mar 2026 the shop wrote:\n> Which order?\n\nLW-10234\n-- \nAda"
    assert mails.without_quotes(below) == "LW-10234"
    broken = "On Mon, 2 Mar 2026 at 10:00, The Shop\nwrote:\n> Which order?\nLW-10234\n> And why?\nit flickers"
    assert mails.without_quotes(broken) == "LW-10234\nit flickers"
    assert mails.without_quotes("it flickers\n\n> Which order?\nno answer") == "it flickers"


def test_a_mail_of_more_parts_than_anybody_writes_is_none() -> None:
    head = b"From: ada@x.org\nContent-Type: multipart/mixed; boundary=b\n\n"
    assert mails.parsed(head + b"--b\n\nx\n" * 10) is not None
    assert mails.parsed(head + b"--b\n\nx\n" * 3000) is None
    nested = (b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(60))
    assert mails.parsed(b"".join(nested)) is None


@pytest.mark.timeout(60)
def test_a_header_of_nothing_but_quotes_is_cut() -> None:
    """The library needs a minute for this one."""
    mail = mails.parsed(b"From: ada@x.org\nContent-Type: text/plain; a=" + b'"' * 64_000 + b"\n\nhello")
    assert mail is not None
    assert mails.body(mail) == "hello"
