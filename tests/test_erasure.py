"""A customer is erased: from the journal, from Redis, from the disk; the others go on, and nobody writes it back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.config import Settings
from bot.erasing.erase import Erasure
from bot.erasing.whose import whose
from bot.journal import collected
from bot.journal.errors import NotFound, StaleFence
from bot.journal.journal import Journal
from bot.journal.values import Kind, Review, Step, Utterance, Whose
from bot.learning.forgetting import forget
from bot.messages import Event, Inbound, Outbound, Owner, Turn
from bot.transcripts.collect import Collection
from bot.transcripts.keeper import Keeper
from nlu.lineage import lineage_key, write_lineage
from nlu.manifest import read_manifest, write_manifest
from nlu.registry import SEEN, Registry
from tests.command import Frontdesk
from tests.service import KeywordUnderstander, Widget, running
from tests.test_collect import KEEPER
from tests.test_nlu_registry import added, model

WORD = "pemmican"
"""What nobody else would say."""


def inbound(conversation: str, number: int, text: str, **claims: str) -> Inbound:
    metadata = {"customer": claims} if claims else {}
    return Inbound(conversation, f"{conversation}-m{number}", text, "web", 100.0, metadata=metadata)


async def said(journal: Journal, conversation: str, text: str, number: int = 1, **claims: str) -> int:
    """A message that is answered with the same words."""
    message = inbound(conversation, number, text, **claims)
    seq = (await journal.accept(message)).seq
    hold = await journal.take(conversation)
    await journal.start_action(Step(conversation, seq, 0), "action_x", hold.fence)
    event = Event("user", 100.0, {"text": text, "parse_data": {"metadata": {"verdict": "sure"}}})
    state = {"words": text}
    turn = Turn(message, seq, (event,), (Outbound(f"you said {text}"),), Owner.BOT, state, model="m1")
    await journal.commit(turn, hold.fence)
    return seq


@pytest.fixture(autouse=True)
def all_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collected, "LAG_SECONDS", -1.0)


async def everything(journal: Journal, conversation: str) -> list[Any]:
    return [
        await journal.conversation(conversation),
        await journal.entries(conversation),
        await journal.events(conversation),
        await journal.action_runs(conversation, 1),
        [one for one in await journal.newest_utterances() if one.conversation == conversation],
    ]


async def test_all_rows_of_a_customer_go_and_the_neighbours_stay(journal: Journal) -> None:
    for conversation in ("mine", "theirs"):
        await said(journal, conversation, f"hello {conversation}")
    await Collection(journal, KEEPER).collect()
    by_conversation = {one.conversation: one for one in await journal.newest_utterances()}
    ids = [by_conversation[name].id for name in ("mine", "theirs")]
    await journal.decide([Review(one, Kind.INTENT, "greet", "ada") for one in ids])
    neighbour = await everything(journal, "theirs")

    found = await journal.traces(Whose(("mine",)))
    gone = await journal.erase(Whose(("mine",)))

    assert gone == found
    assert gone.rows == {
        "conversations": 1,
        "entries": 2,
        "turns": 1,
        "deliveries": 0,
        "sent": 0,
        "action_runs": 1,
        "utterances": 1,
        "reviews": 1,
    }
    assert gone.utterances == (("journal", "mine", "1"),)
    assert await everything(journal, "mine") == [None, [], [], [], []]
    assert await everything(journal, "theirs") == neighbour
    assert [one.utterance.conversation for one in await journal.reviewed()] == ["theirs"]


async def test_who_still_has_an_erased_conversation_in_hand_cannot_commit_to_its_successor(journal: Journal) -> None:
    await said(journal, "mine", "hello")
    waiting = inbound("mine", 2, "and then")
    seq = (await journal.accept(waiting)).seq
    for _ in range(3):
        hold = await journal.take("mine")
    late = Turn(waiting, seq, (), (Outbound("late"),), Owner.BOT, {"words": "hello"})

    await journal.erase(Whose(("mine",)))
    with pytest.raises(NotFound):
        await journal.commit(late, hold.fence)
    again = await journal.accept(inbound("mine", 3, "anew"))
    with pytest.raises(StaleFence):
        await journal.commit(Turn(again.inbound, again.seq, (), (), Owner.BOT, {"words": "hello"}), hold.fence)

    assert again.seq == 1
    assert (await journal.take("mine")).version == 0
    begun = await journal.conversation("mine")
    assert begun is not None
    assert begun.state == {}


async def test_what_is_said_after_an_erasure_is_collected(journal: Journal) -> None:
    """The last turns' numbers are given again by SQLite."""
    for conversation in ("a", "b"):
        await said(journal, conversation, f"hello {conversation}")
    await Collection(journal, KEEPER).collect()
    await journal.erase(Whose(("b",)))

    await said(journal, "c", "hello c")
    await Collection(journal, KEEPER).collect()
    assert [one.conversation for one in await journal.newest_utterances()] == ["c", "a"]


