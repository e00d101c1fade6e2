"""The scripted conversations name only what there is, and leave no form out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.dialogue.assistant import Assistant
from nlu.source import read_yaml

DATA = Path(__file__).parents[1] / "training_data"
CUSTOMER = {"user", "press", "command"}
CHECKS = {
    "utter", "bot", "bot_contains", "bot_lacks", "slot_was_set", "slot_was_not_set", "action", "active_form",
    "kb_article", "offers", "handed_off", "silent",
}  # fmt: skip

Case = tuple[str, list[tuple[str, Any]]]


def cases() -> list[Case]:
    """Each conversation's name and its steps, as pairs of what and value."""
    files = sorted((DATA / "conversations").glob("*.yml"))
    found = [case for path in files for case in read_yaml(path).plain()["test_cases"]]
    return [(case["test_case"], [pair for step in case["steps"] for pair in step.items()]) for case in found]


def values(what: str) -> set[Any]:
    return {value for _, steps in cases() for kind, value in steps if kind == what and value is not None}


def test_there_are_sixty_conversations_or_more_each_with_a_name_of_its_own() -> None:
    names = [name for name, _ in cases()]

    assert len(names) >= 60
    assert len(set(names)) == len(names)


def test_each_conversation_begins_with_the_customer_and_checks_something_at_its_end() -> None:
    for name, steps in cases():
        kinds = [kind for kind, _ in steps]

        assert set(kinds) <= CUSTOMER | CHECKS, name
        assert kinds[0] in CUSTOMER, name
        assert kinds[-1] in CHECKS, name


def test_what_they_name_exists() -> None:
    domain = Assistant.load(DATA).domain
    articles = {path.stem for path in (DATA / "kb").glob("*.md")}
    slots = {item if isinstance(item, str) else next(iter(item)) for listed in _slot_lists() for item in listed}

    assert {name for name in values("utter") if not domain.says(name)} == set()
    assert values("kb_article") - articles == set()
    assert slots - domain.slots.keys() == set()
    assert values("active_form") - domain.forms.keys() == set()
    built_in = {"action_knowledge"}
    assert values("action") - domain.actions.keys() - domain.forms.keys() - built_in == set()


def test_each_form_is_asked_to_its_end() -> None:
    domain = Assistant.load(DATA).domain
    ends = {name for name in domain.actions if name.startswith("action_")}
    spoken = {value for _, steps in cases() for kind, value in steps if kind in ("action", "utter")}
    confirms = {f"utter_ask_{form.name}_confirm" for form in domain.forms.values() if "confirm" in form.required}

    assert ends - spoken == set()
    assert confirms - spoken == set()


def _slot_lists() -> list[list[Any]]:
    return [value for _, steps in cases() for kind, value in steps if kind in ("slot_was_set", "slot_was_not_set")]
