"""How retraining stands, for whoever looks at the console: what comes next, how the last ended, which model waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.config import Settings
from bot.learning.portrait import reasons_of
from bot.learning.schedule import HELD, STOPPED, Run
from bot.learning.shelf import STANDING, mark, registry_of
from nlu.manifest import REPORT, ModelError
from nlu.registry import Registry
from nlu.signing import KeyProblem

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Newest:
    """A model that waits for a person: newer than the current one, and held or not judged."""

    id: str
    facts: Facts
    has_page: bool
    """It shows what the model changes."""


@dataclass(frozen=True, slots=True)
class Standing:
    facts: Facts
    change: bool
    """Whether a page shows what the model that serves changed."""
    newest: Newest | None

    @classmethod
    def now(cls, settings: Settings, serving: str) -> Standing:
        """`serving`: the id of the model that this service understands with."""
        registry = registry_of(settings)
        return cls(tuple(_facts(settings, registry, serving)), registry.page(serving).is_file(), _newest(registry))


def page_of(settings: Settings, model: str) -> Path | None:
    """What it changes, if a page shows that."""
    registry = registry_of(settings)
    try:
        registry.directory(model)
    except ModelError:
        return None
    page = registry.page(model)
    return page if page.is_file() else None


def report_of(settings: Settings, model: str) -> Path | None:
    try:
        report = registry_of(settings).directory(model) / REPORT / "index.html"
    except ModelError:
        return None
    return report if report.is_file() else None


def _facts(settings: Settings, registry: Registry, serving: str) -> Iterator[tuple[str, str]]:
    who = "a person promotes" if settings.retrain_by_hand else "it promotes what the gate passes"
    yield "By itself", f"at {settings.retrain_at}; {who}" if settings.retrain_at else "never (FRONTDESK_RETRAIN_AT)"
    if (last := Run.last(settings.home)) is not None:
        yield "Last time", f"{last.at:%Y-%m-%d %H:%M}. {_ended(last)}"
    current = registry.current_id()
    if serving and current not in (None, serving):
        yield "Not taken up", f"{current} is current. {_why(registry, str(current))}"


def _ended(run: Run) -> str:
    if run.code is None:
        return run.told if run.told == STOPPED else f"It runs. {run.told}"
    return run.told if run.code in (0, HELD) else f"It failed (exit code {run.code}). {run.told}"


def _why(registry: Registry, current: str) -> str:
    try:
        registry.check(current)
    except (ModelError, KeyProblem) as problem:
        return str(problem)
    return "It is being loaded; if that takes long, the service's log says why."


def _newest(registry: Registry) -> Newest | None:
    manifest = next(iter(registry.list()), None)
    if manifest is None or mark(registry, manifest.id) not in "-?":
        return None
    found = reasons_of(registry.decision(manifest.id))
    reasons = tuple(("" if place else "The gate", reason) for place, reason in enumerate(found))
    facts = (("Standing", STANDING[mark(registry, manifest.id)]), *reasons)
    return Newest(manifest.id, facts, registry.page(manifest.id).is_file())
