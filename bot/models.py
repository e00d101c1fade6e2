"""A model for the data: found in the registry or trained, with its progress shown to whoever waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console as Screen
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from bot.config import Settings
from bot.console.pages import ModelPage
from nlu.base_model import BUILT_IN
from nlu.data.reader import data_hash, read_training_data
from nlu.registry import Manifest, ModelError, Registry, check_directory, read_manifest
from nlu.training.options import Step, TrainingOptions

_SCORES = (
    ("test_accuracy", "held-out intent accuracy"),
    ("dev_accuracy", "cross-validated intent accuracy"),
    ("test_scope_recall_at_95", "out-of-scope lines recognised"),
    ("test_knowledge_first", "right article first"),
)


def found_or_trained(settings: Settings, screen: Screen) -> Path:
    """The directory of a sound model for the settings' data. Raises ModelError and DataError."""
    registry = Registry(settings.home)
    wanted = data_hash(settings.data)
    try:
        current = registry.current(wanted)
        if current is not None:
            check_directory(current)
            return current
    except ModelError as problem:
        screen.print(f"[yellow]The current model is refused. {problem}[/yellow]")
        if (sound := registry.usable()) is not None:
            screen.print(f"Serving the last good one, {sound.name}; `frontdesk train` makes a new one.")
            return sound
    screen.print("There is no model for this training data yet; training one.")
    train(settings.data, registry, options(settings), screen)
    made = registry.current(wanted)
    assert made is not None
    return made


def options(settings: Settings) -> TrainingOptions:
    return TrainingOptions(base_model=settings.base_model or BUILT_IN, device=settings.device, threads=settings.threads)


def train(data: Path, out: Path | Registry, how: TrainingOptions, screen: Screen) -> Manifest:
    from nlu.training.train import train as train_model

    with _bar(screen) as bar:
        task = bar.add_task("Reading", total=1.0)

        def shown(step: Step) -> None:
            bar.update(task, completed=step.share, description=step.doing)
            if step.done:
                screen.print(f"  {step.done}")

        manifest = train_model(data, out, how, shown)
    place = out.directory(manifest.id) if isinstance(out, Registry) else out
    screen.print(f"Trained [bold]{manifest.id}[/bold]: {', '.join(f'{n} {v}' for n, v in facts(manifest))}")
    screen.print(f"Report: {place / 'report' / 'index.html'}")
    return manifest


@contextmanager
def _bar(screen: Screen) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as bar:
        yield bar


def facts(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """The scores that people ask for first."""
    scores = manifest.scores
    return tuple((words, f"{scores[name]:.1%}") for name, words in _SCORES if scores.get(name) is not None)


def page(directory: Path) -> ModelPage:
    manifest = read_manifest(directory)
    report = directory / "report" / "index.html"
    about = (
        ("Trained", manifest.created),
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


def seeded(how: TrainingOptions, seed: int, base_model: str, log_to: str) -> TrainingOptions:
    return replace(how, seed=seed, base_model=base_model or how.base_model, log_to=log_to)
