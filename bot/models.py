"""A model for the data: found in the registry or trained, with its progress shown to whoever waits."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console as Screen
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from bot.config import Settings
from bot.console.model_page import ModelPage
from bot.learning.shelf import registry_of
from nlu.data.reader import check_enough, data_hash, read_training_data
from nlu.engine.device import cores
from nlu.learning.learned import NOTHING, Learned, joined
from nlu.manifest import Manifest, ModelError, read_manifest
from nlu.registry import Registry
from nlu.signing import ANYBODY, Trust
from nlu.source import Mendable
from nlu.training.adapters import check_adapters
from nlu.training.options import Step, TrainingOptions
from nlu.types import Tune

if TYPE_CHECKING:
    from nlu.evaluation.measure import Said
    from nlu.understand import Model  # torch takes seconds to import: the doors are open before

ROOM = 200 * 1024 * 1024
"""Bytes that a model of the built-in base, its report, its logs and a checkpoint take."""
NONE_YET = "There is no model for this training data yet"
QUIET_SECONDS = 10.0
"""Where nobody sees a bar, a line says after so long that training goes on."""
_SCORES = (
    ("test_accuracy", "held-out intent accuracy"),
    ("dev_accuracy", "cross-validated intent accuracy"),
    ("test_scope_recall_at_95", "out-of-scope lines recognised"),
    ("test_knowledge_first", "right article first"),
)


class NoRoom(Mendable):
    """The disk is too full to begin; the sentence says what to do."""


def ready(settings: Settings, screen: Screen) -> tuple[Path, Model]:
    """A sound model for the settings' data and where it lies: the current one, else the last good one, else a new one.

    Raises DataError, and ModelError if even the new one cannot be loaded.
    """
    name = chosen(settings)
    if (found := _served(name, settings, screen)) is not None:
        return found
    learned = _learned(settings) if settings.home.exists() else NOTHING
    check_trainable(settings.data, registry_of(settings), options(settings), learned)
    with registry_of(settings).training(waiting(screen)):
        again = chosen(settings)  # another process may just have made one
        found = _served(again, settings, screen) if again != name else None
        return found or _trained("There is no good one left" if again else NONE_YET, settings, screen)


def waiting(screen: Screen) -> Callable[[str], None]:
    return lambda holder: screen.print(f"A model is being trained by {holder}; waiting for it.", highlight=False)


def _served(name: str | None, settings: Settings, screen: Screen) -> tuple[Path, Model] | None:
    """The model of that name, which is current then, else the last good one."""
    registry = registry_of(settings)
    found = _first_sound(registry, name, settings, screen) if name is not None else None
    if name is not None and found is not None and found[0].name == name != registry.current_id():
        registry.promote(name)
    return found


def _trained(why: str, settings: Settings, screen: Screen) -> tuple[Path, Model]:
    registry = registry_of(settings)
    made = train(
        settings.data, registry, options(settings), screen, f"{why}; training one.", learned=_learned(settings)
    )
    screen.print(summary(made, registry.directory(made.id)), markup=False, highlight=False)
    return registry.directory(made.id), loaded(registry.directory(made.id), settings, screen)


def _learned(settings: Settings) -> Learned:
    """What people taught in conversations is not forgotten where a model is trained anew."""
    from bot.learning.labels import to_learn

    return to_learn(settings, read_training_data(settings.data)).learned


def sound(name: str, settings: Settings, screen: Screen) -> tuple[Path, Model]:
    """The model of that name, else the last good one. Raises ModelError if there is none."""
    registry = registry_of(settings)
    found = _first_sound(registry, name, settings, screen)
    if found is None:
        raise ModelError(f"No model in {registry.folder} can be served; make one with `frontdesk train`.")
    return found


def chosen(settings: Settings) -> str | None:
    """The model to serve; None if none was trained on the data. Raises DataError."""
    registry = registry_of(settings)
    wanted = data_hash(settings.data)
    current = registry.current_id()
    known = {manifest.id: manifest for manifest in registry.list()}
    fitting = [manifest for manifest in known.values() if manifest.data_hash == wanted]
    if current is None or (current not in known and not (registry.folder / current).is_dir()):
        return next((manifest.id for manifest in fitting if registry.passed(manifest.id)), None)
    if current not in known or known[current].data_hash == wanted:
        return current
    if not fitting:
        return None
    newest = fitting[0]
    # Training promotes the newest. If an older one is current, a person put it there; if not, the data went back.
    return newest.id if registry.passed(newest.id) and newest.created <= known[current].created else current


def _first_sound(registry: Registry, wanted: str, settings: Settings, screen: Screen) -> tuple[Path, Model] | None:
    others = [manifest.id for manifest in registry.list() if registry.passed(manifest.id)]
    for name in dict.fromkeys([wanted, *others]):
        try:
            model = loaded(registry.under_its_name(name), settings, screen)
        except ModelError as problem:
            screen.print(f"[yellow]A model is refused.[/yellow] {escape(str(problem))}", highlight=False)
            continue
        if name != wanted:
            screen.print(f"Serving the last good one, {name}; `frontdesk train` makes a new one.", highlight=False)
        return registry.directory(name), model
    return None


def loaded(directory: Path, settings: Settings, screen: Screen) -> Model:
    """As `for_serving`, and shown."""
    with screen.status("Loading the model"):
        return for_serving(directory, settings)


def for_serving(directory: Path, settings: Settings) -> Model:
    """The model, warm, with cores left to the service. Raises ModelError, also for one of nobody who is trusted."""
    less = settings.model_copy(update={"threads": settings.threads or serving_threads()})
    return for_texts(directory, less, registry_of(settings).trust)


def for_texts(directory: Path, settings: Settings, trust: Trust = ANYBODY) -> Model:
    """The model, warm. Raises ModelError."""
    from nlu.load import load_model

    return load_model(
        directory, device=settings.device, threads=settings.threads, budget=settings.error_budget, trust=trust
    )


def serving_threads() -> int:
    """Short texts gain little from many threads, and the service beside the model needs some of the cores too."""
    return max(1, cores() // 2)


def options(settings: Settings) -> TrainingOptions:
    return TrainingOptions(
        base_model=settings.base_model,
        device=settings.device,
        threads=settings.threads,
        budget=settings.error_budget,
        tune=settings.tune,
    )


def train(
    data: Path,
    out: Path | Registry,
    how: TrainingOptions,
    screen: Screen,
    why: str = "",
    *,
    learned: Learned = NOTHING,
    last: Path | None = None,
    promote: bool = True,
    scored: Callable[[Said], None] = lambda _: None,
) -> Manifest:
    """Raises DataError for what cannot be trained on, NoAdapters and NoRoom; nothing is written then. `why` is said
    otherwise; `scored` is told of the held-out texts."""
    check_trainable(data, out, how, learned)
    if why:
        screen.print(why)
    from nlu.training.train import train as train_model

    with progress(screen) as show:
        return train_model(data, out, how, show, learned=learned, last=last, promote=promote, scored=scored)


def check_trainable(data: Path, out: Path | Registry, how: TrainingOptions, learned: Learned = NOTHING) -> None:
    """What is wrong is told before anything is written, and without a bar. Raises DataError, NoAdapters and NoRoom."""
    check_enough(joined(read_training_data(data), learned), data)
    if how.tune is Tune.ADAPTERS:
        check_adapters()
    _check_room(out.folder if isinstance(out, Registry) else out)


def summary(manifest: Manifest, place: Path) -> str:
    scores = ", ".join(f"{name} {value}" for name, value in facts(manifest))
    return f"Trained {manifest.id}: {scores}\nReport: {place / 'report' / 'index.html'}"


def _check_room(folder: Path) -> None:
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    if free < ROOM:
        raise NoRoom(
            f"{folder}: only {free // 2**20} MB are free on this disk, and a model takes {ROOM // 2**20} MB. "
            "Make room, or choose a folder on another disk (FRONTDESK_HOME)."
        )


Show = Callable[[Step], None]


def progress(screen: Screen) -> AbstractContextManager[Show]:
    return _bar(screen) if screen.is_terminal else _lines(screen)


@contextmanager
def _bar(screen: Screen) -> Iterator[Show]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(SpinnerColumn(), *columns, TextColumn("left"), console=screen) as bar:
        task = bar.add_task("Reading", total=1.0)

        def show(step: Step) -> None:
            bar.update(task, completed=step.share, description=step.doing)
            if step.done:
                screen.print(f"  {step.done}", markup=False, highlight=False)

        yield show


@contextmanager
def _lines(screen: Screen, clock: Callable[[], float] = time.monotonic) -> Iterator[Show]:
    """The same for a pipe or a log: a line for each part and epoch, and one when it takes long."""
    began = told = clock()
    doing = ""

    def show(step: Step) -> None:
        nonlocal told, doing
        now = clock()
        if not step.done and step.doing == doing and now - told < QUIET_SECONDS:
            return
        told, doing = now, step.doing
        line = f"{step.share:4.0%}{_left(now - began, step.share)}  {step.done or step.doing}"
        screen.print(line, markup=False, highlight=False)

    yield show


def _left(elapsed: float, share: float) -> str:
    if share < 0.02 or share > 0.995:
        return ""
    left = round(elapsed / share * (1 - share))
    return f"  {left // 60}:{left % 60:02} left"


def facts(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """The scores that people ask for first."""
    scores = manifest.scores
    return tuple((words, f"{scores[name]:.1%}") for name, words in _SCORES if scores.get(name) is not None)


def page(directory: Path) -> ModelPage:
    manifest = read_manifest(directory)
    report = directory / "report" / "index.html"
    about = (
        ("Trained", manifest.made),
        ("Base model", manifest.base_model),
        ("Intents", str(len(manifest.intents))),
    )
    return ModelPage(manifest.id, (*about, *facts(manifest)), report if report.is_file() else None)


def articles(settings: Settings) -> dict[str, tuple[str, str]]:
    """The knowledge base by URL path: title and Markdown."""
    found = {}
    for article in read_training_data(settings.data).articles:
        body = "\n\n".join(f"## {s.heading}\n\n{s.text}" if s.heading else s.text for s in article.sections)
        if article.url.startswith("/"):
            found[article.url] = (article.title, body)
    return found
