"""`ari-app models list | pull | verify`: voices and recognisers."""

import json as json_module
import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from ari_app.config import Settings, load_settings
from ari_app.errors import BadInput, ModelMissing
from ari_app.speech.download import Puller
from ari_app.speech.models import Model, data_directory, find_model, known_model, registry

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; progress goes to stderr.")
models_dir = click.option(
    "--models-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where models lie; default speech.models_dir, else $XDG_DATA_HOME/ari-app/models.",
)
config = click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file; default $ARI_APP_CONFIG, ./ari_app.toml."
)


@click.group(name="models")
def command() -> None:
    """Voices and recognisers: what there is, fetching, checking.

    Example: ari-app models pull vosk-model-en-us-0.22-lgraph
    """


@command.command("list")
@as_json
@config
def list_models(as_json: bool, config: Path | None) -> None:
    """What is known, and what of it is on this machine.

    Example: ari-app models list
    """
    settings = load_settings(config)
    places = {model.name: _place(settings, model) for model in registry().values()}
    in_use = {settings.speech.recogniser, settings.speech.voice}
    if as_json:
        rows = [_row(model, places[model.name], model.name in in_use) for model in registry().values()]
        click.echo(json_module.dumps({"models": rows}))
        return
    console = Console(highlight=False)
    for model in registry().values():
        here = "in use" if model.name in in_use else "here" if places[model.name] else ""
        size = f"{model.size_bytes / 1e6:,.0f} MB" if model.files else ""
        console.print(f"[bold]{model.name:<30}[/] {model.kind:<11} {model.language:<6} {size:>9}  [green]{here}[/]")
        warning = "LAB ONLY, never for people; " if model.is_lab_only else ""
        console.print(f"    {warning}{model.notes}; licence: {model.licence}", style="dim", soft_wrap=True)


@command.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Fetch it anew though it is there.")
@as_json
@models_dir
@config
def pull(name: str, force: bool, as_json: bool, models_dir: Path | None, config: Path | None) -> None:
    """Fetch a model; goes on where an earlier try stopped, and checks what came.

    Example: ari-app models pull en_GB-alba-medium
    """
    model = known_model(name)
    directory = _directory(config, models_dir)
    click.echo(f"{model.name}: {model.size_bytes / 1e6:,.0f} MB, licence: {model.licence}", err=True)
    with _progress() as bar:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        pulled = Puller(directory, progress=show).pull(model, force=force)
    if as_json:
        click.echo(
            json_module.dumps(
                {
                    "model": model.name,
                    "path": str(pulled.path),
                    "was_there": pulled.was_there,
                    "sha256": pulled.digests,
                    "unconfirmed": list(pulled.unconfirmed),
                }
            )
        )
        return
    if pulled.was_there:
        click.echo(f"{model.name} is already at {pulled.path} (--force fetches it anew)")
        return
    for file, digest in pulled.digests.items():
        note = "  not confirmed: no digest is published; remembered from now on" if file in pulled.unconfirmed else ""
        click.echo(f"{file}  sha256 {digest}{note}")
    key = "recogniser" if model.kind == "recogniser" else "voice"
    click.echo(f'{model.name} is at {pulled.path}. To use it: [speech] {key} = "{model.name}"')


@command.command()
@click.argument("names", nargs=-1)
@as_json
@models_dir
@config
def verify(names: tuple[str, ...], as_json: bool, models_dir: Path | None, config: Path | None) -> None:
    """Compare installed models with what was pulled; all that are there unless named. Exit code 1 if one differs.

    Example: ari-app models verify vosk-model-small-en-us-0.15
    """
    puller = Puller(_directory(config, models_dir))
    chosen = [known_model(name) for name in names] or [
        model for model in registry().values() if model.files and puller.has(model)
    ]
    for model in chosen:
        if not model.files:
            raise BadInput(f"{model.name} comes with the checkout: its version control vouches for it")
    findings = {model.name: puller.verify(model) for model in chosen}
    if as_json:
        click.echo(json_module.dumps({"ok": not any(findings.values()), "models": findings}))
    else:
        for name, wrong in findings.items():
            click.echo("\n".join(wrong) if wrong else f"{name}: as it was pulled")
        if not findings:
            click.echo(f"no pulled models at {puller.directory}")
    sys.exit(1 if any(findings.values()) else 0)


def _directory(config: Path | None, given: Path | None) -> Path:
    return given or load_settings(config).speech.models_dir or data_directory(os.environ)


def _place(settings: Settings, model: Model) -> Path | None:
    try:
        return find_model(settings, model.kind, model.name)
    except ModelMissing:
        return None


def _row(model: Model, place: Path | None, is_in_use: bool) -> dict[str, object]:
    return {
        "name": model.name,
        "kind": str(model.kind),
        "language": model.language,
        "bytes": model.size_bytes,
        "licence": model.licence,
        "notes": model.notes,
        "lab_only": model.is_lab_only,
        "path": str(place) if place else None,
        "in_use": is_in_use,
        "files": [{"url": file.url, "bytes": file.size_bytes, "sha256": file.sha256} for file in model.files],
    }


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
