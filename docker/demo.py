"""The demo calls of `ari-app demo` on the containers of compose.yaml; the exit code is their result.

python3 docker/demo.py            all of them
python3 docker/demo.py book       one of them
python3 docker/demo.py --killed   one call, whose app is to be killed from outside once "KILL NOW" is printed; 0 if the
                                  caller is still there when the human picks up
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path

import caldav
import click

from ari_app.asterisk.ari_client import AriClient
from ari_app.cli.demo import _held, _show_table
from ari_app.config import Settings, load_settings
from ari_app.lab.calendar_server import seed_calendars
from ari_app.lab.configuration import AsteriskInstance
from ari_app.lab.credentials import SERVICES, Credentials
from ari_app.lab.phone import PhoneBook
from ari_app.lab.places import LOOPBACK, Ports
from ari_app.lab.rootfs import AsteriskRoot
from ari_app.lab.runtime import CALENDAR_USER, Lab
from ari_app.lab.scenario import DESK_VOICE, SCENARIOS, Row, Stage
from ari_app.speech.factory import build_recogniser

EVENTS = Path("/events")
RECORDINGS = Path("/tmp/demo")


class ComposeLab(Lab):
    """The lab as seen from a container beside the others: its Asterisk has no console here, but ARI."""

    async def cli(self, instance: AsteriskInstance, command: str) -> str:
        """`core show channels concise`, as far as a scenario reads it: the channel's name, caller and bridge."""
        async with AriClient(load_settings(None).ari, application="demo") as ari:
            channels, bridges = await ari.channels(), await ari.bridges()
        bridge_of = {channel: bridge.id for bridge in bridges for channel in bridge.channels}
        lines = []
        for channel in channels:
            fields = [""] * 14
            fields[0], fields[7], fields[12] = channel.name, channel.caller.number, bridge_of.get(channel.id, "")
            lines.append("!".join(fields) + "\n")
        return "".join(lines)


async def play(names: Sequence[str]) -> list[Row]:
    """The named demo calls, all at once."""
    lab, settings = _lab(), load_settings(None)
    _empty_calendars(settings, lab)
    await seed_calendars(lab.ports.caldav, lab.credentials["caldav"], date.today())  # noqa: DTZ011 - the container's day
    await lab.seed_customers()
    recogniser = await asyncio.to_thread(build_recogniser, settings)
    await asyncio.to_thread(RECORDINGS.mkdir, exist_ok=True)
    scenarios = [each for each in SCENARIOS if not names or each.name in names]
    try:
        async with PhoneBook.open(lab, recogniser) as phones:
            stages = {
                each.name: Stage(lab, phones, settings, EVENTS, RECORDINGS, partial(_say, call=each.name))
                for each in scenarios
            }
            return await asyncio.gather(
                *(_held(scenario.play(stages[scenario.name]), scenario.name) for scenario in scenarios)
            )
    finally:
        recogniser.close()


async def killed() -> None:
    """A call that loses its app; raises LabError or AssertionError where the caller is left alone."""
    async with PhoneBook.open(_lab()) as phones:
        call = await phones.line("softphone-1").call("700")
        await call.first_sound(call.answered_s)
        _say("KILL NOW")
        ringing = await phones.line("scheduling").ringing(within_s=30.0)
        _say(f"a human's phone rang at {time.time():.2f}")
        human = await ringing.answer()
        await human.say("hello, how can I help you", DESK_VOICE)
        await call.first_sound(human.answered_s)
        assert not call.ended.is_set(), "the caller was hung up"
        await human.hang_up()


def _lab() -> Lab:
    known = {"caller": os.environ["LAB_CALLER"], "caldav": os.environ["LAB_CALDAV"]}
    passwords = dict.fromkeys(SERVICES, "") | known
    return ComposeLab(Path("/tmp"), Ports(0), AsteriskRoot(Path("/"), ""), Credentials(passwords))


def _empty_calendars(settings: Settings, lab: Lab) -> None:
    """Without what earlier demo calls have booked."""
    url = f"http://{LOOPBACK}:{lab.ports.caldav}/"
    with caldav.DAVClient(url, username=CALENDAR_USER, password=lab.credentials["caldav"]) as client:
        for resource in settings.resources:
            for event in client.calendar(url=f"{url}{resource.calendar}").events():
                event.delete()


def _say(line: str, call: str = "") -> None:
    click.echo(f"{call:<8} {line}" if call else line, err=True)


def main(arguments: list[str]) -> int:
    if arguments == ["--killed"]:
        asyncio.run(killed())
        return 0
    rows = asyncio.run(play(arguments))
    _show_table(rows)
    return 1 if not rows or any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
