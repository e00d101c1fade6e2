"""The `frontdesk` command; each verb is a few lines that call the part which does the work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from bot.config import Settings
from nlu.registry import ModelError, Registry
from nlu.source import Mendable

cli = typer.Typer(
    help="A self-hosted customer-support bot.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
models_cli = typer.Typer(help="The models in the registry.", no_args_is_help=True)
cli.add_typer(models_cli, name="models")

Data = Annotated[Path | None, typer.Option("--data", help="Rasa NLU YAML (file or folder) or a CSV `text,intent`.")]
Model = Annotated[Path | None, typer.Option("--model", help="A model directory; else the registry's current one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Runs the command; what a person can mend ends in one sentence and exit code 2."""
    try:
        cli()
    except KeyboardInterrupt:
        sys.exit(130)
    except Mendable as problem:
        print(f"frontdesk: {problem}", file=sys.stderr)
        sys.exit(2)


@cli.command()
def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Start the service; trains a model first if there is none for this training data."""
    from bot.start import run as run_service

    asked = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    run_service(Settings.read().model_copy(update=asked))


@cli.command()
def chat(
    url: Annotated[str, typer.Option(help="A running service's address; else the one of the settings.")] = "",
) -> None:
    """Talk to the bot in the terminal; starts the service for the conversation if it is not running."""
    from bot.start import chat as chat_with_service

    chat_with_service(Settings.read(), url)


@cli.command()
def train(
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the model directory here, not to the registry.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed and data give the same model.")] = 0,
    base_model: Annotated[str, typer.Option(help="Hugging Face BERT name or folder.")] = "",
    log_to: Annotated[str, typer.Option(help="`tensorboard`, `wandb` or `none`.")] = "tensorboard",
) -> None:
    """Train a model and write its report."""
    from bot import models

    settings = Settings.read()
    how = models.seeded(models.options(settings), seed, base_model, log_to)
    models.train(data or settings.data, out or Registry(settings.home), how, Console())


@cli.command()
def evaluate(data: Data = None, model: Model = None, as_json: AsJson = False) -> None:
    """Score a model on labelled data it was not trained on."""
    from nlu.training.evaluate import evaluate as score
    from nlu.understand import load_model

    settings = Settings.read()
    loaded = load_model(_directory(settings, model), device=settings.device, threads=settings.threads)
    result = score(loaded, data or settings.data / "test")
    print(orjson.dumps(result.to_json(), option=orjson.OPT_INDENT_2).decode() if as_json else result.to_text())


@cli.command()
def parse(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; else lines or JSONL from standard input.")] = None,
    model: Model = None,
) -> None:
    """Understand texts: lines, or JSONL with `text`, in; Rasa's parse JSON, one a line, out."""
    from nlu.understand import load_model

    settings = Settings.read()
    parser = load_model(_directory(settings, model), device=settings.device, threads=settings.threads)
    for batch in _batches(iter(texts) if texts else (_text_of(line) for line in sys.stdin)):
        for understanding in parser.understand_now(batch):
            sys.stdout.write(orjson.dumps(understanding.to_rasa()).decode() + "\n")
        sys.stdout.flush()


@cli.command()
def actions(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5055,
) -> None:
    """Start the action server (rasa-sdk); point ACTION_ENDPOINT at it."""
    from bot.actions import serve_actions

    serve_actions(Settings.read().actions, host, port)


@cli.command()
def validate(data: Data = None) -> None:
    """Check examples, domain, rules and knowledge base; exit code 2 if something is wrong."""
    from bot.checks import problems_of

    found = problems_of(data or Settings.read().data)
    for problem in found:
        print(problem.sentence)
    fatal = sum(1 for problem in found if problem.fatal)
    print(f"{fatal} errors, {len(found) - fatal} warnings.")
    if fatal:
        raise typer.Exit(2)


@cli.command()
def console() -> None:
    """Print a new one-time sign-in link for the console."""
    from bot.start import console_link

    print(console_link(Settings.read()))


@cli.command()
def version() -> None:
    """Print the versions that matter."""
    print(f"frontdesk {installed_version('frontdesk')}")
    for package in ("torch", "transformers", "sentence-transformers", "aiohttp", "redis", "rasa-sdk", "sqlalchemy"):
        print(f"{package} {installed_version(package)}")


@models_cli.command("list")
def models_list(as_json: AsJson = False) -> None:
    """The registry's models, the newest first."""
    registry = _registry(Settings.read())
    current = registry.current_id()
    rows = registry.list()
    if as_json:
        print(orjson.dumps([manifest.to_json() for manifest in rows], option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("", "model", "made", "base model", "test accuracy")
    for manifest in rows:
        score = manifest.scores.get("test_accuracy")
        mark = "●" if manifest.id == current else ""
        table.add_row(mark, manifest.id, manifest.created, manifest.base_model, f"{score:.1%}" if score else "-")
    Console().print(table)


@models_cli.command("show")
def models_show(model_id: str) -> None:
    """A model's manifest."""
    manifest = _registry(Settings.read()).manifest(model_id)
    print(orjson.dumps(manifest.to_json(), option=orjson.OPT_INDENT_2).decode())


@models_cli.command("promote")
def models_promote(model_id: str) -> None:
    """Make a model the one that `frontdesk run` serves."""
    _registry(Settings.read()).promote(model_id)
    print(f"{model_id} is served from the next start.")


def _directory(settings: Settings, model: Path | None) -> Path:
    found = model or Registry(settings.home).usable()
    if found is None:
        raise ModelError(f"There is no model in {settings.home}; train one with `frontdesk train`.")
    return found


def _registry(settings: Settings) -> Registry:
    return Registry(settings.home)


def _batches(texts: Iterator[str], size: int = 64) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _text_of(line: str) -> str:
    """The text of an input line: JSONL's `text`, else the line itself."""
    line = line.rstrip("\n")
    if line.startswith("{"):
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            return line
        if isinstance(found, dict) and isinstance(found.get("text"), str):
            return str(found["text"])
    return line
