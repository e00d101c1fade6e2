"""The verbs of `frontdesk models`."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.config import Settings
from bot.learning.shelf import STANDING, mark, registry_of
from bot.printed import print_json
from nlu.manifest import Manifest, ModelError, read_manifest
from nlu.registry import Registry

models_cli = typer.Typer(help="The models in the registry.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="MODEL", help="A name in the registry, or a model directory.")]


@models_cli.command("list")
def models_list(as_json: AsJson = False) -> None:
    """The registry's models, the newest first: `*` is the current one, `-` one that is held, `?` one not judged yet."""
    registry = registry_of(Settings.read())
    rows = registry.list()
    if as_json:
        print_json([_model_json(registry, manifest) for manifest in rows])
    elif rows:
        _print_models(registry, rows)
    else:
        print(f"There is no model in {registry.folder} yet; train one with `frontdesk train`.", file=sys.stderr)
    current = registry.current_id()
    if current is not None:
        with suppress(FileNotFoundError):
            _tell_if_refused(registry, current)


def _model_json(registry: Registry, manifest: Manifest) -> dict[str, Any]:
    held, stained = registry.held(manifest.id), manifest.id in registry.stained()
    return {**manifest.to_json(), "held": held, "learnt_from_erased": stained}


def _print_models(registry: Registry, rows: list[Manifest]) -> None:
    wide, stained = max(len(manifest.id) for manifest in rows), registry.stained()
    print(f"  {'model':{wide}}  {'made':20}  {'held-out':10}  base model")
    for manifest in rows:
        score = manifest.scores.get("test_accuracy")
        shown = "not scored" if score is None else f"{score:.1%}"
        learnt = "  learnt from what was erased: retrain" if manifest.id in stained else ""
        facts = f"{manifest.id:{wide}}  {manifest.made}  {shown:10}  {manifest.base_model}{learnt}"
        print(f"{mark(registry, manifest.id)} {facts}")


def _tell_if_refused(registry: Registry, current: str) -> None:
    try:
        registry.check(current)
    except ModelError as problem:
        print(f"The current model is refused. {problem}", file=sys.stderr)


@models_cli.command("show")
def models_show(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="A name in the registry, or a directory; else the current."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: all of its manifest.")] = False,
) -> None:
    """What a model is, what the gate said of it, and where the pages about it lie."""
    from bot.learning.portrait import Portrait
    from bot.models import facts

    settings = Settings.read()
    directory, registry = directory_of(settings, model), registry_of(settings)
    manifest = read_manifest(directory)
    places = {"report": directory / "report" / "index.html", "page": registry.page(manifest.id)}
    pages = {name: path for name, path in places.items() if path.is_file()}
    standing = STANDING[mark(registry, manifest.id)]
    found = Portrait(manifest, facts(manifest), standing, registry.decision(manifest.id), pages)
    if as_json:
        print_json(found.to_json())
    else:
        print(found.to_text())


@models_cli.command("diff")
def models_diff(before: Name, after: Name, as_json: AsJson = False) -> None:
    """How two models differ: data, options, versions, intents, scores."""
    from bot.learning.difference import difference

    settings = Settings.read()
    found = difference(*(read_manifest(directory_of(settings, model)) for model in (before, after)))
    if as_json:
        print_json(found.to_json())
    else:
        print(found.to_text())


