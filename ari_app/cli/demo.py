"""`ari-app demo`: three real calls on the lab, shown live, then checked against calendar and texts."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ari_app.config import load_settings
from ari_app.errors import AriAppError
from ari_app.lab.phone import PhoneBook
from ari_app.lab.runtime import Lab
from ari_app.lab.scenario import SCENARIOS, Row, Scenario, Stage
from ari_app.speech.factory import build_recogniser

_STYLES = {"book": "green", "move": "cyan", "handoff": "yellow"}


@click.command(name="demo")
@click.option("--scenario", "names", multiple=True, type=click.Choice([each.name for each in SCENARIOS]))
@click.option("--in-turn", is_flag=True, help="One call after the other, not all at once.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; the calls are shown on stderr.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
def command(names: tuple[str, ...], in_turn: bool, as_json: bool, folder: Path) -> None:
    """Start the lab afresh and play the demo calls, all at once; exit 0 only if all of them hold.

    Each call's stereo WAV and its events as JSON lines are kept in the folder.

    Example: ari-app demo --scenario book
    """
    chosen = [each for each in SCENARIOS if each.name in names or not names]
    rows = asyncio.run(_play(chosen, folder, in_turn=in_turn))
    if as_json:
        click.echo(json.dumps({"ok": not any(row.problems for row in rows), "rows": [_as_json(row) for row in rows]}))
    else:
        _show_table(rows)
    sys.exit(1 if any(row.problems for row in rows) else 0)


async def _play(scenarios: Sequence[Scenario], folder: Path, *, in_turn: bool) -> list[Row]:
    show = _shower()
    events = (folder / "events").absolute()
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    await asyncio.to_thread(events.mkdir, parents=True)
    os.environ["ARI_APP_LAB__EVENTS_DIR"] = str(events)
    show("starting the lab: two Asterisks, calendar, sentinel, one worker")
    async with Lab.running(report=lambda line: show(f"  {line}")) as lab:
        settings = load_settings(lab.settings_path, lab.environment())
        recogniser = await asyncio.to_thread(build_recogniser, settings)
        try:
            async with PhoneBook.open(lab, recogniser) as phones:

                def stage(scenario: Scenario) -> Stage:
                    return Stage(lab, phones, settings, events, folder, lambda line: show(line, scenario.name))

                for scenario in scenarios:
                    show(scenario.about, scenario.name)
                async with asyncio.TaskGroup() as group:
                    calls = []
                    for scenario in scenarios:
                        calls.append(group.create_task(_held(scenario.play(stage(scenario)), scenario.name)))
                        if in_turn:
                            await asyncio.wait(calls)
                return [await call for call in calls]
        finally:
            recogniser.close()


async def _held(play: Awaitable[Row], name: str) -> Row:
    try:
        async with asyncio.timeout(180):
            return await play
    except TimeoutError:
        return Row(name, problems=("not over within 3 minutes",))
    except AriAppError as exc:
        return Row(name, problems=(str(exc),))


def _shower() -> Callable[..., None]:
    console = Console(stderr=True, highlight=False)

    def show(line: str, call: str = "") -> None:
        """One line, of this call where it is a call's: each call has a colour of its own."""
        text = f"{call:<8} {line}" if call else line
        console.print(text, markup=False, style=_STYLES.get(call, ""), soft_wrap=not console.is_terminal)

    return show


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
