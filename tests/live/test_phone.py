"""The lab's phones against the real PBX: speech both ways, keys, texts, answering, declining, ignoring."""

import asyncio
import time
import wave
from pathlib import Path

import pytest

from ari_app.asterisk.ari_client import AriClient
from ari_app.lab.phone import Call, CallFailed, NothingHeard, PhoneBook
from ari_app.lab.runtime import PHONE_NUMBERS, Lab
from ari_app.lab.voices import render

pytestmark = pytest.mark.live

SPEECH_DBFS = -40.0


async def connected(phones: PhoneBook, caller: str, extension: str, callee: str) -> tuple[Call, Call]:
    calling = asyncio.create_task(phones.line(caller).call(extension))
    ringing = await phones.line(callee).ringing()
    answered = await ringing.answer()
    return await calling, answered


async def test_two_phones_hear_each_other(phones: PhoneBook) -> None:
    one, two = await connected(phones, "softphone-1", "102", "softphone-2")

    asked = await one.say("good morning")
    await two.first_sound(asked.began_s, within_s=1)
    replied = await two.say("good morning to you")
    await one.first_sound(replied.began_s, within_s=1)

    assert two.level_heard_dbfs(asked.began_s, asked.ended_s) > SPEECH_DBFS
    assert one.level_heard_dbfs(replied.began_s, replied.ended_s) > SPEECH_DBFS
    assert one.level_heard_dbfs(asked.began_s + 0.1, asked.ended_s) < -60, "the speaker hears no echo"
    await one.hang_up()
    assert await two.wait_hangup(3) == 16


@pytest.mark.parametrize("codec", ["ulaw", "alaw", "g722", "opus"])
async def test_echo_comes_back_in_every_codec(phones: PhoneBook, lab: Lab, codec: str) -> None:
    call = await phones.line("softphone-1").call("600", codec=codec)
    spoken = await call.play(await render("one two three four"))
    heard_s = await call.first_sound(spoken.began_s, within_s=2)
    ended_s = await call.silence(heard_s, for_s=0.4)

    assert codec in await lab.cli(lab.pbx, "pjsip show channelstats")
    assert heard_s - spoken.began_s < 0.25
    assert ended_s - heard_s == pytest.approx(spoken.ended_s - spoken.began_s, abs=0.1)
    assert call.level_heard_dbfs(heard_s, ended_s) > SPEECH_DBFS
    await call.hang_up()


async def test_a_phone_sends_all_the_time_and_no_frame_is_lost(phones: PhoneBook) -> None:
    call = await phones.line("softphone-2").call("600", noise_dbfs=-50)
    began_s = time.monotonic()
    await call.say("a word in a noisy room")
    await call.silence(began_s, for_s=0.3, dbfs=-30)
    until_s = time.monotonic()
    frames = sum(len(run.frames) for run in call.handset.heard.runs)

    assert frames * 0.02 == pytest.approx(until_s - call.answered_s, abs=0.3)
    assert -56 < call.level_heard_dbfs(until_s - 0.25, until_s - 0.05) < -44, "the room is heard"
    await call.hang_up()


async def test_what_is_heard_is_recognised(phones: PhoneBook) -> None:
    call = await phones.line("softphone-1").call("600")
    await call.say("next tuesday at half past three")
    heard = await call.hear(silence_s=0.6)

    assert "tuesday" in heard.text
    assert "half past three" in heard.text
    await call.hang_up()


async def test_keys_arrive_one_by_one(phones: PhoneBook, pbx: AriClient) -> None:
    one, two = await connected(phones, "softphone-1", "102", "softphone-2")
    with phones.ari.subscribe(two.channel_id) as events:
        await one.press("159#0*")
        digits = ""
        async with asyncio.timeout(5):
            while len(digits) < 6:
                event = await events.get()
                digits += getattr(event, "digit", "")
    assert digits == "159#0*"
    await one.hang_up()


async def test_a_busy_phone_an_unknown_number_and_nobody_home_are_told_apart(phones: PhoneBook) -> None:
    calling = asyncio.create_task(phones.line("softphone-1").call("102"))
    await (await phones.line("softphone-2").ringing()).decline()
    with pytest.raises(CallFailed) as busy:
        await calling
    assert busy.value.cause == 17

    with pytest.raises(CallFailed) as unknown:
        await phones.line("softphone-1").call("5555")
    assert unknown.value.cause in (1, 3)

    calling = asyncio.create_task(phones.line("softphone-1").call("103", ring_s=2))
    ringing = await phones.line("softphone-3").ringing()
    with pytest.raises(CallFailed):
        await calling
    await ringing.wait_gone(3)


async def test_cancelling_a_call_that_rings_stops_the_ringing(phones: PhoneBook) -> None:
    calling = asyncio.create_task(phones.line("softphone-1").call("102"))
    ringing = await phones.line("softphone-2").ringing()
    calling.cancel()
    await ringing.wait_gone(3)


async def test_a_text_reaches_the_phone_it_is_for(phones: PhoneBook, lab: Lab, pbx: AriClient) -> None:
    for name in ("softphone-1", "softphone-3"):
        contact = await contact_of(lab, name)
        body = f'For {name}: "Tuesday", 15:30\nsecond line äöü'
        await pbx.send_message(to=f"pjsip:{name}/{contact}", sender="sip:booking@127.0.0.1", body=body)
        text = await phones.text(name, within_s=3)
        assert text.body == body
        assert "booking" in text.sender

    number = "+447700900123"
    await pbx.send_message(
        to=f"pjsip:trunk/sip:{number}@127.0.0.1:{lab.ports.caller_sip}", sender="sip:booking@127.0.0.1", body="outside"
    )
    assert (await phones.text(number, within_s=3)).body == "outside"
    with pytest.raises(NothingHeard):
        await phones.text("softphone-4", within_s=0.2)


async def test_a_phone_shows_its_own_number_and_the_trunk_any(phones: PhoneBook) -> None:
    for line, given, shown in (
        ("softphone-1", "+15551234567", PHONE_NUMBERS["softphone-1"]),
        ("trunk", "+447700900123", "+447700900123"),
    ):
        calling = asyncio.create_task(phones.line(line).call("700", caller_id=given))
        ringing = await phones.line("scheduling").ringing()
        assert ringing.caller_number == shown
        await ringing.decline()
        call = await calling
        await call.hang_up()


async def test_a_recording_holds_both_sides(phones: PhoneBook, tmp_path: Path) -> None:
    call = await phones.line("softphone-1").call("600")
    spoken = await call.say("hello")
    await call.silence(spoken.began_s, for_s=0.4)
    await call.hang_up()
    call.save_wav(tmp_path / "call.wav")

    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 16_000)
        assert file.getnframes() / 16_000 == pytest.approx((call.ended_s or 0) - call.answered_s, abs=0.05)


async def test_nothing_is_left_when_calls_have_ended(phones: PhoneBook, lab: Lab) -> None:
    one, two = await connected(phones, "softphone-1", "102", "softphone-2")
    await two.hang_up()
    await one.wait_hangup(3)

    deadline_s = time.monotonic() + 5
    while left := [*await phones.ari.channels(), *await phones.ari.bridges()]:
        assert time.monotonic() < deadline_s, left
        await asyncio.sleep(0.05)
    assert "0 active channels" in await lab.cli(lab.pbx, "core show channels")


async def contact_of(lab: Lab, name: str) -> str:
    text = await lab.cli(lab.pbx, f"pjsip show aor {name}")
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.strip().startswith("contact "))
