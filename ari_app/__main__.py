"""The command line: `ari-app COMMAND`, each command a module in `ari_app.cli`, imported only when called."""

import sys

import click

from ari_app import __version__
from ari_app.errors import AriAppError
from ari_app.lazy_group import LazyGroup

COMMANDS: dict[str, str] = {
    "serve": "answer calls",
    "sentinel": "watch the workers; bring callers to a human when one dies",
    "check": "test each part for real and say how to mend what fails",
    "demo": "play the demo calls on the lab and compare told, calendar and SMS",
    "lab": "the lab: up, down, status",
    "talk": "the same conversation by keyboard",
    "understand": "what a sentence means, as JSON",
    "models": "list or pull voices and recognisers",
    "customers": "import or list customers",
    "openings": "free times",
    "appointments": "what is booked",
    "book": "book an appointment",
    "move": "move an appointment",
    "cancel": "cancel an appointment",
    "calendars": "what the CalDAV account holds",
    "callbacks": "promised callbacks",
    "install": "put ari_app beside an existing Asterisk or FreePBX",
    "backup": "save database and settings",
    "restore": "bring back a backup",
    "bench": "measure: turns, calls, booking, races, chaos",
}


@click.command(cls=LazyGroup, package="ari_app.cli", commands=COMMANDS)
@click.version_option(__version__, prog_name="ari-app")
def cli() -> None:
    """A self-hosted telephone receptionist for Asterisk.

    Example: ari-app lab up
    """


def main() -> None:
    """Run the command line; a user's mistake ends in one clear line and exit code 2 or 1."""
    try:
        cli(standalone_mode=True)
    except AriAppError as exc:
        click.echo(f"ari-app: {exc}", err=True)
        sys.exit(exc.exit_code)


if __name__ == "__main__":
    main()
