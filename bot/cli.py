"""The `frontdesk` command; each verb is a few lines that call the part which does the work."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from bot import failures
from bot.channels.verbs import channels_cli
from bot.config import Settings, address
from bot.learning.review import review_cli
from bot.learning.shelf import registry_of
from bot.learning.verbs import directory_of, models_cli
from bot.letters.verbs import dead_cli, outbox_cli
from bot.printed import counted, print_json
from bot.transcripts.verbs import import_cli
from nlu.source import DataError, Mendable
from nlu.types import Tune

cli = typer.Typer(
    help="A self-hosted customer-support bot.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(models_cli, name="models")
cli.add_typer(review_cli, name="review")
cli.add_typer(channels_cli, name="channels")
cli.add_typer(outbox_cli, name="outbox")
cli.add_typer(dead_cli, name="dead")
cli.add_typer(import_cli, name="import")

Data = Annotated[Path | None, typer.Option("--data", help="Rasa NLU YAML (file or folder) or a CSV `text,intent`.")]
Model = Annotated[
    str | None, typer.Option("--model", help="A model directory, or a name in the registry; else the current one.")
]
Tuned = Annotated[
    Tune | None, typer.Option("--tune", help="What to train: all, adapters, or the head alone, in seconds.")
]
LogTo = Annotated[str, typer.Option(help="`tensorboard`, `wandb`, `mlflow` or `none`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Runs the command. What ends it is one sentence on standard error; 2 is for what a person can mend."""
    signal.signal(signal.SIGTERM, _stop)
    # The model's threads soon wait asleep: awake, they keep each other from working where the cores are shared.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    sys.path.insert(1, str(Path.cwd()))  # as Rasa does: a project's own actions are found
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by whoever started us
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # what Python opens can
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:
        sentence, code = failures.told(problem)
        if _debugging():
            traceback.print_exc()
        print(f"frontdesk: {sentence}", file=sys.stderr)
        sys.exit(code)


def _run() -> None:
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        cli()
        return
    from nlu.training.together import run

    run(cli)


def _stop(number: int, _: Any) -> None:
    """As an exception, so that what was begun is cleaned up."""
    sys.exit(128 + number)


def _debugging() -> bool:
    with suppress(Mendable):
        return Settings.read().log_level == "debug"
    return False


@cli.command()
def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Server processes that share the port.")] = None,
) -> None:
    """Start the service; trains a model first if there is none for this training data."""
    asked = {"host": host, "port": port, "workers": workers}
    settings = Settings.read().model_copy(update={name: value for name, value in asked.items() if value is not None})
    if settings.workers > 1:
        from bot.several import run as run_service
    else:
        from bot.start import run as run_service
    run_service(settings)


@cli.command()
def chat(
    url: Annotated[str, typer.Option(help="A running service's address; else the one of the settings.")] = "",
) -> None:
    """Talk to the bot in the terminal; starts the service for the conversation if it is not running."""
    from bot.terminal import chat as chat_with_service

    chat_with_service(Settings.read(), url)


@cli.command()
def train(
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the model directory here, not to the registry.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and data give the same model.")] = 0,
    base_model: Annotated[str, typer.Option(help="Hugging Face BERT name or folder.")] = "",
    log_to: LogTo = "tensorboard",
    *,
    tune: Tuned = None,
    sitemap: Annotated[str, typer.Option(help="Fetch the pages of this sitemap into the knowledge base first.")] = "",
) -> None:
    """Train a model and write its report."""
    from rich.console import Console

    from bot import models

    settings = Settings.read()
    if sitemap:
        _fetch(sitemap, data or settings.data)
    registry = registry_of(settings)
    how = models.options(settings)
    base_model = base_model or how.base_model
    how = replace(how, seed=seed, base_model=base_model, log_to=log_to, tune=tune or how.tune)
    screen = Console(stderr=True, soft_wrap=True)
    models.check_trainable(data or settings.data, out or registry, how)
    with nullcontext() if out else registry.training():
        made = models.train(data or settings.data, out or registry, how, screen, last=registry.untainted())
    if out and registry.keys.own():
        registry.sign(out)
    print(models.summary(made, out or registry.directory(made.id)))


def _fetch(sitemap: str, data: Path) -> None:
    from nlu.data.sources.mirror import mirror

    made = mirror(sitemap, data)
    print(f"{made.pages} pages are in {made.folder}.", file=sys.stderr)
    for page in made.left_out:
        print(f"Left out: {page}", file=sys.stderr)


