"""`ari-app serve`: one worker that answers calls."""

import asyncio
import os
import threading
from pathlib import Path

import click

from ari_app import logs
from ari_app.config import load_settings

CLOSE_S = 10.0
"""Callers are handed over and files closed in less; what stands still for longer is a thread inside a library."""


@click.command(name="serve")
@click.option("--config", type=click.Path(path_type=Path), help="Settings; default $ARI_APP_CONFIG, ./ari_app.toml.")
@click.option("--name", help="The worker's name, unique on this Asterisk: booking-1, booking-2, ...")
@click.option("--log-level", default="info", show_default=True)
@click.option("--log-json/--log-text", default=True, show_default=True)
def command(config: Path | None, name: str | None, log_level: str, log_json: bool) -> None:
    """Answer calls until SIGTERM, then finish the running ones.

    Example: ari-app serve --config /etc/ari_app/ari_app.toml --name booking-1
    """
    from ari_app.app import serve  # the whole application: loaded only here, so that --help is quick

    settings = load_settings(config)
    if name:
        worker = settings.worker.model_copy(update={"name": name})
        settings = settings.model_copy(update={"worker": worker})
    logs.configure(log_level, log_json)
    asyncio.run(serve(settings, say=lambda line: click.echo(line, err=True), closing=_close_in_time))


def _close_in_time() -> None:
    """End the process even if a thread inside Vosk, Piper or a driver never comes back: Python would wait for it.

    Nothing is lost: unfinished bookings and texts are in the store, and the next worker finishes them.
    """
    timer = threading.Timer(CLOSE_S, _give_up)
    timer.daemon = True
    timer.start()


def _give_up() -> None:
    logs.get_logger().error("worker.thread_hangs", waited_s=CLOSE_S)
    os._exit(1)