async def test_a_collector_that_had_read_what_is_erased_keeps_nothing_of_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await said(journal, "a", "hello a")
    await said(journal, "b", "hello b")
    take, first = journal.take_turns, iter([True])

    async def erased_before(*args: Any) -> int | None:
        if next(first, False):
            await journal.erase(Whose(("b",)))
            await said(journal, "c", "hello c")
        return await take(*args)

    monkeypatch.setattr(journal, "take_turns", erased_before)
    await Collection(journal, KEEPER).collect()
    assert sorted(one.conversation for one in await journal.newest_utterances()) == ["a", "c"]


async def test_a_customer_is_found_by_id_and_by_address_in_all_conversations(journal: Journal) -> None:
    await said(journal, "one", "hello", id="7", email="Ada@x.org")
    await said(journal, "two", "hello")
    await said(journal, "two", "i signed in", 2, id="7")
    await said(journal, "by-mail", "hello", email="ada@x.org")
    await said(journal, "another", "hello", id="8", email="ada@x.org")
    await said(journal, "nobody", "my id is 7, ada@x.org")
    await Collection(journal, KEEPER).collect()
    await journal.keep_utterances([Utterance("mail", "t1", "1", "by mail", customer=KEEPER.customer("ada@x.org"))])

    by_id = await whose(journal, KEEPER, "7")
    assert by_id.conversations == ("7", "by-mail", "one", "two")
    assert (await whose(journal, KEEPER, " ADA@X.org")).conversations[1:] == ("another", "by-mail", "one", "two")
    assert (await whose(journal, KEEPER, "two")).conversations == ("two",)
    assert (await whose(journal, KEEPER, "z")).conversations == ("z",)
    gone = await journal.erase(by_id)
    assert {key[:2] for key in gone.utterances} == {
        ("journal", "one"),
        ("journal", "two"),
        ("journal", "by-mail"),
        ("mail", "t1"),
    }


@pytest.mark.parametrize("name", ['o"neil\\', "Zoë", "Иван", "100%", "_"])
async def test_a_customer_may_be_called_anything(journal: Journal, name: str) -> None:
    await said(journal, "one", "hello", id=name)
    await said(journal, "two", "hello", id="100x")
    assert (await whose(journal, KEEPER, name)).conversations == tuple(sorted(("one", name)))


async def test_a_name_without_its_channel_names_the_conversation(journal: Journal) -> None:
    await said(journal, "web-ada", "hello")
    await said(journal, "ada-web", "hello")
    assert (await whose(journal, KEEPER, "ada")).conversations == ("ada", "web-ada")


def files_with(folder: Path, *words: str) -> list[str]:
    contents = {path: path.read_bytes().lower() for path in folder.rglob("*") if path.is_file()}
    return [str(path) for path, held in contents.items() if any(word.lower().encode() in held for word in words)]


async def test_no_byte_of_an_erased_customer_is_left_and_the_neighbour_goes_on(tmp_path: Path) -> None:
    """T29: beside a running service, with the embedded Valkey and SQLite."""
    home = tmp_path / "home"
    settings = Settings(home=home)
    async with running(home) as service, Widget.open(service.url) as neighbour:
        async with Widget.open(service.url) as widget:
            mine = widget.welcome["conversation"]
            for number in range(30):
                await widget.ask(f"ask {WORD} {number} {'and so on ' * 150}")
        await neighbour.ask("ask something else")
        theirs = neighbour.welcome["conversation"]
        await Collection(service.journal, Keeper.of(settings)).collect()
        before = await everything(service.journal, theirs)
        assert files_with(home, WORD)

        async with await Journal.open(home / "frontdesk.db") as journal:
            receipt = await Erasure(settings, Keeper.of(settings), journal).of(mine)
        receipt.write(home)

        assert files_with(home, WORD, mine) == []
        assert (receipt.removed["conversations"], receipt.removed["utterances"], receipt.snapshots) == (1, 30, 1)
        assert await everything(service.journal, theirs) == before
        assert (await neighbour.ask("ask on"))[0]["text"] == "answer"
    assert files_with(home, WORD, mine) == []


