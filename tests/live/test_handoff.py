"""To a human and back: what each side hears, sees and presses, and that a hang-up at any step leaves nothing behind."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from ari_app.asterisk.ari_client import AriClient
from ari_app.lab.phone import PhoneBook
from ari_app.lab.runtime import Lab

from .conftest import FrontDesk
from .steps import connected, greeted, leave_message, nothing_left, served, texts_of, until, whispered

pytestmark = pytest.mark.live

JANE = "+442079460123"
"""docker/customers.csv: Jane Miller"""


async def media_channels(pbx: AriClient) -> list[str]:
    return [each.name for each in await pbx.channels() if each.name.startswith("WebSocket/")]


async def test_a_hang_up_at_any_step_leaves_nothing(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    async with served(lab, tmp_path):
        call = await greeted(phones)
        await call.hang_up()
        await nothing_left(pbx)

        call = await greeted(phones)
        await call.silence(time.monotonic(), for_s=1.0)
        await call.hang_up()
        await nothing_left(pbx)

        call = await greeted(phones)
        await call.silence(time.monotonic(), for_s=1.0)
        await call.say("a dental cleaning next tuesday at half past three")
        await call.hang_up()
        await nothing_left(pbx)

        call = await greeted(phones)
        await call.press("0")
        await phones.line("scheduling").ringing(within_s=12)
        await call.hang_up()
        await nothing_left(pbx)

        call = await greeted(phones)
        human = await whispered(phones, call)
        await call.hang_up()
        await human.wait_hangup(3)
        await nothing_left(pbx)

        call = await greeted(phones)
        human = await whispered(phones, call)
        await human.hang_up()
        await until(lambda: "handoff.failed" in texts_of(tmp_path))
        await call.hang_up()
        await nothing_left(pbx)

        for first in ("caller", "human"):
            call = await greeted(phones)
            human = await connected(phones, call)
            assert await media_channels(pbx) == [], "the agent has left the bridge"
            one, other = (call, human) if first == "caller" else (human, call)
            await one.hang_up()
            await other.wait_hangup(3)
            await nothing_left(pbx)


async def test_the_human_sees_who_calls_hears_why_and_may_send_them_back(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    desk = phones.line("scheduling")
    desk.forget_rings()
    async with served(lab, tmp_path):
        call = await phones.line("trunk").call("700", caller_id=JANE)
        await call.first_sound(call.answered_s, within_s=8)
        await call.press("0")
        ringing = await desk.ringing(within_s=12)
        assert (ringing.caller_name, ringing.caller_number) == ("Jane Miller", JANE)
        await call.first_sound(time.monotonic(), within_s=8)  # music, which begins softly
        human = await ringing.answer()
        whisper = await human.hear(silence_s=0.5, within_s=8)
        assert "jane" in whisper.text, whisper.text
        await human.press("1")
        spoken = await human.say("one moment please")
        await call.first_sound(spoken.began_s, within_s=3)
        await human.press("*7")
        await until(lambda: "returned" in texts_of(tmp_path))
        await human.wait_hangup(5)
        await call.first_sound(time.monotonic(), within_s=5)
        await call.hang_up()
        await nothing_left(pbx)


async def test_who_is_declined_or_not_answered_is_promised_a_callback_that_is_kept(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    async with served(lab, tmp_path, handoff__ring_s="3"):
        call = await greeted(phones)
        human = await whispered(phones, call)
        await human.press("*")
        await until(lambda: "ask.callback_number_ok" in texts_of(tmp_path))
        await human.wait_hangup(3)
        await call.silence(time.monotonic(), for_s=1.0)
        await call.press("1")
        await until(lambda: "ask.callback_time" in texts_of(tmp_path))
        await call.silence(time.monotonic(), for_s=1.2)
        await call.say("any time")
        await call.wait_hangup(25)
        assert any(each.startswith("done.callback") for each in texts_of(tmp_path))
        await nothing_left(pbx)
        kept = await asyncio.create_subprocess_exec(
            *(".venv/bin/ari-app", "callbacks", "--json"),
            env=lab.environment(),
            stdout=asyncio.subprocess.PIPE,
        )
        shown = json.loads((await kept.communicate())[0])
        assert shown["calendar"] == "ok"
        assert phones.line("softphone-1").number in [each["number"] for each in shown["callbacks"]]


async def test_the_ladder_goes_on_to_extension_queue_and_voicemail_and_leaves_out_a_phone_that_is_busy(
    lab: Lab, front_desk: FrontDesk, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    ladder = """
allowed = ["200", "103"]
ladder = ["queue:nowhere", "103", "queue:front-desk"]
endpoints = { "200" = "PJSIP/scheduling", "103" = "PJSIP/softphone-3" }
voicemail_context = "voicemail"
"""
    await front_desk.fallback_goes_to(mailbox="200@default")
    desk, second, queued = (phones.line(name) for name in ("scheduling", "softphone-3", "softphone-4"))
    async with served(lab, tmp_path, handoff=ladder):
        call = await greeted(phones)
        await call.press("0")
        await (await desk.ringing(within_s=12)).decline()
        await (await second.ringing(within_s=8)).decline()
        human = await (await queued.ringing(within_s=8)).answer()
        await human.first_sound(human.answered_s, within_s=5)
        await human.press("1")
        spoken = await human.say("hello")
        await call.first_sound(spoken.began_s, within_s=3)
        await call.hang_up()
        await human.wait_hangup(3)
        await nothing_left(pbx)

        talking = asyncio.create_task(phones.line("softphone-2").call("200"))
        busy = await (await desk.ringing()).answer()
        await talking
        call = await greeted(phones)
        await call.press("0")
        await (await second.ringing(within_s=12)).decline()
        assert desk.rings.empty(), "a phone in use isn't rung"
        await (await queued.ringing(within_s=8)).decline()
        await leave_message(call, front_desk)
        await busy.hang_up()


async def test_an_outgoing_number_can_not_be_rung_by_the_agent(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    """Neither as callee, nor as a step of the ladder: what isn't allowed isn't dialled, whoever wrote it there."""
    ladder = """
ladder = ["9001234567", "queue:x@toll", "104"]
endpoints = { "200" = "PJSIP/scheduling" }
"""
    async with served(lab, tmp_path, handoff=ladder):
        call = await greeted(phones)
        await call.press("0")
        await (await phones.line("scheduling").ringing(within_s=12)).decline()
        await until(lambda: "handoff.failed" in texts_of(tmp_path))
        await call.hang_up()
        await nothing_left(pbx)
    assert "toll: reached" not in await asyncio.to_thread(lab.pbx.log.read_text, "utf-8")


HOSTILE_NAMES = ('"A ${GLOBAL(FALLBACK_EXTENSION)} B"', '"Bobby\\" Tables, Jr; <x>"', '"' + "n" * 200 + '"')


async def test_a_hostile_caller_name_reaches_the_humans_phone_harmless(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    desk = phones.line("scheduling")
    desk.forget_rings()
    async with served(lab, tmp_path):
        for name in HOSTILE_NAMES:
            call = await phones.line("trunk").call("700", caller_id=f"{name} <+447700900777>")
            await call.first_sound(call.answered_s, within_s=8)
            await call.press("0")
            ringing = await desk.ringing(within_s=12)
            assert ringing.caller_number == "+447700900777"
            assert not set('"<>\\') & set(ringing.caller_name)
            await call.hang_up()
            await nothing_left(pbx)
