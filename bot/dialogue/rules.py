"""Rules and stories: each becomes paths of what was said and done, and what had to hold in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from nlu.source import Node, did_you_mean

_PATHS = 500
"""At most so many paths from one story: checkpoints multiply."""
_STEPS = ("intent", "user", "action", "or", "slot_was_set", "active_loop", "checkpoint", "bot")


@dataclass(frozen=True, slots=True)
class Said:
    """The customer says something of this intent, or this very text, with at least these entities."""

    intent: str | None
    text: str | None = None
    entities: tuple[tuple[str, str | None, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    action: str


@dataclass(frozen=True, slots=True)
class SlotIs:
    """`value` None: empty. `given`: any value will do."""

    name: str
    value: Any = None
    given: bool = False


@dataclass(frozen=True, slots=True)
class LoopIs:
    name: str | None


Hard = Said | Done
Soft = SlotIs | LoopIs
Step = Hard | Soft


@dataclass(frozen=True, slots=True)
class Gap:
    """What holds between two hard steps: slots and the active loop at its end, other loops on the way."""

    slots: tuple[SlotIs, ...] = ()
    loops: tuple[str | None, ...] = ()

    def plus(self, soft: Soft) -> Gap:
        if isinstance(soft, LoopIs):
            return replace(self, loops=(*self.loops, soft.name))
        return replace(self, slots=(*(known for known in self.slots if known.name != soft.name), soft))

    def under(self, soft: Soft) -> Gap:
        if isinstance(soft, LoopIs):
            return replace(self, loops=(soft.name, *self.loops))
        return self if any(known.name == soft.name for known in self.slots) else self.plus(soft)

    def weight(self) -> int:
        return len(self.slots) + len(self.loops)


@dataclass(frozen=True, slots=True)
class Path:
    """One way through a rule or a story. `steps[i]` is followed by `gaps[i + 1]`; `gaps[0]` holds before the first."""

    name: str
    is_rule: bool
    steps: tuple[Hard, ...]
    gaps: tuple[Gap, ...]
    at_start: bool
    waits: bool
    places: tuple[Node, ...]
    """Where each step stands."""

    def weight(self, length: int) -> int:
        """How particular its first `length` steps are."""
        entities = sum(len(step.entities) for step in self.steps[:length] if isinstance(step, Said))
        return entities + self.at_start + sum(gap.weight() for gap in self.gaps[: length + 1])


@dataclass(frozen=True, slots=True)
class Block:
    """A rule or story as it is written."""

    name: str
    is_rule: bool
    place: Node
    steps: tuple[tuple[Node, tuple[tuple[Step, ...], ...]], ...]
    """Each step's place and its alternatives."""
    conditions: tuple[Soft, ...] = ()
    at_start: bool = False
    waits: bool = True
    enters: str = ""
    """Checkpoint it begins with."""
    leaves: str = ""
    """Checkpoint it ends with."""


@dataclass(frozen=True, slots=True)
class Written:
    """All rules and stories of an assistant."""

    blocks: tuple[Block, ...] = ()
    paths: tuple[Path, ...] = field(default=())


def read_blocks(document: Node) -> list[Block]:
    """Raises DataError when a rule or story is malformed."""
    fields = document.mapping("The file")
    found: list[Block] = []
    for section, title in (("rules", "rule"), ("stories", "story")):
        if section in fields and fields[section].value is not None:
            for item in fields[section].items(section):
                found += _blocks(item, title)
    return found


def expand(blocks: Sequence[Block], present: frozenset[str] = frozenset()) -> Written:
    """Every path through the blocks: alternatives multiplied out, checkpoints joined.

    Of the slots named in `present` a story says only that they have a value, as Rasa reads text and list slots.
    """
    entries: dict[str, list[Block]] = {}
    for block in blocks:
        entries.setdefault(block.enters, []).append(block)
    paths: list[Path] = []
    for block in entries.get("", []):
        some = islice(_paths(block, entries), _PATHS)
        paths += (path if block.is_rule else _loosened(path, present) for path in some)
    return Written(tuple(blocks), tuple(paths))


def _paths(block: Block, entries: Mapping[str, Sequence[Block]]) -> Iterator[Path]:
    for line in _lines(block, entries, frozenset()):
        yield _path(block, line)


def _loosened(path: Path, present: frozenset[str]) -> Path:
    return replace(
        path, gaps=tuple(replace(gap, slots=tuple(_loose(s, present) for s in gap.slots)) for gap in path.gaps)
    )


def _loose(slot: SlotIs, present: frozenset[str]) -> SlotIs:
    return SlotIs(slot.name, given=True) if slot.name in present and slot.value is not None else slot


Line = tuple[tuple[Node, Step], ...]


def _lines(block: Block, entries: Mapping[str, Sequence[Block]], seen: frozenset[int]) -> Iterator[Line]:
    for head in _multiplied(block.steps):
        following = [b for b in entries.get(block.leaves, ()) if id(b) not in seen] if block.leaves else []
        if not following:
            yield head
        for other in following:
            for tail in _lines(other, entries, seen | {id(block)}):
                yield head + tail


def _multiplied(steps: Sequence[tuple[Node, tuple[tuple[Step, ...], ...]]]) -> Iterator[Line]:
    if not steps:
        yield ()
        return
    place, alternatives = steps[0]
    for rest in _multiplied(steps[1:]):
        for alternative in alternatives:
            yield (*((place, step) for step in alternative), *rest)