@cli.command()
def retrain(
    data: Data = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and data give the same model.")] = 0,
    turns: Annotated[int, typer.Option(min=0, help="Ask both models so many of the customers' last messages.")] = 1000,
    *,
    tune: Tuned = None,
    log_to: LogTo = "tensorboard",
    by_hand: Annotated[bool, typer.Option("--by-hand", help="Promote nothing; a person does.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even if the data have not changed.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="For a training that is under way, instead of ending.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a model, compare it with the current one, and promote it if it is worse in nothing; exit code 1 if held."""
    from rich.console import Console

    from bot import models
    from bot.learning import retraining

    settings = Settings.read()
    how = tune or settings.tune
    wish = retraining.Wish(data or settings.data, seed, turns, how, by_hand=by_hand, force=force, log_to=log_to)
    screen = Console(stderr=True, soft_wrap=True)
    with registry_of(settings).training(models.waiting(screen) if wait else None):
        done = retraining.retrain(settings, wish, screen)
        if as_json:
            print_json(done.to_json())
        else:
            print(done.to_text(), flush=True)
    if done.held:
        raise typer.Exit(1)


@cli.command()
def evaluate(
    data: Data = None,
    model: Model = None,
    as_json: AsJson = False,
    *,
    budget: Annotated[bool, typer.Option("--budget", help="Show what error budgets cost.")] = False,
    noise: Annotated[bool, typer.Option("--noise", help="Score the texts with typing errors, too.")] = False,
    against: Annotated[str, typer.Option(help="Compare with this model: a directory, or a name in the registry.")] = "",
    cross_validate: Annotated[
        int | None,
        typer.Option(min=2, max=20, help="Train so often, each time without a part, and score the parts."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of cross-validation.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Write HTML, JSON and pictures into this folder.")] = None,
) -> None:
    """Score a model on labelled data it was not trained on."""
    from rich.console import Console

    from bot import evaluating

    settings = Settings.read()
    if cross_validate and (model or against or noise or budget):
        raise typer.BadParameter("it trains models of its own: no --model, --against, --noise or --budget beside it.")
    other = directory_of(settings, against) if against else None
    if cross_validate:
        screen = Console(stderr=True, soft_wrap=True)
        found = evaluating.cross_validated(settings, data or settings.data, cross_validate, seed, screen)
    else:
        texts = evaluating.held_out(settings, data)
        found = evaluating.scored(settings, directory_of(settings, model), texts, other, noise=noise)
    if report is not None:
        found.write(report, settings, other)
        print(f"Report: {report / 'index.html'}", file=sys.stderr)
    if as_json:
        print_json(found.to_json())
    else:
        print("\n".join(found.lines(settings, budget=budget)))


@cli.command()
def parse(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; else lines or JSONL from standard input.")] = None,
    model: Model = None,
    *,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show which words decided, and the nearest training examples.")
    ] = False,
    data: Annotated[Path | None, typer.Option("--data", help="With --explain: the data with the examples.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --explain: JSON, as without.")] = False,
) -> None:
    """Understand texts: lines, or JSONL with `text`, in; Rasa's parse JSON, one a line, out."""
    from bot.models import for_texts

    settings = Settings.read()
    parser = for_texts(directory_of(settings, model), settings)
    typed = sys.stdin is not None and sys.stdin.isatty()
    given = (text.encode("utf-8", "replace").decode() for text in texts) if texts else _texts_of(sys.stdin)
    batches = (parser.understand_now(batch) for batch in _batches(given, size=1 if typed else 64))
    if explain:
        from bot.explaining import explained

        lines = explained(parser, settings, data or settings.data, batches, as_json=as_json)
    else:
        lines = (orjson.dumps(found.to_rasa()).decode() for batch in batches for found in batch)
    for line in lines:
        typer.echo(line)


@cli.command()
def actions(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5055,
) -> None:
    """Start the action server (rasa-sdk); point ACTION_ENDPOINT at it."""
    from bot import logs
    from bot.actions import serve_actions

    settings = Settings.read()
    logs.set_up(settings.log_level, settings.log_format)
    serve_actions(settings.actions, host, port)


@cli.command()
def validate(data: Data = None) -> None:
    """Check examples, domain, rules and knowledge base; exit code 2 if something is wrong."""
    from bot.checks import problems_of

    found = problems_of(data or Settings.read().data)
    for problem in found:
        print(problem.sentence)
    fatal = sum(1 for problem in found if problem.fatal)
    print(f"{counted(fatal, 'error', 'errors')}, {counted(len(found) - fatal, 'warning', 'warnings')}.")
    if fatal:
        raise typer.Exit(2)


@cli.command()
def collect(as_json: AsJson = False) -> None:
    """Keep what customers said in the conversation log for learning, redacted; goes on where it ended."""
    from bot.transcripts import collect as collecting

    collecting.show(as_json)


@cli.command()
def erase(
    customer: Annotated[
        str, typer.Option("--customer", help="A conversation's id, or the id or address of a signed-in customer.")
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a customer and all that they said; exit code 1 if nobody is known by that name."""
    from bot.erasing import erase as erasing

    erasing.show(customer, yes=yes, dry_run=dry_run, as_json=as_json)


@cli.command()
def retention(as_json: AsJson = False) -> None:
    """Show for how long data are kept, and what is too old; a running service removes that by itself."""
    from bot.erasing import retention as retaining

    retaining.show(as_json=as_json)


@cli.command()
def console() -> None:
    """Print a new one-time sign-in link for the console."""
    from bot.console.sign_in import one_time_link
    from bot.tokens import Signer, load_key

    settings = Settings.read()
    print(one_time_link(address(settings.host, settings.port), Signer(load_key(settings.home, settings.secret))))


@cli.command()
def version() -> None:
    """Print the versions that matter."""
    print(f"frontdesk {installed_version('frontdesk')}")
    for package in ("torch", "transformers", "sentence-transformers", "aiohttp", "redis", "rasa-sdk", "sqlalchemy"):
        print(f"{package} {installed_version(package)}")


def _batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _texts_of(stream: Any) -> Iterator[str]:
    """The texts in lines of standard input: JSONL's `text`, else the line itself. Raises DataError."""
    for number, raw in enumerate(stream.buffer if stream is not None else (), 1):
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace").rstrip("\r\n")
        yield _text_of_object(line, number) if line.startswith("{") else line


def _text_of_object(line: str, number: int) -> str:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        raise DataError("standard input", number, "the line is no JSON with a text.", 'Write {"text": "..."}.')
    return str(found["text"])


if __name__ == "__main__":
    main()
