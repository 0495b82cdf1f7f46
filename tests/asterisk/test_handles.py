"""Channels and bridges as handles: verbs, endings, and nothing left behind."""

import asyncio
import json

import pytest
from scripted_ari import ScriptedAri, channel

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.handles import Channel, DialFailed, Ending, dial, open_bridge, shown_caller_id
from ari_app.errors import CallEnded, CallerHungUp, ChannelGone


async def soon(awaitable: object) -> object:
    return await asyncio.wait_for(awaitable, 3)


async def settled(server: ScriptedAri, method: str, path: str) -> None:
    async with asyncio.timeout(3):
        while not server.requests(method, path):  # noqa: ASYNC110  (waiting for the server's side)
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("kind", ["ChannelHangupRequest", "ChannelDestroyed"])
async def test_hanging_up_ends_the_call_for_its_task_group(ari: AriClient, server: ScriptedAri, kind: str) -> None:
    async with Channel(ari, "1.1", is_caller=True) as caller:
        await server.emit(kind, channel=channel("1.1"))
        with pytest.raises(CallerHungUp):
            await soon(caller.until_gone_raises())


async def test_leaving_stasis_alive_is_no_hang_up(ari: AriClient, server: ScriptedAri) -> None:
    server.channels["1.1"] = channel("1.1", app_name="Dial")
    async with Channel(ari, "1.1", is_caller=True, hang_up_on_exit=True) as caller:
        await server.emit("StasisEnd", channel=channel("1.1"))
        with pytest.raises(CallEnded) as caught:
            await soon(caller.until_gone_raises())
        assert not isinstance(caught.value, CallerHungUp)
    assert not server.requests("DELETE", "/channels/1.1")


async def test_leaving_stasis_dead_is_a_hang_up(ari: AriClient, server: ScriptedAri) -> None:
    async with Channel(ari, "1.1") as caller:
        await server.emit("StasisEnd", channel=channel("1.1"))
        assert await soon(caller.until_gone()) is Ending.HUNG_UP


async def test_an_ending_before_anyone_waited_is_not_missed(ari: AriClient, server: ScriptedAri) -> None:
    async with Channel(ari, "1.1") as caller:
        await server.emit("ChannelHangupRequest", channel=channel("1.1"))
        await asyncio.sleep(0.1)
        assert await soon(caller.until_gone()) is Ending.HUNG_UP
        assert await soon(caller.until_gone()) is Ending.HUNG_UP


async def test_a_hang_up_while_ari_was_away_is_found_on_reconnect(ari: AriClient, server: ScriptedAri) -> None:
    server.channels["kept"] = channel("kept", app_name="StasisBroadcast")
    async with Channel(ari, "1.1") as lost, Channel(ari, "kept") as kept:
        staying = asyncio.create_task(kept.until_gone())
        await server.event_sockets[0].close()
        assert await soon(lost.until_gone()) is Ending.HUNG_UP
        assert not staying.done()
        server.channels["kept"] = channel("kept", app_name="Queue")
        await server.event_sockets[-1].close()
        assert await soon(staying) is Ending.LEFT


async def test_on_a_callers_handle_a_late_verb_is_a_hang_up(ari: AriClient, server: ScriptedAri) -> None:
    server.answers["*", "*"] = (404, {"message": "Channel not found"})
    async with Channel(ari, "1.1", is_caller=True) as caller:
        for verb in (
            caller.answer,
            caller.ring,
            caller.stop_ring,
            caller.start_moh,
            caller.stop_moh,
            caller.snapshot,
            lambda: caller.send_dtmf("1"),
            lambda: caller.set_variable("X", "1"),
            lambda: caller.variable("X"),
            lambda: caller.continue_in_dialplan(context="fallback"),
            lambda: caller.redirect("PJSIP/200"),
            lambda: caller.play_file("sound:beep"),
        ):
            with pytest.raises(CallerHungUp):
                await verb()
        await caller.hangup()
    async with Channel(ari, "2.2") as other:
        with pytest.raises(ChannelGone):
            await other.answer()


async def test_a_callers_hang_up_on_the_way_into_the_bridge_is_a_hang_up(ari: AriClient, server: ScriptedAri) -> None:
    async with Channel(ari, "1.1", is_caller=True) as caller, open_bridge(ari) as bridge:
        server.answers["POST", f"/bridges/{bridge.id}/addChannel"] = (400, {"message": "Channel not found"})
        with pytest.raises(CallerHungUp):
            await bridge.add(caller)


async def test_a_bridge_ends_with_its_block_even_when_cancelled(ari: AriClient, server: ScriptedAri) -> None:
    inside = asyncio.Event()

    async def talk() -> None:
        async with open_bridge(ari) as bridge:
            await bridge.add("1.1")
            inside.set()
            await asyncio.Event().wait()

    talking = asyncio.create_task(talk())
    await soon(inside.wait())
    talking.cancel()
    await asyncio.wait([talking])
    made = next(each.path for each in server.asked if each.path.startswith("/bridges/ari-app-bridge-"))
    assert server.requests("DELETE", made)


async def test_a_bridge_that_is_kept_stays(ari: AriClient, server: ScriptedAri) -> None:
    async with open_bridge(ari) as bridge:
        bridge.keep()
    assert not server.requests("DELETE", f"/bridges/{bridge.id}")


async def test_cleaning_up_survives_a_server_that_fails(ari: AriClient, server: ScriptedAri) -> None:
    async with open_bridge(ari) as bridge:
        server.answers["*", "*"] = (500, {"message": "broken"})

    assert server.requests("DELETE", f"/bridges/{bridge.id}")