def _path(block: Block, line: Line) -> Path:
    steps: list[Hard] = []
    places: list[Node] = []
    gaps = [Gap()]
    for place, step in line:
        if isinstance(step, Said | Done):
            steps.append(step)
            places.append(place)
            gaps.append(Gap())
        else:
            gaps[-1] = gaps[-1].plus(step)
    _set_conditions(block, steps, gaps)
    return Path(block.name, block.is_rule, tuple(steps), tuple(gaps), block.at_start, block.waits, tuple(places))


def _set_conditions(block: Block, steps: Sequence[Hard], gaps: list[Gap]) -> None:
    """They hold at a rule's first decision: after the customer's message, or after its own form has run."""
    first = steps[0] if steps else None
    own = isinstance(first, Done) and LoopIs(first.action) in block.conditions
    place = 1 if own or isinstance(first, Said) else 0
    for condition in reversed(block.conditions):
        gaps[place] = gaps[place].under(condition)


def _blocks(item: Node, title: str) -> list[Block]:
    fields = item.mapping(f"A {title}")
    if title not in fields:
        item.fail(f"this {title} has no name.", f"Begin it with '- {title}: ...'.")
    for key in fields:
        if key not in (title, "steps", "condition", "conversation_start", "wait_for_user_input", "metadata"):
            known = [title, "steps", "condition", "conversation_start", "wait_for_user_input", "metadata"]
            fields[key].fail(f"a {title} has no key '{key}'.", did_you_mean(key, known))
    name = str(fields[title].value)
    if "steps" not in fields or not fields["steps"].items(f"The steps of '{name}'"):
        item.fail(f"{title} '{name}' has no steps.", "Add 'steps:' with at least an intent and an action.")
    conditions = fields["condition"].items("A condition") if "condition" in fields else []
    whole = Block(
        name=name,
        is_rule=title == "rule",
        place=item,
        steps=(),
        conditions=tuple(soft for node in conditions for soft in _soft(node)),
        at_start=_flag(fields.get("conversation_start"), False),
        waits=_flag(fields.get("wait_for_user_input"), True),
    )
    return _cut(whole, fields["steps"].value)


def _cut(whole: Block, nodes: Sequence[Node]) -> list[Block]:
    """One block for each stretch between checkpoints."""
    found: list[Block] = []
    steps: list[tuple[Node, tuple[tuple[Step, ...], ...]]] = []
    enters = ""
    for node in nodes:
        fields = node.mapping("A step")
        if "checkpoint" in fields:
            name = fields["checkpoint"].text("A checkpoint")
            if steps:
                found.append(replace(whole, steps=tuple(steps), enters=enters, leaves=name))
            enters = name
            slots = tuple(_slots(fields["slot_was_set"])) if "slot_was_set" in fields else ()
            steps = [(node, (slots,))] if slots else []
        else:
            steps.append((node, tuple(_alternatives(node))))
    if steps:
        found.append(replace(whole, steps=tuple(steps), enters=enters))
    return found


def _alternatives(node: Node) -> Iterator[tuple[Step, ...]]:
    fields = node.mapping("A step")
    if "or" in fields:
        for option in fields["or"].items("The alternatives"):
            yield from _alternatives(option)
        return
    yield tuple(_steps(node, fields))


def _steps(node: Node, fields: Mapping[str, Node]) -> Iterator[Step]:
    known = [key for key in fields if key in _STEPS]
    if not known:
        word = next(iter(fields), "")
        node.fail(f"a step has no key '{word}'.", did_you_mean(word, list(_STEPS)))
    if "bot" in fields and "action" not in fields:
        node.fail("a step with the bot's literal text cannot be followed.", "Name the response: 'action: utter_...'.")
    if "intent" in fields:
        entities = tuple(_entity(item) for item in fields["entities"].items("Entities")) if "entities" in fields else ()
        yield Said(fields["intent"].text("An intent").removeprefix("/"), None, entities)
    elif "user" in fields:
        yield Said(None, fields["user"].text("What the user says").strip())
    if "action" in fields and fields["action"].text("An action") != "action_listen":
        yield Done(fields["action"].value)
    yield from _soft(node)


def _soft(node: Node) -> Iterator[Soft]:
    fields = node.mapping("A condition")
    if "active_loop" in fields:
        value = fields["active_loop"].value
        yield LoopIs(None if value is None else fields["active_loop"].text("An active_loop"))
    if "slot_was_set" in fields:
        yield from _slots(fields["slot_was_set"])


def _slots(node: Node) -> Iterator[SlotIs]:
    for item in node.value if isinstance(node.value, list) else [node]:
        if isinstance(item.value, dict):
            for name, value in item.value.items():
                yield SlotIs(name, value.plain())
        else:
            yield SlotIs(item.text("A slot"), given=True)


def _entity(node: Node) -> tuple[str, str | None, str | None]:
    if not isinstance(node.value, dict):
        return node.text("An entity"), None, None
    plain = node.plain()
    role, group = plain.pop("role", None), plain.pop("group", None)
    return next(iter(plain), ""), role, None if group is None else str(group)


def _flag(node: Node | None, default: bool) -> bool:
    return default if node is None else bool(node.value)
