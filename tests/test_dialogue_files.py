"""Reading an assistant's folder, and what is found wrong in it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from bot.dialogue.assistant import Assistant, check
from bot.dialogue.checks import BUILT_IN_ACTIONS
from bot.dialogue.defaults import OTHER_LANGUAGE, RESPONSES
from bot.dialogue.domain import Domain
from nlu.source import DataError

DOMAIN = """\
intents:
- hi
- track: {use_entities: [order]}
entities: [order, {city: {roles: [from, to]}}]
slots:
  order: {type: text, mappings: [{type: from_entity, entity: order}]}
forms:
  track_form: {required_slots: [order]}
actions: [action_track, {action_two: {send_domain: true, idempotent: true}}]
responses:
  utter_hi: [{text: hi}]
  utter_ask_order: [{text: "which?"}]
session_config: {session_expiration_time: 5, carry_over_slots_to_new_session: false}
"""
RULES = """\
rules:
- {rule: hi, steps: [{intent: hi}, {action: utter_hi}]}
- {rule: track, steps: [{intent: track}, {action: track_form}, {active_loop: track_form}]}
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return folder


def test_a_domain_in_one_file_or_in_many_is_the_same(tmp_path: Path) -> None:
    one = Assistant.load(write(tmp_path / "one", domain=DOMAIN, data__rules=RULES))
    head, tail = DOMAIN.split("forms:")
    many = Assistant.load(write(tmp_path / "many", domain__a=head, domain__b="forms:" + tail, rules=RULES))
    assert one.domain.to_json() == many.domain.to_json()
    assert one.domain.to_json()["actions"] == ["action_track", "action_two"]
    assert one.domain.actions["action_two"].idempotent
    assert not one.domain.actions["action_track"].idempotent
    assert one.domain.session.expired(0, 301)
    assert not one.domain.session.carry_over
    assert one.domain.to_json()["slots"]["order"]["mappings"] == [{"type": "from_entity", "entity": "order"}]


def test_a_domain_can_be_loaded_from_paths(tmp_path: Path) -> None:
    write(tmp_path, domain=DOMAIN)
    assert set(Domain.load([tmp_path / "domain.yml"]).intents) == {"hi", "track"}


def test_tests_settings_and_scripted_conversations_are_no_stories(tmp_path: Path) -> None:
    broken = "stories: [{story: no, steps: [{intent: unknown}]}]"
    apart = dict.fromkeys(("test__a", "tests__b", "conversations__c", "data__test_d", "models__e", ".x__f"), broken)
    folder = write(tmp_path, domain=DOMAIN, rules=RULES, config="config: {", nlu="nlu: {", **apart)
    assert len(Assistant.load(folder).written.blocks) == 2