async def dialled(server: ScriptedAri) -> str:
    async with asyncio.timeout(3):
        while True:
            for each in server.asked:
                if each.method == "POST" and each.path.startswith("/channels/ari-app-leg-"):
                    return each.path.removeprefix("/channels/")
            await asyncio.sleep(0.005)


async def test_an_answered_phone_is_yielded_and_hung_up_on_leaving(ari: AriClient, server: ScriptedAri) -> None:
    async def answer() -> None:
        leg = await dialled(server)
        await server.emit("Dial", peer=channel(leg), dialstatus="RINGING")
        await server.emit("StasisStart", channel=channel(leg), args=["handoff"])

    answering = asyncio.create_task(answer())
    async with dial(
        ari, "PJSIP/200", caller_name='Jane "the\r\n<x>" Doe', caller_number="+44 20", app_args="handoff"
    ) as phone:
        request = server.requests("POST", f"/channels/{phone.id}")[0]
    await answering
    assert request.query["callerId"] == '"Jane the x Doe" <+4420>'
    assert request.query["endpoint"] == "PJSIP/200"
    assert request.query["appArgs"] == "handoff"
    assert server.requests("DELETE", f"/channels/{phone.id}")


@pytest.mark.parametrize(
    ("dialstatus", "cause", "expected"),
    [("BUSY", 17, "BUSY"), ("RINGING", 19, "NOANSWER"), ("", 20, "CHANUNAVAIL"), ("NOANSWER", 0, "NOANSWER")],
)
async def test_a_phone_that_is_not_answered_says_why(
    ari: AriClient, server: ScriptedAri, dialstatus: str, cause: int, expected: str
) -> None:
    async def refuse() -> None:
        leg = await dialled(server)
        await server.emit("Dial", peer=channel(leg), dialstatus=dialstatus)
        await server.emit("ChannelDestroyed", channel=channel(leg), cause=cause, cause_txt="")

    refusing = asyncio.create_task(refuse())
    with pytest.raises(DialFailed) as caught:
        async with dial(ari, "PJSIP/200"):
            pytest.fail("nobody answered")
    await refusing
    assert caught.value.status == expected


async def test_a_phone_that_rings_too_long_is_hung_up(ari: AriClient, server: ScriptedAri) -> None:
    with pytest.raises(DialFailed) as caught:
        async with dial(ari, "PJSIP/200", ring_s=0.1):
            pytest.fail("nobody answered")
    assert caught.value.status == "NOANSWER"
    assert server.requests("DELETE", "/channels/" + await dialled(server))


async def test_an_endpoint_without_a_contact_is_unavailable(ari: AriClient, server: ScriptedAri) -> None:
    server.answers["POST", "*"] = (500, {"error": "Allocation failed"})
    with pytest.raises(DialFailed) as caught:
        async with dial(ari, "PJSIP/200"):
            pytest.fail("nobody answered")
    assert caught.value.status == "CHANUNAVAIL"


async def test_ringing_stops_when_the_caller_gives_up(ari: AriClient, server: ScriptedAri) -> None:
    async def ring() -> None:
        async with dial(ari, "PJSIP/200"):
            pytest.fail("nobody answered")

    ringing = asyncio.create_task(ring())
    leg = await dialled(server)
    ringing.cancel()
    await asyncio.wait([ringing])
    assert server.requests("DELETE", f"/channels/{leg}")


async def test_keys_are_queued_from_entering_on(ari: AriClient, server: ScriptedAri) -> None:
    async with Channel(ari, "1.1") as caller:
        with caller.digits() as digits:
            for key in "1*0":
                await server.emit("ChannelDtmfReceived", channel=channel("1.1"), digit=key, duration_ms=80)
            assert [await soon(digits.get()) for _ in range(3)] == ["1", "*", "0"]
    assert ari.subscription_count == 0


async def test_a_file_playback_is_stopped_when_cancelled_and_ended_by_a_hang_up(
    ari: AriClient, server: ScriptedAri
) -> None:
    server.answers["POST", "*"] = (201, {"id": "p", "media_uri": "sound:x", "target_uri": "channel:1.1", "state": "q"})
    async with Channel(ari, "1.1", is_caller=True) as caller:
        playing = asyncio.create_task(caller.play_file("sound:x"))
        async with asyncio.timeout(3):
            while not server.asked:  # noqa: ASYNC110  (waiting for the server's side)
                await asyncio.sleep(0.005)
        playback = server.asked[0].path.rpartition("/")[2]
        await asyncio.sleep(0.05)
        playing.cancel()
        await asyncio.wait([playing])
        assert server.requests("DELETE", f"/playbacks/{playback}")
        playing = asyncio.create_task(caller.play_file("sound:x"))
        await asyncio.sleep(0.05)
        await server.emit("ChannelHangupRequest", channel=channel("1.1"))
        with pytest.raises(CallerHungUp):
            await soon(playing)


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("Jane Doe", "+44", '"Jane Doe" <+44>'),
        ("", "", ""),
        ('"; drop\\ <sip:x@y>\x00' + "é" * 300, "1;phone-context=x\r\nVia: y", ""),
    ],
)
def test_a_shown_caller_id_holds_no_sip_syntax(name: str, number: str, expected: str) -> None:
    shown = shown_caller_id(name, number)
    assert shown == expected or not expected
    inner = shown.removeprefix('"').partition('" <')
    assert not set(inner[0]) & set('"<>\\\r\n\x00')
    assert len(shown) < 110
    assert json.dumps(shown).isascii()
