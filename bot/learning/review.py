"""The verbs of `frontdesk review`."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bot.config import Settings
from bot.journal.values import Kind
from bot.learning.verbs import AsJson, directory_of
from nlu.source import DataError

if TYPE_CHECKING:
    from rich.console import Console as Screen

    from bot.journal.journal import Journal
    from bot.learning.opinions import Opinions
    from bot.learning.queue import Item, Queue
    from nlu.understand import Model

review_cli = typer.Typer(help="Label what customers said, the most instructive first.", invoke_without_command=True)

T = TypeVar("T")

Ids = Annotated[list[int], typer.Argument(metavar="ID...", help="Utterances, as `review list` shows them.")]
By = Annotated[str, typer.Option("--by", help="Who decides; else the one who is signed in here.")]
_UNSURE = "Every decision before that is kept."


@review_cli.callback()
def review(context: typer.Context, by: By = "") -> None:
    """Label what customers said, a key an answer, the most instructive first. `frontdesk retrain` learns from it."""
    if context.invoked_subcommand is None:
        _play(Settings.read(), by or _me())


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "reviewer"


def _play(settings: Settings, reviewer: str) -> None:
    import click
    from rich.console import Console

    from bot.learning.live import articles_of, named_of
    from bot.learning.opinions import opinions
    from bot.learning.terminal import Round
    from bot.printed import counted

    screen = Console(soft_wrap=True)
    if not screen.is_terminal:
        raise typer.BadParameter("this needs a terminal. `frontdesk review list` and `decide` do the same in scripts.")

    async def play(journal: Journal, model: Model, queue: Queue) -> Round:
        given = await journal.reviewed()
        names = sorted({*model.manifest.intents, *named_of(given, Kind.INTENT)})
        articles = sorted({*articles_of(model), *named_of(given, Kind.ARTICLE)})
        found = opinions(await journal.opinions(), settings.second_opinion)
        _tell(found, reviewer, screen)
        at = Round(
            journal,
            queue.of(reviewer),
            names,
            articles,
            reviewer,
            screen,
            click.getchar,
            _line,
            settings.second_opinion,
        )
        await at.play()
        return at

    done = _with_queue(settings, play)
    if done.decided:
        labelled = counted(done.labelled, "utterance", "utterances")
        once = ", where a second opinion is asked for once two agree" if settings.second_opinion else ""
        screen.print(f"{labelled} labelled. `frontdesk retrain` learns from them{once}.", highlight=False)


def _tell(found: Sequence[Opinions], reviewer: str, screen: Screen) -> None:
    """How far people agree, and on what the reviewer and others do not."""
    from rich.markup import escape

    from bot.learning.opinions import Agreement, disputes_of

    if agreement := Agreement.of(found).to_text():
        screen.print(escape(agreement), highlight=False)
    for line in _disputes(disputes_of(found, reviewer)):
        screen.print(f"  [yellow]{escape(line)}[/yellow]", highlight=False)


def _disputes(found: Sequence[Opinions]) -> list[str]:
    """A line each: what the utterance's id is, and who says what."""
    from bot.learning.opinions import named

    return [
        f"{one.utterance.id} {one.utterance.text}: "
        + ", ".join(f"{word.reviewer} says {named(word)}" for word in one.standing)
        for one in found
    ]


def _line(prompt: str) -> str:
    try:
        return input(prompt)
    except (EOFError, KeyboardInterrupt):
        return ""


def _with_queue(settings: Settings, work: Callable[[Journal, Model, Queue], Awaitable[T]]) -> T:
    """The queue of what was said until now, as the current model sees it. Raises ModelError and DeskError."""
    from rich.console import Console

    from bot import models
    from bot.desk import with_journal
    from bot.learning.queue import open_queue
    from bot.printed import bars
    from bot.transcripts.collect import Collection
    from bot.transcripts.keeper import Keeper

    screen = Console(stderr=True)
    with screen.status("Loading the model"):
        model = models.for_texts(directory_of(settings, None), settings)

    async def run(journal: Journal) -> T:
        with screen.status("Collecting what customers said"):
            await Collection(journal, Keeper.of(settings)).collect()
        with bars(screen) as begin:
            queue = await open_queue(journal, model, settings, lambda what: begin(f"Reading {what}"))
        return await work(journal, model, queue)

    return with_journal(run, _UNSURE)


