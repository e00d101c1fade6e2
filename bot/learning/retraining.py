"""`frontdesk retrain`: train, compare with the current model, and promote or hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console as Screen

from bot import models
from bot.config import Settings
from bot.desk import DeskError, with_journal
from bot.journal.journal import Journal
from bot.journal.values import Utterance
from bot.learning.change import beside_decision
from bot.learning.guessing import NEWEST, with_guesses
from bot.learning.labels import Found, orders_in, to_learn
from bot.learning.ruleless import ruleless, warning
from bot.learning.shelf import registry_of
from nlu.base_model import BUILT_IN
from nlu.data.examples import TrainingData
from nlu.data.reader import CANARIES, HELD_OUT, read_training_data
from nlu.evaluation.gate import NO_TEXTS, Decision, Evidence, gate
from nlu.evaluation.measure import Said, Texts, read_texts
from nlu.learning.learned import NOTHING, Learned
from nlu.learning.triggers import Taught
from nlu.manifest import Manifest, read_manifest
from nlu.registry import Registry
from nlu.source import DataError
from nlu.training.options import TrainingOptions
from nlu.types import Tune, family

UNQUOTED = " A customer was erased meanwhile, or shortly before: no customer is quoted, and there is no page."


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for."""

    data: Path
    seed: int
    turns: int
    tune: Tune
    by_hand: bool
    force: bool
    log_to: str = "tensorboard"


@dataclass(frozen=True, slots=True)
class Began:
    """When the retraining did, and which model was current then."""

    at: datetime
    current: str | None


@dataclass(frozen=True, slots=True)
class Retrained:
    """`made` is None where there was nothing to learn, `decision` where there was nothing to compare with."""

    made: Manifest | None
    decision: Decision | None
    outcome: str
    page: Path | None = None
    """Shows what the new model changes."""

    @property
    def held(self) -> bool:
        return self.decision is not None and self.decision.held

    def to_json(self) -> dict[str, Any]:
        decision = self.decision.to_json() if self.decision else None
        page = {"page": str(self.page)} if self.page else {}
        return {"model": self.made.id if self.made else None, "decision": decision, "outcome": self.outcome, **page}

    def to_text(self) -> str:
        seen = f"What it changes: {self.page}\n" if self.page else ""
        return f"{self.decision.to_text()}\n\n{seen}{self.outcome}" if self.decision else self.outcome


def retrain(settings: Settings, wish: Wish, screen: Screen) -> Retrained:
    """Raises DataError, ModelError and NoRoom; the current model stays then."""
    registry = registry_of(settings)
    began = Began(datetime.now(UTC), registry.current_id())
    current = registry.usable()
    data = read_training_data(wish.data)
    if current is not None:
        _asked(wish.data)  # what is wrong with them is told first
    found = to_learn(settings, data)
    screen.print(found.to_text(), markup=False, highlight=False)
    if lacking := ruleless(wish.data, {example.intent for example in found.learned.examples}):
        screen.print(warning(lacking), markup=False, highlight=False)
    stained = current is not None and current.name in registry.stained()
    if stained:
        screen.print("The current model learnt from what was erased since: it gets a successor.")
    force = wish.force or stained
    if current is not None and not force and _knows(registry.manifest(current.name), data, found):
        return Retrained(None, None, f"{current.name} was trained on these data: there is nothing to learn.")
    registry.tidy()
    how = replace(models.options(settings), seed=wish.seed, tune=wish.tune, log_to=wish.log_to)
    scored: list[Said] = []
    made = None if wish.force else _unjudged(registry, data, found, how)
    if made is not None:
        screen.print("The last retraining ended before the gate: it goes on there.")
    else:
        last = registry.untainted()
        made = models.train(
            wish.data,
            registry,
            how,
            screen,
            learned=found.learned,
            last=last,
            promote=current is None,
            scored=scored.append,
        )
    screen.print(models.summary(made, registry.directory(made.id)), markup=False, highlight=False)
    if current is None:
        return Retrained(made, None, f"{made.id} is the first model, and current.")
    if settings.learn_from_guesses:
        made = better_with_guesses(settings, made, found, (wish, how), screen)
    pair, examples = (current, registry.directory(made.id)), (*data.examples, *found.learned.examples)
    said = next((one for one in scored if one.model.id == made.id), None)
    decision = decided(settings, pair, wish.data, wish.turns, screen, learned=found.learned, said=said)
    outcome = _settled(registry, made.id, decision, began, by_hand=wish.by_hand)
    with registry.quoting(began.at) as may_quote:
        page = beside_decision(registry, pair, examples, decision, screen) if may_quote else None
    return Retrained(
        made, decision if may_quote else decision.unquoted(), outcome if may_quote else outcome + UNQUOTED, page
    )


