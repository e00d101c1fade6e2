"""The knowledge base is searched where an answer may need it, and what is answered is the same as if it always were."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.actions import InProcess
from bot.dialogue.articles import without_articles
from bot.dialogue.assistant import Assistant
from bot.dialogue.run import ActionCall, ActionResult
from bot.dialogue.tracker import Tracker
from bot.journal.journal import Journal
from bot.messages import Event, Inbound
from bot.turn import Turns
from nlu.data.reader import read_examples
from nlu.load import load_model
from nlu.source import read_yaml
from nlu.types import Query, Understanding
from nlu.understand import Model
from tests.demo import DATA, demo_model
from tests.dialogue_play import assistant_of, passage, understood

NOW = time.time()
SHOP = """
version: "3.1"
intents: [greet, track, cost, tell, yes, thank]
entities: [order]
slots:
  order: {type: text, mappings: [{type: from_entity, entity: order}]}
forms:
  track_form: {required_slots: [order]}
actions:
- action_track: {idempotent: false}
responses:
  utter_greet: [{text: "Hello."}]
  utter_thanks: [{text: "My pleasure."}]
  utter_ask_order: [{text: "Which order?"}]
rules:
- rule: greet
  steps: [{intent: greet}, {action: utter_greet}]
- rule: thank, outside of forms
  condition: [{active_loop: null}]
  steps: [{intent: thank}, {action: utter_thanks}]
- rule: track
  steps: [{intent: track}, {action: track_form}, {active_loop: track_form}]
- rule: cost
  steps: [{intent: cost}, {action: utter_greet}, {action: action_knowledge}]
- rule: tell, when it is known of what
  condition: [{slot_was_set: [order: "LW-1"]}]
  steps: [{intent: tell}, {action: action_track}]
stories:
- story: yes leads to an article later on
  steps: [{intent: yes}, {action: utter_greet}, {intent: greet}, {action: utter_greet}]
