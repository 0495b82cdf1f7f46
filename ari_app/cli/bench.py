"""`ari-app bench NAME`: each measurement a module in `ari_app.lab.bench`, imported only when called."""

import click

from ari_app.lazy_group import LazyGroup

BENCHES: dict[str, str] = {
    "turns": "how fast the agent answers and falls silent, at the caller's ear",
    "calls": "24 spoken calls: completed as meant, turns used, misunderstandings recovered",
    "booking": "openings, booking and refreshing a busy calendar",
    "races": "callers, killed workers and people race for few openings",
    "fastagi": "the dialplan's question who takes a call, 200 times a second among strangers",
    "chaos": "calls while parts of the system are killed",
}


@click.command(cls=LazyGroup, package="ari_app.lab.bench", commands=BENCHES)
def command() -> None:
    """Measure the real thing. Each prints one JSON object as its last line with --json.

    Exit code 0 where it held, 1 where it did not, 2 for wrong use.

    Example: ari-app bench turns --calls 4 --codec ulaw --json
    """
