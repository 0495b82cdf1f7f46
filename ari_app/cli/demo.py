"""`ari-app demo`: three real calls on the lab, shown live, then checked against calendar and texts."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Awaitable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ari_app.config import load_settings
from ari_app.errors import AriAppError
from ari_app.lab.phone import PhoneBook
from ari_app.lab.runtime import Lab
from ari_app.lab.scenario import SCENARIOS, Row, Show, Stage
from ari_app.speech.factory import build_recogniser


@click.command(name="demo")
@click.option("--scenario", "names", multiple=True, type=click.Choice([each.name for each in SCENARIOS]))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; the calls are shown on stderr.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
def command(names: tuple[str, ...], as_json: bool, folder: Path) -> None:
    """Start the lab afresh and play the demo calls; exit 0 only if all of them hold.

    Example: ari-app demo --scenario book
    """
    rows = asyncio.run(_play(names or tuple(each.name for each in SCENARIOS), folder))
    if as_json:
        click.echo(json.dumps({"ok": not any(row.problems for row in rows), "rows": [_as_json(row) for row in rows]}))
    else:
        _show_table(rows)
    sys.exit(1 if any(row.problems for row in rows) else 0)


async def _play(names: tuple[str, ...], folder: Path) -> list[Row]:
    show = _shower()
    events = (folder / "events").absolute()
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    await asyncio.to_thread(events.mkdir, parents=True)
    os.environ["ARI_APP_LAB__EVENTS_DIR"] = str(events)
    show("starting the lab: two Asterisks, calendar, sentinel, one worker")
    rows = []
    async with Lab.running(report=lambda line: show(f"  {line}")) as lab:
        settings = load_settings(lab.settings_path, lab.environment())
        recogniser = await asyncio.to_thread(build_recogniser, settings)
        try:
            async with PhoneBook.open(lab, recogniser) as phones:
                for scenario in SCENARIOS:
                    if scenario.name in names:
                        show(f"\n{scenario.name}: {scenario.about}")
                        stage = Stage(lab, phones, settings, events, folder, show)
                        rows.append(await _held(scenario.play(stage), scenario.name))
        finally:
            recogniser.close()
    return rows


async def _held(play: Awaitable[Row], name: str) -> Row:
    try:
        async with asyncio.timeout(180):
            return await play
    except TimeoutError:
        return Row(name, problems=("not over within 3 minutes",))
    except AriAppError as exc:
        return Row(name, problems=(str(exc),))


def _shower() -> Show:
    console = Console(stderr=True, highlight=False)
    return lambda line: console.print(line, markup=False)


def _show_table(rows: list[Row]) -> None:
    table = Table("call", "what the caller was told", "what CalDAV holds", "what the text says", "holds")
    for row in rows:
        table.add_row(row.scenario, row.told, row.calendar, row.text, "\n".join(row.problems) or "yes")
    Console(width=max(120, shutil.get_terminal_size().columns)).print(table)


def _as_json(row: Row) -> dict[str, object]:
    return {
        "scenario": row.scenario,
        "told": row.told,
        "calendar": row.calendar,
        "text": row.text,
        "problems": list(row.problems),
    }