@models_cli.command("gate")
def models_gate(
    model: Name,
    against: Annotated[str | None, typer.Option(help="The model compared with; else the current one.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="The folder whose `test` and `canaries` are asked.")
    ] = None,
    turns: Annotated[int, typer.Option(min=0, help="Ask both so many of the customers' last messages.")] = 1000,
    *,
    html: Annotated[Path | None, typer.Option(help="Write a page into this file that shows what would change.")] = None,
    as_json: AsJson = False,
) -> None:
    """Whether a model may take another one's place; changes nothing. Exit code 1 if it would be held."""
    from rich.console import Console

    from bot.learning import retraining
    from bot.learning.change import examples_of, write_page

    settings = Settings.read()
    pair = directory_of(settings, against), directory_of(settings, model)
    screen = Console(stderr=True, soft_wrap=True)
    decision = retraining.decided(settings, pair, data or settings.data, turns, screen)
    if html is not None:
        write_page(html, registry_of(settings), pair, examples_of(data or settings.data), decision)
        print(f"What it changes: {html}", file=sys.stderr)
    if as_json:
        print_json(decision.to_json())
    else:
        print(decision.to_text())
    if decision.held:
        raise typer.Exit(1)


@models_cli.command("promote")
def models_promote(model_id: str) -> None:
    """Make a model the one that `frontdesk run` serves, also one that is held."""
    registry_of(Settings.read()).promote(model_id)
    print(f"{model_id} is current; a running service takes it up.")


@models_cli.command("rollback")
def models_rollback() -> None:
    """Go back to the model that was served before; the current one is held."""
    registry = registry_of(Settings.read())
    current, before = registry.current_id(), registry.rollback()
    print(f"{before} is current; a running service takes it up. {current} is held.")


@models_cli.command("prune")
def models_prune(
    keep: Annotated[int, typer.Option(min=1, help="So many of the newest stay.")] = 5,
) -> None:
    """Remove old models; the current one and the one before it stay in any case."""
    gone = registry_of(Settings.read()).prune(keep)
    print(f"Removed: {', '.join(gone)}" if gone else "There is none to remove.")


@models_cli.command("add")
def models_add(directory: Annotated[Path, typer.Argument(help="A model directory, signed by a trusted key.")]) -> None:
    """Take a model that was made elsewhere into the registry; the current one stays."""
    model = registry_of(Settings.read()).add(directory)
    print(f"{model} is in the registry; `frontdesk models promote {model}` makes it current.")


@models_cli.command("serve")
def models_serve(
    host: Annotated[str, typer.Option(help="Address to listen on; others' need FRONTDESK_MODEL_TOKEN.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8090,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port, a model each.")] = 1,
) -> None:
    """Serve the current model alone, to chat servers whose FRONTDESK_MODEL_URL leads here."""
    from bot.model_service import run

    run(Settings.read(), (host, port), workers)


@models_cli.command("sign")
def models_sign(model: Name) -> None:
    """Vouch for a model: sign it with this machine's key."""
    settings = Settings.read()
    registry, directory = registry_of(settings), directory_of(settings, model)
    registry.sign(directory)
    print(f"{directory} is signed by {registry.keys.own()}.")


@models_cli.command("keys")
def models_keys(
    *,
    new: Annotated[bool, typer.Option("--new", help="Make another key; the old one's models stay trusted.")] = False,
) -> None:
    """The public keys whose models are served; `*` marks this machine's own."""
    keys = registry_of(Settings.read()).keys
    own = keys.renew() if new else keys.own()
    if own:
        print(f"* {own}")
    for key, name in keys.trusted().items():
        print(f"  {key}  {name}".rstrip())
    if own is None:
        print("This machine has no key yet: the first training makes one.", file=sys.stderr)


@models_cli.command("trust")
def models_trust(key: str, name: Annotated[str, typer.Argument(help="Whose it is.")] = "") -> None:
    """Serve models that were signed with this public key."""
    registry_of(Settings.read()).keys.trust(key, name)
    print(f"Models signed by {key} are taken from now on.")


@models_cli.command("distrust")
def models_distrust(key: str) -> None:
    """Refuse models that were signed with this public key."""
    registry_of(Settings.read()).keys.distrust(key)
    print(f"Models signed by {key} are refused from now on.")


def directory_of(settings: Settings, model: str | None) -> Path:
    """Of a model's directory or name; without, of the current model. Raises ModelError."""
    registry = registry_of(settings)
    if model is not None:
        return Path(model) if Path(model).exists() or Path(model).name != model else registry.directory(model)
    found, current = registry.usable(), registry.current_id()
    if found is None:
        raise ModelError(_none_to_serve(registry))
    if current not in (None, found.name):
        print(f"The current model, {current}, is refused; this is the last good one, {found.name}.", file=sys.stderr)
    return found


def _none_to_serve(registry: Registry) -> str:
    if not registry.list():
        return f"There is no model in {registry.folder.parent}; train one with `frontdesk train`."
    return (
        f"No model in {registry.folder} may be served by itself: each is held, not judged yet or refused. "
        "Promote one with `frontdesk models promote MODEL`, or train one with `frontdesk train`."
    )
