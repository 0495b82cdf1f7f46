"""`ari-app callbacks`: what was promised to callers, and what is overdue."""

import json
import sys
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ari_app.cli.callback_calendar import agree, complete
from ari_app.cli.stored import as_json, config, with_store
from ari_app.config import Settings, load_settings
from ari_app.store import callbacks
from ari_app.store.callbacks import Callback
from ari_app.store.database import Database


@click.group(name="callbacks", invoke_without_command=True)
@click.option("--all", "is_done_included", is_flag=True, help="Done ones too.")
@as_json
@config
@click.pass_context
def command(context: click.Context, is_done_included: bool, as_json: bool, config: Path | None) -> None:
    """Promised callbacks, the most urgent first; exit code 1 if one is overdue.

    Example: ari-app callbacks --json
    """
    if context.invoked_subcommand is not None:
        return
    settings = load_settings(config)
    now = datetime.now(settings.business.zone)
    found, trouble = with_store(settings, lambda d: _listed(settings, d, now, is_done_included=is_done_included))
    if as_json:
        shown = [_shown(callback, now) for callback in found]
        click.echo(json.dumps({"callbacks": shown, "calendar": trouble or "ok"}))
    else:
        _print(found, now)
        if trouble:
            click.echo(f"as last known, the calendar can't be asked: {trouble}", err=True)
    sys.exit(1 if any(callback.is_overdue(now) for callback in found) else 0)


@command.command()
@click.argument("callback_id", metavar="ID", type=int)
@as_json
@config
def done(callback_id: int, as_json: bool, config: Path | None) -> None:
    """The customer was called back; exit code 1 if there is no such open promise.

    Example: ari-app callbacks done 7
    """
    settings = load_settings(config)
    now = datetime.now(settings.business.zone)
    is_done, trouble = with_store(settings, lambda d: _done(settings, d, callback_id, now))
    if as_json:
        click.echo(json.dumps({"id": callback_id, "done": is_done, "calendar": trouble or "ok"}))
    else:
        click.echo(f"callback {callback_id} " + ("is done" if is_done else "is not open"), err=not is_done)
        if trouble:
            click.echo(f"tick it off in the calendar by hand, which can't be told: {trouble}", err=True)
    sys.exit(0 if is_done else 1)


async def _listed(
    settings: Settings, database: Database, now: datetime, *, is_done_included: bool
) -> tuple[list[Callback], str]:
    """The promises, and why the calendar couldn't be asked for what was ticked off there."""
    trouble = await agree(settings, database, now=now)
    return await database.read(lambda c: callbacks.listed(c, is_done_included=is_done_included)), trouble


async def _done(settings: Settings, database: Database, callback_id: int, now: datetime) -> tuple[bool, str]:
    found = await database.read(lambda c: callbacks.find(c, callback_id))
    if found is None or not await database.run(lambda c: callbacks.done(c, callback_id, now=now)):
        return False, ""
    return True, await complete(settings, found.uid, now=now)


def _shown(callback: Callback, now: datetime) -> dict[str, str | int | bool | None]:
    return {
        "id": callback.id,
        "uid": callback.uid,
        "number": callback.number,
        "name": callback.name,
        "about": callback.about,
        "preferred": callback.preferred,
        "due": callback.due.astimezone(now.tzinfo).isoformat() if callback.due else None,
        "promised": callback.promised.astimezone(now.tzinfo).isoformat(),
        "status": callback.status.value,
        "overdue": callback.is_overdue(now),
        "attempts": callback.attempts,
        "call_id": callback.call_id,
    }


def _print(found: list[Callback], now: datetime) -> None:
    console = Console()
    if not found:
        console.print("no callbacks are promised")
        return
    table = Table("id", "due", "number", "name", "about", "preferred", "tries")
    for each in found:
        due = f"{each.due.astimezone(now.tzinfo):%a %d %b %H:%M}" if each.due else ""
        is_overdue = each.is_overdue(now)
        if is_overdue:
            due += " OVERDUE"
        elif each.ended_at is not None:
            due = "done"
        cells = (str(each.id), due, each.number, each.name, each.about, each.preferred, str(each.attempts))
        table.add_row(*map(escape, cells), style="red" if is_overdue else None)
    console.print(table)