"""


class Known:
    """What the model says of some texts, with the passages of all, or where they may be needed."""

    model = "known"

    def __init__(self, model: Model, always: bool) -> None:
        self._model, self._always = model, always
        self.said: list[Understanding] = []

    async def understand(
        self, texts: Sequence[str], without_articles: frozenset[str] = frozenset()
    ) -> list[Understanding]:
        found = self._model.answers([Query(text, frozenset() if self._always else without_articles) for text in texts])
        self.said += found
        return found


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest) -> Model:
    return load_model(demo_model(request.config), device="cpu", threads=1)


@pytest.fixture(scope="module")
def demo() -> Assistant:
    return Assistant.load(DATA)


def scripts() -> Iterator[list[str]]:
    """What the customers of the scripted conversations type and press; a press is its title, typed."""
    for path in sorted((DATA / "conversations").glob("*.yml")):
        for case in read_yaml(path).value["test_cases"].value:
            steps = (next(iter(step.value.items())) for step in case.value["steps"].value)
            yield [str(value.value) for key, value in steps if key in ("user", "press")]


def bare(event: Event) -> Event:
    if event.name != "user":
        return event
    parsed = event.data["parse_data"]
    kept = {key: value for key, value in parsed["metadata"].items() if key != "passages"}
    return replace(event, data={**event.data, "parse_data": {**parsed, "metadata": kept}})


async def played(
    home: Path, assistant: Assistant, known: Known, conversations: Iterable[Sequence[str]]
) -> list[tuple[Any, ...]]:
    """What was answered, and what was recorded without the passages, of each turn."""
    found = []
    async with await Journal.open(home / "one.db") as journal:
        turns = Turns(assistant, known, InProcess("actions", 60.0), journal, 60.0)
        for number, texts in enumerate(conversations):
            tracker = Tracker(f"rest-{number}")
            for place, text in enumerate(texts):
                inbound = Inbound(f"rest-{number}", f"m{place}", text, "rest", NOW + place)
                seq = (await journal.accept(inbound)).seq
                turn, tracker = await turns.take(seq, inbound, tracker, 1)
                await journal.commit(turn, 1)
                found.append((turn.replies, turn.owner, turn.reason, [bare(event) for event in turn.events]))
    return found


@pytest.mark.parametrize("held_out", [False, True], ids=["scripted conversations", "held-out lines"])
async def test_the_same_is_answered_as_if_the_knowledge_base_were_always_searched(
    model: Model, demo: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_out: bool
) -> None:
    lines = [[example.text] for example in read_examples(DATA / "test").examples[::3]] if held_out else list(scripts())
    found = []
    for always in (False, True):
        home = tmp_path / str(always)
        home.mkdir()
        monkeypatch.setenv("SHOP_DATABASE_URL", f"sqlite:///{home}/shop.db")
        known = Known(model, always)
        found.append((await played(home, demo, known, lines), known.said))
    (turns, said), (expected, _) = found
    assert turns == expected
    assert sum(not one.searched for one in said) > len(said) / 5


def test_only_what_always_is_answered_otherwise_needs_no_articles() -> None:
    shop = assistant_of(domain=SHOP.partition("rules:")[0], rules="rules:" + SHOP.partition("rules:")[2])
    assert shop.without_articles == {"greet", "thank", "track"}


@pytest.mark.parametrize(
    ("tracker", "payload", "spared"),
    [
        (Tracker("c1"), None, True),
        (Tracker("c1"), "/greet", False),
        (Tracker("c1").apply(Event("active_loop", 0.0, {"name": "track_form"})), None, False),
        (Tracker("c1").apply(Event("followup", 0.0, {"name": "action_knowledge"})), None, False),
        (Tracker("c1").apply(Event("pause", 0.0, {"owner": "queue"})), None, False),
    ],
    ids=["free", "button", "form", "followed up", "queue"],
)
def test_in_a_form_and_for_a_button_articles_are_wanted(tracker: Tracker, payload: str | None, spared: bool) -> None:
    inbound = Inbound("c1", "m1", "hello", "rest", NOW, payload)
    assert without_articles(frozenset({"greet"}), tracker, inbound) == ({"greet"} if spared else frozenset())


class Follows:
    """An action that leads to the knowledge base."""

    def __init__(self) -> None:
        self.runs = 0

    async def run(self, call: ActionCall, *, conversation_id: str, seq: int, message_id: str) -> ActionResult:
        self.runs += 1
        return ActionResult([Event("followup", 0.0, {"name": "action_knowledge"})], [{"text": "On its way."}])

    async def names(self) -> set[str]:
        return set()

    async def close(self) -> None:
        return None


class Sparing:
    """Surely takes everything for `track`."""

    model = "sparing"

    def __init__(self) -> None:
        self.asked: list[frozenset[str]] = []

    async def understand(
        self, texts: Sequence[str], without_articles: frozenset[str] = frozenset()
    ) -> list[Understanding]:
        self.asked.append(without_articles)
        if "track" in without_articles:
            return [replace(understood(text, "track"), searched=False) for text in texts]
        return [understood(text, "track", (passage("Three days.", sure=True),)) for text in texts]


async def test_an_action_that_leads_to_an_article_runs_once_and_the_article_is_shown(tmp_path: Path) -> None:
    rules = "rules:\n- rule: track\n  steps: [{intent: track}, {action: action_track}]\n"
    shop = assistant_of(domain=SHOP.partition("rules:")[0], rules=rules)
    actions, model = Follows(), Sparing()
    async with await Journal.open(tmp_path / "one.db") as journal:
        inbound = Inbound("rest-1", "m1", "where is it", "rest", NOW)
        seq = (await journal.accept(inbound)).seq
        turn, _ = await Turns(shop, model, actions, journal, 60.0).take(seq, inbound, Tracker("rest-1"), 1)
    assert [reply.text for reply in turn.replies] == ["On its way.", "Three days."]
    assert (actions.runs, model.asked) == (1, [frozenset({"track"}), frozenset()])
    assert [event.name for event in turn.events].count("user") == 1
