"""`ari-app customers import | list | show | delete`: who calls from which number."""

import json
import sys
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ari_app.cli.stored import as_json, config, with_store
from ari_app.config import Settings, load_settings
from ari_app.errors import BadInput
from ari_app.store import customers
from ari_app.store.customer_import import ImportReport, import_csv
from ari_app.store.customers import Customer
from ari_app.store.numbers import to_e164


@click.group(name="customers")
def command() -> None:
    """Customers, known by their telephone number.

    Example: ari-app customers import customers.csv
    """


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@as_json
@config
def import_file(file: Path, as_json: bool, config: Path | None) -> None:
    """Take over a CSV list: its first line names the columns (number, name; birth_year, pin, email, notes).

    Good lines go in, and every other line is named with what is wrong with it; exit code 1 if any was left out. Known
    customers are brought up to date; an empty field keeps what is known.

    Example: ari-app customers import customers.csv
    """
    settings = load_settings(config)
    now = datetime.now(settings.business.zone)
    report = with_store(
        settings, lambda d: import_csv(d, file, region=settings.business.country, now=now), may_be_new=True
    )
    if as_json:
        click.echo(json.dumps(asdict(report) | {"left_out": report.left_out}))
    else:
        _print_report(report, file)
    sys.exit(1 if report.left_out else 0)


@command.command("list")
@click.argument("search", default="")
@as_json
@config
def list_customers(search: str, as_json: bool, config: Path | None) -> None:
    """All customers, or those whose name or number contains SEARCH. PINs are not shown.

    Example: ari-app customers list smith
    """
    found = with_store(load_settings(config), lambda d: d.read(lambda c: customers.listed(c, search=search)))
    if as_json:
        click.echo(json.dumps({"customers": [_shown(customer) for customer in found]}))
        return
    table = Table("number", "name", "born", "PIN", "e-mail", "notes")
    for each in found:
        cells = (each.number, each.name, str(each.birth_year or ""), "set" if each.pin else "", each.email, each.notes)
        table.add_row(*map(escape, cells))
    console = Console()
    console.print(table if found else "no customers" + (f' with "{escape(search)}"' if search else ""))


@command.command()
@click.argument("number")
@as_json
@config
def show(number: str, as_json: bool, config: Path | None) -> None:
    """One customer, by telephone number; exit code 1 if nobody has it.

    Example: ari-app customers show "01632 960001"
    """
    settings = load_settings(config)
    wanted = _e164(number, settings)
    found = with_store(settings, lambda d: d.read(lambda c: customers.find(c, wanted)))
    if as_json:
        click.echo(json.dumps(_shown(found) if found else {"number": wanted, "error": "unknown"}))
    elif found:
        for key, value in _shown(found).items():
            click.echo(f"{key.replace('_', ' ')}: {'' if value is None else value}")
    else:
        click.echo(f"nobody has the number {wanted}", err=True)
    sys.exit(0 if found else 1)


@command.command()
@click.argument("number")
@click.option("--yes", is_flag=True, help="Don't ask.")
@as_json
@config
def delete(number: str, yes: bool, as_json: bool, config: Path | None) -> None:
    """Forget one customer; appointments in the calendar stay.

    Example: ari-app customers delete +441632960001 --yes
    """
    settings = load_settings(config)
    wanted = _e164(number, settings)
    if not yes:
        click.confirm(f"Forget the customer with the number {wanted}?", abort=True, err=True)
    is_gone = with_store(settings, lambda d: d.run(lambda c: customers.remove(c, wanted)))
    if as_json:
        click.echo(json.dumps({"number": wanted, "deleted": is_gone}))
    else:
        click.echo(f"{wanted} is forgotten" if is_gone else f"nobody has the number {wanted}", err=not is_gone)
    sys.exit(0 if is_gone else 1)


def _e164(number: str, settings: Settings) -> str:
    found = to_e164(number, settings.business.country)
    if not found:
        raise BadInput(f'"{number[:40]}" is no telephone number (read as one of {settings.business.country})')
    return found


def _shown(customer: Customer) -> dict[str, str | int | bool | None]:
    fields = asdict(replace(customer, pin=None))
    del fields["pin"]
    return fields | {"has_pin": customer.pin is not None}


def _print_report(report: ImportReport, file: Path) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for problem in report.problems:
        colour = "red" if problem.is_left_out else "yellow"
        console.print(f"[{colour}]line {problem.line}[/]: {escape(problem.reason)}")
    console.print(
        f"{escape(str(file))}: {report.added} added, {report.updated} brought up to date,"
        f" {report.unchanged} unchanged, {report.left_out} left out"
    )