BROKEN = [
    (
        "stories: [{story: s, steps: [{intent: hii}, {action: utter_hi}]}]",
        "more.yml:1: story 's' names the unknown intent 'hii'. Did you mean 'hi'?",
    ),
    (
        "rules: [{rule: r, steps: [{intent: hi}, {action: utter_hii}]}]",
        "says 'utter_hii', which has no response. Did you mean 'utter_hi'?",
    ),
    (
        "rules: [{rule: r, steps: [{intent: track}, {action: action_trak}]}]",
        "runs the unknown action 'action_trak'. Did you mean 'action_track'?",
    ),
    (
        "rules: [{rule: r, condition: [{active_loop: null}], steps: [{intent: hi}, {action: uter_hi}]}]",
        "runs the unknown action 'uter_hi'. Did you mean 'utter_hi'?",
    ),
    (
        "rules: [{rule: r, steps: [{intent: hi}, {action: action_track}]}]",
        "rules.yml:2: rule 'hi' contradicts rule 'r': utter_hi or action_track?",
    ),
    (
        "rules: [{rule: r, steps: [{intent: hi}, {action: utter_hi}, {action: action_track}]}]",
        "wait for the customer or action_track?",
    ),
    (
        "rules: [{rule: r, condition: [{slot_was_set: [oder]}], steps: [{intent: hi}, {action: utter_hi}]}]",
        "unknown slot 'oder'. Did you mean 'order'?",
    ),
    (
        "rules: [{rule: r, condition: [{active_loop: form}], steps: [{intent: hi}, {action: utter_hi}]}]",
        "the unknown form",
    ),
    (
        "rules: [{rule: r, steps: [{intent: track, entities: [ordr]}, {action: utter_hi}]}]",
        "the unknown entity 'ordr'",
    ),
    ("forms: {f: {required_slots: [price]}}", "form 'f' asks for the unknown slot 'price'"),
    ("slots: {s: {type: text}}\nforms: {f: {required_slots: [s]}}", "slot 's' of form 'f' has no mapping"),
    ("slots: {s: {type: text, mappings: [{type: from_entity, entity: ordr}]}}", "maps the unknown entity 'ordr'"),
    ("slots: {s: {type: text, mappings: [{type: from_text, intent: hey}]}}", "names the unknown intent 'hey'"),
    ("forms: {f: {required_slots: [], ignored_intents: hey}}", "form 'f' ignores the unknown intent 'hey'"),
    ("slots: {s: {type: txt}}", "'txt' is no type of slot. Did you mean 'text'?"),
    ("slots: {s: {type: unfeaturized}}", "Use one of text, bool"),
    ("slots: {s: {mappings: []}}", "slot 's' has no type"),
    ("slots: {s: {type: text, mappings: [{entity: order}]}}", "has no type. Write 'type: from_entity'"),
    ("slots: {s: {type: text, mappings: [{type: from_entiy}]}}", "Did you mean 'from_entity'?"),
    ("slots: {s: {type: text, mappings: [{type: from_entity}]}}", "names no entity. Add 'entity: s'"),
    ("slots: {order: {type: text}}", "stands in two files"),
    ("slots: [a]", "Slots must be a mapping, not a list"),
    ("forms: {f: {required_slots: {a: []}}}", "as in Rasa 2"),
    ("forms: {f: {cuisine: []}}", "form 'f' has no key 'cuisine'"),
    ("responses: {utter_x: []}", "response 'utter_x' has no variation"),
    ("responses: {utter_x: [{channel: web}]}", "a variation of 'utter_x' says nothing"),
    ("responses: {utter_x: hello}", "Response 'utter_x' must be a list, not text"),
    ("responses: {utter_x: [{text: a, buttons: [{payload: /a}]}]}", "a button of 'utter_x' has no title"),
    ("responses: {utter_x: [{text: a, condition: [{value: 1}]}]}", "names no slot"),
    ("session_config: {session_expiration_time: soon}", "must be a number of minutes"),
    ("rules: [{rule: r}]", "rule 'r' has no steps"),
    ("rules: [{steps: [{intent: hi}]}]", "this rule has no name"),
    (
        "rules: [{rule: r, conditions: [], steps: [{intent: hi}]}]",
        "a rule has no key 'conditions'. Did you mean 'condition'?",
    ),
    ("rules: [{rule: r, steps: [{inten: hi}]}]", "a step has no key 'inten'. Did you mean 'intent'?"),
    ("stories: [{story: s, steps: [{intent: hi}, {bot: hello}]}]", "cannot be followed"),
    ("rules: [{rule: r, steps: [{intent: 3}]}]", "An intent must be text, not a number"),
    ("rules: {a: b", "the YAML is broken"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_mistake_is_told_with_its_place_and_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    folder = write(tmp_path, domain=DOMAIN, rules=RULES)
    (folder / "more.yml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as raised:
        Assistant.load(folder)
    assert message in str(raised.value)
    assert raised.value.line


def test_a_folder_without_an_assistant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no domain with intents in this folder. Add a domain.yml"):
        Assistant.load(tmp_path)
    with pytest.raises(DataError, match="there is no such folder"):
        Assistant.load(tmp_path / "nowhere")


def test_what_only_looks_wrong_does_not_stop_the_assistant(tmp_path: Path) -> None:
    more = """
    stories:
    - {story: lost, steps: [{checkpoint: nowhere}, {intent: hi}, {action: utter_hi}]}
    - {story: open, steps: [{intent: track}, {action: track_form}, {checkpoint: end}]}
    forms: {unused_form: {required_slots: []}}
    intents: [idle, affirm]
    slots: {size: {type: text, mappings: [{type: custom}]}}
    """
    domain = DOMAIN.replace("required_slots: [order]", "required_slots: [order, size]")
    assistant = Assistant.load(write(tmp_path, domain=domain, rules=RULES, more=more))
    found = [str(problem) for problem in check(assistant, {"hi", "hello", "idle", "affirm"}, {"order", "city"})]
    for sentence in (
        "story 'lost' cannot be reached: nothing leads to checkpoint 'nowhere'",
        "story 'open' ends at checkpoint 'end', where nothing begins",
        "no rule or story starts form 'unused_form'",
        "no rule or story begins with intent 'idle'",
        "form 'track_form' has no words to ask for 'size'. Add the response utter_ask_track_form_size",
        "intent 'track' is in the domain, but has no training examples",
    ):
        assert any(sentence in problem for problem in found), sentence
    assert len(found) == 6


def test_all_problems_are_told_at_once_the_fatal_ones_first(tmp_path: Path) -> None:
    more = "rules: [{rule: a, steps: [{intent: no}]}, {rule: b, steps: [{intent: hi}, {action: nothing}]}]"
    assistant = Assistant.read(write(tmp_path, domain=DOMAIN, rules=RULES, more=more))
    problems = check(assistant, {"hi"})
    assert [problem.fatal for problem in problems] == [True, True, True, False]


def test_a_correct_assistant_has_no_problem(tmp_path: Path) -> None:
    assistant = Assistant.load(write(tmp_path, domain=DOMAIN, rules=RULES))
    assert check(assistant, {"hi", "track"}, {"order", "city"}) == []


def test_the_page_about_the_dialogue_names_every_built_in_action_and_response() -> None:
    page = Path(__file__).parents[1].joinpath("docs", "dialogue.md").read_text(encoding="utf-8")
    names = [name for name in (*BUILT_IN_ACTIONS, *RESPONSES) if not name.startswith(f"{OTHER_LANGUAGE}_")]
    codes = [name.rpartition("_")[2] for name in RESPONSES if name.startswith(f"{OTHER_LANGUAGE}_")]
    assert [name for name in (*names, *codes) if f"`{name}`" not in page] == []
