"""`ari-app lab up | down | status`: two Asterisks, a calendar, the sentinel and a worker, all on this machine."""

import asyncio
import json as json_module
import sys

import click

from ari_app.errors import AriAppError
from ari_app.lab.runtime import Lab


@click.group(name="lab")
def command() -> None:
    """The lab: a PBX, six phones, a calendar and a worker on 127.0.0.1.

    Example: ari-app lab up --json
    """


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; progress goes to stderr.")


@command.command()
@as_json
@click.option("--worker/--no-worker", default=True, help="Start `ari-app serve` and the sentinel too.")
@click.option("--fresh", is_flag=True, help="Forget the calendar, the database and the logs of the last run.")
def up(as_json: bool, worker: bool, fresh: bool) -> None:
    """Start whatever doesn't run yet.

    Example: ari-app lab up --fresh
    """
    lab = _lab()
    asyncio.run(_up(lab, worker=worker, fresh=fresh))
    _show(lab, as_json)


@command.command()
@as_json
def down(as_json: bool) -> None:
    """End all that `lab up` started, and nothing else.

    Example: ari-app lab down
    """
    stopped = asyncio.run(_lab().down())
    click.echo(json_module.dumps({"stopped": stopped}) if as_json else f"{len(stopped)} processes stopped")


@command.command()
@as_json
def status(as_json: bool) -> None:
    """What runs; exit code 1 if the PBX, the caller's side or the calendar doesn't.

    Example: ari-app lab status --json
    """
    lab = _lab()
    _show(lab, as_json)
    processes = lab.status()
    sys.exit(0 if all(processes[name] != "down" for name in ("pbx", "caller", "calendar")) else 1)


def _lab() -> Lab:
    return Lab.at(report=lambda line: click.echo(f"  {line}", err=True))


async def _up(lab: Lab, *, worker: bool, fresh: bool) -> None:
    if fresh:
        await lab.down()
        lab.forget()
    try:
        await lab.up(worker=worker)
    except AriAppError:
        await lab.down()
        raise


def _show(lab: Lab, as_json: bool) -> None:
    facts = lab.describe()
    if as_json:
        click.echo(json_module.dumps(facts))
        return
    for name, state in facts["processes"].items():
        click.echo(f"{name:<12} {state}")
    click.echo(f"\nSIP {facts['sip']}: 700 books, 200 is the scheduling extension, 600 an echo")
    for name, phone in facts["phones"].items():
        click.echo(f"  {name:<12} password {phone['password']}  number {phone['number']}")
    for what in ("ari", "caller_ari", "caldav"):
        click.echo(f"{what:<12} {facts[what]['url']}  {facts[what]['user']} / {facts[what]['password']}")
    for user, password in facts["ami"]["users"].items():
        click.echo(f"{'ami':<12} {facts['ami']['address']}  {user} / {password}")
    click.echo(f"{'console':<12} {facts['console']}")
    click.echo(f"{'logs':<12} {facts['folder']}")
