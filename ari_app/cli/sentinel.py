"""`ari-app sentinel`: watch the workers, or ask the one that does."""

import asyncio
import json
import signal
from collections.abc import Mapping
from pathlib import Path

import click

from ari_app import logs
from ari_app.config import AmiSettings, Settings, load_settings
from ari_app.sentinel.status import ask_status
from ari_app.sentinel.watch import Sentinel


@click.command(epilog="Example: ari-app sentinel --config /etc/ari-app/ari_app.toml")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file; default $ARI_APP_CONFIG, ./ari_app.toml."
)
@click.option("--status", is_flag=True, help="Ask the running sentinel how it and the workers are; 1 if AMI is down.")
@click.option("--json", "as_json", is_flag=True, help="With --status: one JSON object.")
def command(config: Path | None, status: bool, as_json: bool) -> None:
    """Watch the workers and bring their callers to [fallback] when one dies or freezes."""
    settings = load_settings(config)
    if status:
        _show(asyncio.run(ask_status(settings.sentinel.socket)), as_json=as_json)
        return
    logs.configure(settings.log.level, settings.log.format == "json", shows_pii=settings.log.shows_pii)
    asyncio.run(_watch(settings))


async def _watch(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    watching = asyncio.create_task(Sentinel(settings.sentinel, own_ami(settings)).run(), name="sentinel")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, watching.cancel)
    await asyncio.wait([watching])
    if not watching.cancelled():
        watching.result()


def own_ami(settings: Settings) -> AmiSettings:
    """The sentinel's own AMI user, or the application's where it has none."""
    if not settings.sentinel.ami_user:
        return settings.ami
    own = {"user": settings.sentinel.ami_user, "password": settings.sentinel.ami_password}
    return settings.ami.model_copy(update=own)


def _show(status: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(status))
    else:
        click.echo(f"AMI {'up' if status['ami'] else 'DOWN'}, {status['redirects']} callers brought to a human")
        workers = status["workers"]
        for worker in workers if isinstance(workers, list) else []:
            held = ", ".join(f"{count} {state}" for state, count in worker["channels"].items()) or "no calls"
            click.echo(f"{worker['name']} (pid {worker['pid']}): {worker['state']}, {held}")
    if not status["ami"]:
        raise SystemExit(1)
