"""From what customers said to a model that knows it: list, decide, retrain."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from bot import logs, models
from bot.config import Settings
from bot.journal.journal import Journal
from bot.start import alone
from nlu.learning.learned import Learned
from nlu.lineage import lineage_key, read_lineage
from nlu.registry import Registry
from tests.command import Frontdesk, environment, train_less, write_project

WRAPS = ("can you wrap it as a gift", "gift wrapping please", "do you wrap gifts", "a gift wrapped", "wrap it nicely")


@pytest.fixture
def frontdesk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Frontdesk:
    for name in [name for name in os.environ if name.startswith(("FRONTDESK_", "REDIS_", "DATABASE_", "ACTION_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    project = write_project(tmp_path / "project")
    for name, value in environment(tmp_path / "home", FRONTDESK_DATA=project, FRONTDESK_PORT=0).items():
        monkeypatch.setenv(name, value)
    train_less(monkeypatch)
    return Frontdesk(monkeypatch, capfdbinary)


def said(*texts: str) -> None:
    """Imported into a log that the service has made."""

    async def make() -> None:
        async with await Journal.open(str(Settings.read().home / "frontdesk.db")):
            pass

    asyncio.run(make())
    lines = [json.dumps({"role": "user", "text": text, "conversation": "c", "id": n}) for n, text in enumerate(texts)]
    Path("said.jsonl").write_text("\n".join(lines))


async def keys_of_reviewed() -> set[str]:
    async with await Journal.open(str(Settings.read().home / "frontdesk.db")) as journal:
        return {lineage_key(*one.utterance.key) for one in await journal.reviewed()}


def test_what_is_decided_is_learnt_and_remembered_by_whom(frontdesk: Frontdesk) -> None:
    assert frontdesk("retrain").code == 0
    said(*WRAPS, "where is my box")
    assert frontdesk("import", "transcripts", "said.jsonl").code == 0

    listed = json.loads(frontdesk("review", "list", "--json").out)
    ids = {text: one for item in listed["items"] for one, text in zip(item["ids"], item["texts"], strict=False)}
    assert set(ids) == {*WRAPS, "where is my box"}
    assert listed["counts"] == {"open": 6}
    asked = len(listed["items"])
    assert f"{asked - 1} questions more: --limit {asked}." in frontdesk("review", "list", "--limit", 1).out

    assert frontdesk("review", "decide", *(ids[text] for text in WRAPS[:4]), "--intent", "gift wrap").code == 0
    assert "gift_wrap has 4 of 5 examples yet" in frontdesk("retrain").err
    assert frontdesk("review", "decide", ids[WRAPS[4]], "--intent", "gift_wrap").out == "1 utterance labelled.\n"
    assert frontdesk("review", "list").out.count("where is my box") == 1
    assert "No rule answers gift_wrap: " in frontdesk("retrain", "--turns", 0).err
    registry = Registry(Settings.read().home)
    made, first = registry.list()
    told = frontdesk("models", "diff", first.id, made.id).out
    assert "The data are the same.\nWhat they learnt from conversations differs.\n" in told
    assert f"{first.examples} -> {first.examples + 5}" in told
    assert "gift_wrap" in made.intents
    assert read_lineage(registry.directory(made.id)) == asyncio.run(keys_of_reviewed())
    assert made.data_hash == registry.list()[-1].data_hash

    frontdesk("models", "promote", made.id)
    assert "nothing to learn" in frontdesk("retrain").out
    assert frontdesk("review", "undo").out == "Taken back: 1 label.\n"
    assert "gift_wrap" in frontdesk("review", "export").out


def test_an_article_that_has_to_be_written_is_begun_by_a_script(frontdesk: Frontdesk) -> None:
    said("where is my box")
    assert frontdesk("import", "transcripts", "said.jsonl").code == 0
    assert frontdesk("review", "decide", 1, "--new-article", "Lost boxes").code == 0
    assert "The article lost-boxes has to be written: 1 question waits" in frontdesk("review", "status").out
    assert json.loads(frontdesk("review", "status", "--json").out)["unwritten"] == {"lost-boxes": 1}
    assert frontdesk("review", "export", "lost.md", "--article", "lost-boxes").out.endswith(" is in lost.md.\n")
    assert "title: Lost boxes" in Path("lost.md").read_text()
    assert "- where is my box" in Path("lost.md").read_text()


def test_a_script_is_told_what_is_wrong(frontdesk: Frontdesk) -> None:
    assert frontdesk("review", "list").code != 0
    none = frontdesk("review", "decide", 1, "--ignore")
    assert (none.code, "There is no conversation log" in none.err) == (2, True)
    said()
    assert frontdesk("review", "decide", 1, "--ignore").out == "0 utterances labelled. 1 is not there.\n"
    assert frontdesk("review", "decide", 1, "--ignore", "--intent", "greet").code == 2
    assert frontdesk("review", "decide", 1, "--intent", "/greet").code != 0
    unknown = frontdesk("review", "decide", 1, "--article", "nope")
    assert (unknown.code, "There is no article 'nope' in" in unknown.err) == (2, True)
    assert "No question waits for an article 'nope'" in frontdesk("review", "export", "--article", "nope").err
    assert frontdesk("review", "undo").out == "There is nothing to take back.\n"
    assert "needs a terminal" in frontdesk("review").err


async def test_a_conversation_in_the_terminal_begins_with_what_was_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is there, and no model: what is to be learnt is looked up within a running event loop."""

    class Trained(Exception):
        """Training was asked for."""

    def train(*_: object, learned: Learned, **__: object) -> None:
        assert learned == Learned()
        raise Trained

    project = write_project(tmp_path / "project")
    for name, value in environment(tmp_path / "home", FRONTDESK_DATA=project).items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()
    settings.home.mkdir()
    async with await Journal.open(str(settings.home / "frontdesk.db")):
        pass
    monkeypatch.setattr(models, "train", train)
    monkeypatch.setattr(logs, "set_up", lambda *_: None)  # it would stay as it is for the tests that follow
    with pytest.raises(Trained):
        async with alone(settings):
            pass
