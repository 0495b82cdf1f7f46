"""`ari-app check`: each part tested for real."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ari_app import logs
from ari_app.config import load_settings


@click.command(name="check")
@click.option("--config", type=click.Path(path_type=Path), help="Settings; default $ARI_APP_CONFIG, ./ari_app.toml.")
@click.option("--json", "as_json", is_flag=True)
def command(config: Path | None, as_json: bool) -> None:
    """Test ARI, AMI, media, calendar (a real write), models, database and texts; exit 1 if any fails.

    Example: ari-app check --config /etc/ari_app/ari_app.toml
    """
    from ari_app.checks import Result, check_all  # the whole application: loaded only here

    settings = load_settings(config)
    logs.configure("error", json=False)

    def report(result: Result) -> None:
        click.echo(f"  {'ok  ' if result.is_ok else 'FAIL'} {result.part}", err=True)

    results = asyncio.run(check_all(settings, report=report))
    if as_json:
        click.echo(json.dumps({"ok": all(each.is_ok for each in results), "parts": [asdict(each) for each in results]}))
    else:
        table = Table("part", "", "found", "to do")
        for each in results:
            table.add_row(each.part, "ok" if each.is_ok else "FAIL", each.found, each.mend)
        Console(width=None if sys.stdout.isatty() else 140).print(table)
    sys.exit(0 if all(each.is_ok for each in results) else 1)