async def test_whoever_has_the_chat_open_begins_anew(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = Settings(home=home)
    async with running(home) as service, Widget.open(service.url) as widget:
        await widget.ask(f"ask {WORD}")
        known = widget.welcome
        async with await Journal.open(home / "frontdesk.db") as journal:
            await Erasure(settings, Keeper.of(settings), journal).of(known["conversation"])
        with pytest.raises(ConnectionResetError):
            await widget.until("nothing")

        hello = {"token": known["token"], "epoch": known["epoch"], "last_seq": 2}
        async with Widget.open(service.url, **hello) as again:
            assert again.welcome["seq"] == 0
            assert again.welcome["epoch"] != known["epoch"]
            assert (await again.ask("ask anew"))[0]["seq"] == 2
    assert files_with(home, WORD) == []


async def test_a_turn_under_way_ends_with_its_conversation(tmp_path: Path) -> None:
    home = tmp_path / "home"
    thinking, go_on = asyncio.Event(), asyncio.Event()

    async def before(text: str) -> None:
        if WORD in text:
            thinking.set()
            await go_on.wait()

    settings = Settings(home=home)
    async with running(home, KeywordUnderstander(before=before)) as service, Widget.open(service.url) as neighbour:
        async with Widget.open(service.url) as widget:
            await widget.say(f"ask {WORD}")
            await thinking.wait()
            mine = widget.welcome["conversation"]
            async with await Journal.open(home / "frontdesk.db") as journal:
                await journal.erase(Whose((mine,)))
                go_on.set()
                await neighbour.ask("ask meanwhile")
                # Nobody is known by that name any more: Redis and the files are cleaned all the same.
                await Erasure(settings, Keeper.of(settings), journal).of(mine)
            assert await service.journal.conversation(mine) is None
    assert files_with(home, WORD) == []


def lineage(folder: Path, name: str, *keys: str, created: datetime) -> Path:
    directory = model(folder, name, created.isoformat(timespec="seconds"))
    write_lineage(directory, keys)
    write_manifest(directory, read_manifest(directory))
    return directory


def test_models_that_learnt_from_what_was_erased_are_known(tmp_path: Path) -> None:
    registry, now = Registry(tmp_path), datetime.now(UTC)
    key, other = lineage_key("journal", "mine", "1"), lineage_key("journal", "theirs", "1")
    for name, keys, created in (
        ("other", [other], now - timedelta(days=3)),
        ("learnt", [key], now - timedelta(days=2)),
        ("newest", [key, other], now - timedelta(days=1)),
        ("later", [key], now + timedelta(days=1)),  # a new conversation under the old name
    ):
        added(registry, lineage(tmp_path / "made", name, *keys, created=created))
    registry.promote("newest")
    damaged = registry.folder / ".decisions" / "gone.json"
    registry.decide("learnt", {"held": True, "replay": {"changes": [{"texts": [WORD, "others"]}]}})
    for name, shown in (("other", "theirs"), ("newest", "other words"), ("later", WORD)):
        registry.page(name).write_text(f"<td>{shown}</td>")
    assert registry.stained() == []
    damaged.write_text(f'{{"texts": ["{WORD}')
    killed = [
        lineage(registry.folder / f".new-{name}", name, of, created=now) for name, of in (("a", key), ("b", other))
    ]

    (registry.folder / SEEN).write_bytes(b"vectors")
    registry.forget([key], [WORD], now)
    assert not damaged.exists()
    assert not (registry.folder / SEEN).exists()
    assert [directory.exists() for directory in killed] == [False, True]

    assert registry.stained() == ["newest", "learnt"]
    assert registry.decision("learnt")["replay"] == {"changes": [{"texts": ["<erased>", "others"]}]}
    assert [name for name in ("other", "newest", "later") if registry.page(name).exists()] == ["other"]
    reports = {one.id: (registry.directory(one.id) / "report" / "index.html").is_file() for one in registry.list()}
    assert reports == {"other": True, "learnt": False, "newest": False, "later": True}
    assert registry.is_sound("newest"), "it is served on"
    assert registry.prune(9) == ["learnt"]


def test_a_training_that_ends_after_the_erasure_leaves_no_report(tmp_path: Path) -> None:
    registry, now = Registry(tmp_path), datetime.now(UTC)
    registry.folder.mkdir()
    registry.forget(["0123456789abcdef"], [WORD], now)
    for name, key in (("learnt", "0123456789abcdef"), ("other", "fedcba9876543210")):
        added(registry, lineage(tmp_path / "made", name, key, created=now))
    assert registry.stained() == ["learnt"]
    left = [name for name in ("learnt", "other") if (registry.directory(name) / "report").exists()]
    assert left == ["other"]


def test_the_log_of_a_retraining_that_still_runs_goes_whatever_is_in_it(tmp_path: Path) -> None:
    logs = [tmp_path / "logs" / f"retrain-2026010{day}-0300.log" for day in (1, 2)]
    logs[0].parent.mkdir()
    for log in logs:
        log.write_text("reading")
    with Registry(tmp_path).training():
        forget(tmp_path, [("journal", "mine", "1")], [WORD], datetime.now(UTC))
    assert [log.exists() for log in logs] == [True, False]
    forget(tmp_path, [("journal", "mine", "1")], [WORD], datetime.now(UTC))
    assert logs[0].exists()


@pytest.fixture
def on(database_url: str) -> Callable[[Callable[[Journal], Any]], Any]:
    def do(work: Callable[[Journal], Any]) -> Any:
        async def run() -> Any:
            async with await Journal.open(database_url) as journal:
                return await work(journal)

        return asyncio.run(run())

    return do


@pytest.fixture
def frontdesk(
    database_url: str,
    valkey_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Frontdesk:
    home = str(tmp_path / "home")
    for name, value in {"FRONTDESK_HOME": home, "DATABASE_URL": database_url, "REDIS_URL": valkey_url}.items():
        monkeypatch.setenv(name, value)
    return Frontdesk(monkeypatch, capfdbinary)


On = Callable[[Callable[[Journal], Any]], Any]


def test_the_command_asks_says_what_goes_and_keeps_a_receipt(
    frontdesk: Frontdesk, on: On, database_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    on(lambda journal: said(journal, "web-1", f"hello\n{WORD}", id="customer-7"))
    on(lambda journal: said(journal, "web-2", "hello", id="customer-8"))
    on(lambda journal: Collection(journal, Keeper.of(Settings.read())).collect())
    registry = Registry(home)
    now = datetime.now(UTC)
    made = lineage(tmp_path / "made", "m1", lineage_key("journal", "web-1", "1"), created=now)
    added(registry, made)
    logs = home / "logs"
    logs.mkdir()
    (logs / "retrain-20260101-0300.log").write_text(f"m1 against m0: held\n      hello {WORD}\n")
    (logs / "retrain-20260102-0300.log").write_text("m1 against m0: held\n")

    unknown = frontdesk("erase", "--customer", "nobody", "--yes")
    assert (unknown.code, unknown.out) == (1, "")
    assert "Nobody is known by that name" in unknown.err
    preview = frontdesk("erase", "--customer", "customer-7", "--dry-run")
    assert "1 conversation, 2 entries, 1 turn, 1 run of an action, 1 utterance." in preview.out
    assert "Learnt from by m1." in preview.out
    assert frontdesk("erase", "--customer", "customer-7", stdin=b"n\n").code == 1
    assert on(lambda journal: journal.conversation("web-1"))

    done = frontdesk("erase", "--customer", "customer-7", "--yes", "--json")
    receipt = json.loads(done.out)
    assert (receipt["removed"]["entries"], receipt["models"]) == (2, ["m1"])
    assert on(lambda journal: journal.conversation("web-1")) is None
    assert on(lambda journal: journal.conversation("web-2"))
    (kept,) = (home / "erasures").iterdir()
    assert json.loads(kept.read_text()) == receipt
    assert files_with(home, WORD, "customer-7", "web-1") == []
    assert [path.name for path in logs.iterdir()] == ["retrain-20260102-0300.log"]
    if database_url.startswith("sqlite"):
        assert files_with(tmp_path, WORD, "customer-7", "web-1") == []
    listed = frontdesk("models", "list")
    assert "learnt from what was erased" in listed.out
    assert frontdesk("erase", "--customer", "customer-7", "--yes").code == 1


def test_an_erasure_that_a_crash_stopped_is_called_again(
    frontdesk: Frontdesk, on: On, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(lambda journal: said(journal, "web-1", f"hello {WORD}", id="customer-7"))

    async def crash(_: Journal) -> bool:
        raise ConnectionResetError

    with monkeypatch.context() as crashing:
        crashing.setattr(Journal, "scrub", crash)
        assert frontdesk("erase", "--customer", "customer-7", "--yes").code != 0
    assert on(lambda journal: journal.conversation("web-1")) is None

    assert frontdesk("erase", "--customer", "customer-7", "--yes").code == 0
    assert frontdesk("erase", "--customer", "customer-7", "--yes").code == 1