def better_with_guesses(
    settings: Settings, made: Manifest, found: Found, asked: tuple[Wish, TrainingOptions], screen: Screen
) -> Manifest:
    """A second model, which learnt from the first one's confident guesses too, if the gate finds it the better one."""
    registry, orders = registry_of(settings), orders_in(read_training_data(asked[0].data), settings)
    first = registry.directory(made.id)
    more = with_guesses(found.learned, _unlabelled(screen), models.for_texts(first, settings), orders)
    if not more.guesses:
        screen.print("The model is sure of too few messages to learn from its guesses.")
        return made
    (wish, how), why = asked, f"Learning from {len(more.guesses)} guesses, too."
    second = models.train(wish.data, registry, how, screen, why, learned=more, last=first, promote=False)
    decision = decided(settings, (first, registry.directory(second.id)), wish.data, wish.turns, screen)
    if not decision.held and decision.comparison and decision.comparison.after > decision.comparison.before:
        screen.print("The gate finds that the guesses help.")
        return second
    registry.decide(second.id, {**decision.unquoted().to_json(), "held": True})
    screen.print("The gate does not find that the guesses help: they are left out.")
    return made


def _unlabelled(screen: Screen) -> Sequence[Utterance]:
    try:
        return with_journal(lambda journal: journal.unreviewed(NEWEST), "No model was promoted.")
    except DeskError as missing:
        screen.print(f"Nothing is guessed. {missing}", markup=False, highlight=False)
        return ()


def _unjudged(registry: Registry, data: TrainingData, found: Found, how: TrainingOptions) -> Manifest | None:
    """The newest model, if it is of these data and nobody decided on it: what made it was stopped before."""
    newest = next(iter(registry.list()), None)
    if newest is None or not _knows(newest, data, found):
        return None
    wanted = how.seed, how.base_model or BUILT_IN, how.tune
    if (newest.seed, newest.base_model, newest.options.get("tune", Tune.ALL)) != wanted:
        return None
    decided_on = newest.id in registry.promoted() or registry.decision(newest.id)
    open_yet = not decided_on and newest.id not in registry.stained()
    return newest if open_yet and registry.is_sound(newest.id) else None


def _knows(model: Manifest, data: TrainingData, found: Found) -> bool:
    return (model.data_hash, model.learned) == (data.hash, found.learned.hash)


def _settled(registry: Registry, model: str, decision: Decision, began: Began, *, by_hand: bool) -> str:
    now = registry.current_id()
    overtaken = now not in (began.current, model)
    with registry.quoting(began.at) as may_quote:
        said = decision if may_quote else decision.unquoted()
        registry.decide(model, {**said.to_json(), "held": decision.held or by_hand or overtaken})
    promote = f"promote it with `frontdesk models promote {model}`"
    if decision.held:
        return f"{model} is held; {decision.before} stays. Where you know better, {promote}."
    if overtaken:
        return (
            f"{model} is held: {now} was made current meanwhile, and nobody compared it with that. "
            f"Do so with `frontdesk models gate {model}`, or {promote}."
        )
    if by_hand:
        return f"Nothing speaks against {model}; {promote}."
    registry.promote(model)
    return f"{model} is current; a running service takes it up. `frontdesk models rollback` goes back."


def decided(
    settings: Settings,
    pair: tuple[Path, Path],
    data: Path,
    turns: int,
    screen: Screen,
    *,
    learned: Learned = NOTHING,
    said: Said | None = None,
) -> Decision:
    """What the gate says of two models' directories, the old one's first; what the new one `learned` beside the data is
    searched for planted words, and what it `said` already is not asked again. Raises DataError and ModelError."""
    taught = Taught(read_training_data(data).examples, learned.examples) if learned.examples else Taught()
    evidence = Evidence(*_asked(data), _last_turns(turns, screen), taught, said.answers if said else {})
    with screen.status("Asking both models"):
        before = models.for_texts(pair[0], settings)
        after = said.model if said else models.for_texts(pair[1], settings)
        lacking = ruleless(data, {family(name) for one in pair for name in read_manifest(one).intents})
        return gate(before, after, replace(evidence, unanswered=lacking))


def _asked(data: Path) -> tuple[Texts, Texts]:
    """The held-out texts and the canaries. Raises DataError."""
    return _texts(data / HELD_OUT), _texts(data / CANARIES)


def _texts(folder: Path) -> Texts:
    try:
        return read_texts(folder) if folder.is_dir() else NO_TEXTS
    except DataError:
        if any(folder.iterdir()):
            raise
        return NO_TEXTS


def _last_turns(count: int, screen: Screen) -> list[str]:
    """What customers wrote last, redacted, and not as an answer to a form's question."""

    async def read(journal: Journal) -> list[str]:
        return [one.text for one in await journal.newest_utterances(count) if not one.asked]

    try:
        return with_journal(read, "No model was promoted.") if count else []
    except DeskError as missing:
        screen.print(f"No turns are replayed. {missing}", markup=False, highlight=False)
        return []