@review_cli.command("list")
def review_list(
    limit: Annotated[int, typer.Option(min=1, help="So many questions.")] = 20,
    by: Annotated[str, typer.Option("--by", help="Who is asked; else the one who is signed in here.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """What waits for a decision, the most instructive first."""
    from bot.printed import counted, print_json, print_table, short

    async def look(journal: Journal, model: Model, queue: Queue) -> tuple[Queue, dict[str, int]]:
        return queue.of(by or _me()), await journal.review_counts()

    queue, counts = _with_queue(Settings.read(), look)
    items = queue.items[:limit]
    if as_json:
        print_json({"items": [item.to_json() for item in items], "counts": counts, "advice": queue.advice()})
        return
    if items:
        rows = [
            (
                str(item.utterances[0].id),
                str(len(item.utterances)),
                short(item.texts[0]),
                _likeliest(item),
                ", ".join([*item.reasons, *([str(item.proposal)] if item.proposal else [])]),
            )
            for item in items
        ]
        print_table(("id", "messages", "text", "likely", "because"), rows)
    if more := len(queue.items) - len(items):
        typer.echo(f"{counted(more, 'question', 'questions')} more: --limit {len(queue.items)}.")
    typer.echo(queue.advice())


def _likeliest(item: Item) -> str:
    guess = item.guesses[0]
    return f"{guess.name} {guess.confidence:.0%}"


@review_cli.command("decide")
def review_decide(
    ids: Ids,
    intent: Annotated[str, typer.Option(help="They mean this intent; a new name makes a new one.")] = "",
    article: Annotated[str, typer.Option(help="This article answers them.")] = "",
    new_article: Annotated[str, typer.Option(help="An article that has to be written would answer them.")] = "",
    by: By = "",
    *,
    out_of_scope: Annotated[bool, typer.Option("--out-of-scope", help="The assistant cannot serve them.")] = False,
    ignore: Annotated[bool, typer.Option("--ignore", help="There is nothing to learn from them.")] = False,
) -> None:
    """Label utterances together, from a script."""
    from bot.desk import with_journal
    from bot.learning.articles import article_named, check_article
    from bot.learning.deciding import reviews
    from bot.printed import counted

    chosen = [
        (kind, label)
        for kind, label, given in (
            (Kind.INTENT, intent, bool(intent)),
            (Kind.ARTICLE, article, bool(article)),
            (Kind.ARTICLE, new_article and article_named(new_article), bool(new_article)),
            (Kind.OUT_OF_SCOPE, None, out_of_scope),
            (Kind.IGNORE, None, ignore),
        )
        if given
    ]
    if len(chosen) != 1:
        raise typer.BadParameter("say one of --intent, --article, --new-article, --out-of-scope and --ignore.")
    given = reviews(ids, *chosen[0], by or _me())
    if article:
        check_article(article, Settings.read().data)

    async def decide(journal: Journal) -> int:
        decision = await journal.decide(given)
        return sum(one.review.decision == decision for one in await journal.reviewed())

    kept = with_journal(decide, _UNSURE)
    missing = len(given) - kept
    typer.echo(
        f"{counted(kept, 'utterance', 'utterances')} labelled."
        + (f" {missing} {'is' if missing == 1 else 'are'} not there." if missing else "")
    )
    if missing:
        raise typer.Exit(1)


@review_cli.command("status")
def review_status(by: By = "", *, as_json: AsJson = False) -> None:
    """What was decided, how far people agree who were asked the same, and where you and they differ."""
    from bot.desk import with_journal
    from bot.learning.articles import to_write, unwritten, written
    from bot.learning.opinions import Agreement, disputes_of, opinions, settled
    from bot.printed import counted, print_json

    settings = Settings.read()

    async def read(journal: Journal) -> tuple[dict[str, int], list[Opinions]]:
        return await journal.review_counts(), opinions(await journal.opinions(), settings.second_opinion)

    counts, found = with_journal(read, _UNSURE)
    agreement, disputes = Agreement.of(found), _disputes(disputes_of(found, by or _me()))
    lacking: dict[str, int] = {}
    with suppress(DataError):  # what people decided is told whatever is wrong with the data
        lacking = unwritten(settled(found), written(settings.data))
    if as_json:
        print_json({"counts": counts, "agreement": agreement.to_json(), "disputes": disputes, "unwritten": lacking})
        return
    typer.echo(", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items()) + ".")
    for sentence in to_write(lacking):
        typer.echo(sentence)
    typer.echo(agreement.to_text() or "No second opinions are asked for (FRONTDESK_SECOND_OPINION).")
    if disputes:
        typer.echo(
            f"You and others differ on {counted(len(disputes), 'utterance', 'utterances')}; change your word with"
        )
        typer.echo("`frontdesk review decide ID --intent NAME`, or leave it to a third person:")
        typer.echo("\n".join(f"  {line}" for line in disputes))


@review_cli.command("undo")
def review_undo(by: By = "") -> None:
    """Take your last decision back."""
    from bot.desk import with_journal
    from bot.printed import counted

    async def undo(journal: Journal) -> list[int]:
        return await journal.undo(by or _me())

    gone = with_journal(undo, _UNSURE)
    typer.echo(f"Taken back: {counted(len(gone), 'label', 'labels')}." if gone else "There is nothing to take back.")


@review_cli.command("export")
def review_export(
    out: Annotated[Path, typer.Argument(help="A YAML file in Rasa's format; `-` prints it.")] = Path("-"),
    article: Annotated[str, typer.Option(help="Begin this article, with the questions that wait for it.")] = "",
) -> None:
    """Write what people decided as training examples, to keep them in the data folder."""
    from bot.desk import with_journal
    from bot.learning.articles import draft
    from bot.learning.exporting import as_yaml
    from bot.learning.opinions import opinions, settled
    from bot.printed import counted

    share = Settings.read().second_opinion

    async def read(journal: Journal) -> tuple[str, str]:
        given = settled(opinions(await journal.opinions(), share))
        if article:
            return draft(article, given), "The article's beginning is"
        text, count = as_yaml(given)
        return text, f"{counted(count, 'example is', 'examples are')}"

    text, told = with_journal(read, _UNSURE)
    if str(out) == "-":
        typer.echo(text, nl=False)
        return
    out.write_text(text, "utf-8")
    typer.echo(f"{told} in {out}.")
