"""What several live tests do and look for in the same way."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from ari_app.asterisk.ari_client import AriClient
from ari_app.lab.phone import Call, PhoneBook
from ari_app.lab.runtime import Lab

from .conftest import FrontDesk

TEST_S = 120.0


@asynccontextmanager
async def served(
    lab: Lab,
    events: Path,
    *numbers: int,
    handoff: str = "",
    program: Sequence[str] = ("-m", "ari_app"),
    **environ: str,
) -> AsyncIterator[None]:
    """Sentinel and workers, which end with the block.

    `handoff` are lines for the settings' [handoff], `environ` is given as section__key.
    """
    names = {f"ARI_APP_{name.upper()}": value for name, value in environ.items()}
    common = {"ARI_APP_LAB__EVENTS_DIR": str(events), "ARI_APP_SMS__GATEWAY": "none", **names}
    if handoff:
        common["ARI_APP_CONFIG"] = str(_settings_with(lab, events, handoff))
    os.environ.update(names)  # the sentinel's, too
    try:
        await lab.start_sentinel()
        async with asyncio.TaskGroup() as group:
            for number in numbers or (1,):
                group.create_task(lab.start_worker(number, environ=common, program=program))
        async with asyncio.timeout(TEST_S):
            yield
    finally:
        for name in names:
            del os.environ[name]
        for number in numbers or (1,):
            await lab.stop(f"worker-{number}")
        await lab.stop("sentinel")


def _settings_with(lab: Lab, folder: Path, handoff: str) -> Path:
    before, _, after = lab.settings_path.read_text("utf-8").partition("[handoff]\n")
    _, _, rest = after.partition("\n\n")
    path = folder / "ari_app.toml"
    path.write_text(f'{before}[handoff]\nextension = "200"\n{handoff.strip()}\n\n{rest}', "utf-8")
    return path


def log_of(events: Path) -> list[dict[str, str]]:
    """All events of all calls, in order of their time."""
    lines = [line for path in events.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    return sorted((json.loads(line) for line in lines), key=lambda event: event["at"])


def texts_of(events: Path) -> list[str]:
    """Ids of all that the agent said, in order."""
    return [event["text_id"] for event in log_of(events) if event["kind"] == "agent"]


async def until(found: Callable[[], object], within_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not found():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.05)


async def nothing_left(pbx: AriClient, within_s: float = 6.0) -> None:
    """No channel and none of our bridges is in the PBX any more."""
    deadline_s = time.monotonic() + within_s
    while True:
        left = [f"{each.name} {each.state}" for each in await pbx.channels()]
        left += [each.id for each in await pbx.bridges() if each.is_own]
        if not left:
            return
        assert time.monotonic() < deadline_s, left
        await asyncio.sleep(0.1)


async def greeted(phones: PhoneBook, line: str = "softphone-1") -> Call:
    """A call in which the agent has begun to speak."""
    phones.line("scheduling").forget_rings()
    call = await phones.line(line).call("700")
    await call.first_sound(call.answered_s, within_s=8)
    return call


async def whispered(phones: PhoneBook, call: Call) -> Call:
    """Press 0; the desk has picked up and hears the whisper."""
    await call.press("0")
    human = await (await phones.line("scheduling").ringing(within_s=12)).answer()
    await human.first_sound(human.answered_s, within_s=5)
    return human


async def connected(phones: PhoneBook, call: Call) -> Call:
    """Press 0; the desk has accepted, and the caller hears it."""
    human = await whispered(phones, call)
    await human.press("1")
    spoken = await human.say("hello")
    await call.first_sound(spoken.began_s, within_s=3)
    return human


async def leave_message(call: Call, desk: FrontDesk) -> None:
    """Hear the mailbox's greeting, cut it short, speak, and hang up: the message is there."""
    await until_in_voicemail(desk.lab)
    await call.first_sound(time.monotonic(), within_s=5)
    await call.press("#")
    await asyncio.sleep(1.0)
    await call.say("please call me back about my appointment next week")
    await call.hang_up()
    await until(desk.messages, within_s=3.0)


async def until_in_voicemail(lab: Lab) -> None:
    deadline_s = time.monotonic() + 12
    while "VoiceMail" not in (shown := await lab.cli(lab.pbx, "core show channels concise")):
        assert time.monotonic() < deadline_s, shown
        await asyncio.sleep(0.2)
