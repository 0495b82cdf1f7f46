"""The ARI client against a server that misbehaves over real sockets."""

import asyncio
import time

import pytest
from conftest import settings_for
from scripted_ari import Road, ScriptedAri, channel

from ari_app.asterisk import ari_client
from ari_app.asterisk import ari_events as ev
from ari_app.asterisk.ari_client import AriClient, backoff_s
from ari_app.asterisk.subscriptions import Subscriptions
from ari_app.errors import AriRefused, AriUnavailable, ChannelGone


async def next_of(events: object, kind: type) -> ev.Event:
    async with asyncio.timeout(5):
        while not isinstance(event := await events.get(), kind):
            pass
        return event


async def test_a_claim_is_won_once(ari: AriClient, server: ScriptedAri) -> None:
    assert await ari.claim("1.1")
    server.answers["POST", "/events/claim"] = (409, {"message": "Channel already claimed"})
    assert not await ari.claim("1.1")
    server.answers["POST", "/events/claim"] = (404, {"message": "not in broadcast state"})
    assert not await ari.claim("1.1")
    assert server.asked[0].query == {"application": "booking", "channelId": "1.1"}


async def test_every_request_is_authorised_and_ids_stay_one_path_segment(ari: AriClient, server: ScriptedAri) -> None:
    await ari.answer("1.1")
    assert server.asked[-1].authorization == server.expected_authorization
    assert server.asked[-1].path == "/channels/1.1/answer"
    await ari.answer("a/../b?c#d")
    assert server.asked[-1].path == "/channels/a/../b?c#d/answer"
    assert server.asked[-1].query == {}


async def test_a_variable_is_one_line_whatever_a_caller_is_called(ari: AriClient, server: ScriptedAri) -> None:
    await ari.set_variable("1.1", "NAME", 'J\r\nX: "é"&value=2 😀')
    assert server.asked[-1].query == {"variable": "NAME", "value": 'J  X: "é"&value=2 😀'}


async def test_what_may_be_long_or_private_is_not_in_the_address(ari: AriClient, server: ScriptedAri) -> None:
    body = "Zahnärztin 😀\n" * 300
    await ari.send_message(to="pjsip:x/sip:x@y", sender="sip:b@c", body=body, variables={"A": "1\r\n2"})
    asked = server.asked[-1]
    assert asked.query == {"to": "pjsip:x/sip:x@y", "from": "sip:b@c", "body": body, "variables": {"A": "1  2"}}
    assert asked.address == "/ari/endpoints/sendMessage"
    server.channels["c"] = channel("c")
    await ari.hangup("c", "busy")
    assert server.asked[-1].address == "/ari/channels/c?reason=busy"


async def test_a_variable_that_is_not_set_is_empty_and_a_channel_that_is_not_there_is_gone(
    ari: AriClient, server: ScriptedAri
) -> None:
    server.answers["GET", "/channels/1/variable"] = (404, {"message": "Provided variable was not found"})
    assert await ari.variable("1", "X") == ""
    server.answers["GET", "/channels/1/variable"] = (404, {"message": "Channel not found"})
    with pytest.raises(ChannelGone):
        await ari.variable("1", "X")


VERBS = [
    lambda ari: ari.answer("c"),
    lambda ari: ari.hangup("c"),
    lambda ari: ari.ring("c"),
    lambda ari: ari.stop_ring("c"),
    lambda ari: ari.start_moh("c"),
    lambda ari: ari.stop_moh("c"),
    lambda ari: ari.send_dtmf("c", "1"),
    lambda ari: ari.variable("c", "X"),
    lambda ari: ari.set_variable("c", "X", "1"),
    lambda ari: ari.continue_in_dialplan("c", context="fallback", extension="s", priority=1),
    lambda ari: ari.redirect("c", "PJSIP/200"),
    lambda ari: ari.move("c", "booking-2"),
    lambda ari: ari.play("c", "sound:beep", playback_id="p"),
    lambda ari: ari.stop_playback("p"),
    lambda ari: ari.channel("c"),
    lambda ari: ari.bridge("b"),
    lambda ari: ari.destroy_bridge("b"),
    lambda ari: ari.add_channel("b", "c"),
    lambda ari: ari.remove_channel("b", "c"),
    lambda ari: ari.start_bridge_moh("b"),
    lambda ari: ari.stop_bridge_moh("b"),
    lambda ari: ari.endpoint("PJSIP", "x"),
]


@pytest.mark.parametrize("status", [404, 409, 412])
@pytest.mark.parametrize("verb", VERBS)
async def test_what_is_no_longer_there_is_gone_on_every_verb(
    ari: AriClient, server: ScriptedAri, verb: object, status: int
) -> None:
    server.answers["*", "*"] = (status, {"message": "Channel not found"})
    with pytest.raises(ChannelGone) as caught:
        await verb(ari)
    assert caught.value.status == status
    assert caught.value.reason == "Channel not found"


@pytest.mark.parametrize("status", [400, 422])
async def test_a_bridge_says_in_its_own_way_that_a_channel_is_gone(
    ari: AriClient, server: ScriptedAri, status: int
) -> None:
    server.answers["POST", "/bridges/b/addChannel"] = (status, {"message": "Channel not found"})
    with pytest.raises(ChannelGone):
        await ari.add_channel("b", "c")


async def test_other_refusals_are_no_missing_channels(ari: AriClient, server: ScriptedAri) -> None:
    server.answers["*", "*"] = (500, "a string")
    with pytest.raises(AriRefused) as caught:
        await ari.answer("c")
    assert not isinstance(caught.value, ChannelGone)
    assert caught.value.status == 500


async def test_an_answer_that_never_comes_is_unavailability_within_the_timeout(server: ScriptedAri) -> None:
    server.hangs.add("/channels/c/answer")
    async with AriClient(settings_for(server.url, request_timeout_s=0.3)) as ari:
        started = time.monotonic()
        with pytest.raises(AriUnavailable, match="no answer in time"):
            await ari.answer("c")
        assert time.monotonic() - started < 1.0


async def test_nobody_there_is_unavailability() -> None:
    async with AriClient(settings_for("http://127.0.0.1:9")) as ari:
        with pytest.raises(AriUnavailable):
            await ari.ping()
        with pytest.raises(AriUnavailable):
            await ari.wait_connected(0.2)


async def test_a_wrong_password_is_named_as_such(server: ScriptedAri) -> None:
    async with AriClient(settings_for(server.url, password="wrong")) as ari:
        with pytest.raises(AriRefused) as caught:
            await ari.wait_connected(0.5)
        assert caught.value.status == 401


async def test_garbage_on_the_event_socket_is_counted_and_survived(ari: AriClient, server: ScriptedAri) -> None:
    with ari.subscribe() as events:
        for garbage in ("{", "[]", b"\xff\xfe", '{"type": "StasisStart"}', "", "[" * 50_000):
            await server.emit_raw(garbage)
        await server.emit("StasisStart", channel=channel("1.1"), args=[])
        event = await next_of(events, ev.StasisStart)
    assert event.subjects == {"1.1"}
    assert ari.unreadable == 6
    assert ari.generation == 1


async def test_events_go_to_those_whom_they_concern_only(ari: AriClient, server: ScriptedAri) -> None:
    with ari.subscribe("1") as one, ari.subscribe("2") as two, ari.subscribe() as everything:
        await server.emit("ChannelStateChange", channel=channel("1"))
        await server.emit("ChannelStateChange", channel=channel("2"))
        assert (await next_of(one, ev.ChannelStateChange)).subjects == {"1"}
        assert (await next_of(two, ev.ChannelStateChange)).subjects == {"2"}
        assert one.get_nowait() is None
        assert (await next_of(everything, ev.ChannelStateChange)).subjects == {"1"}
    assert ari.subscription_count == 0


async def test_a_lost_socket_is_reconnected_and_everyone_is_told(ari: AriClient, server: ScriptedAri) -> None:
    with ari.subscribe() as everything, ari.subscribe("1.1") as one:
        await server.event_sockets[0].close()
        assert (await next_of(everything, ev.AriDisconnected)).generation == 1
        assert (await next_of(everything, ev.AriConnected)).generation == 2
        assert (await next_of(one, ev.AriConnected)).generation == 2
        await server.emit("StasisEnd", channel=channel("1.1"))
        await next_of(one, ev.StasisEnd)


async def test_a_restart_is_survived_with_backoff(ari: AriClient, server: ScriptedAri) -> None:
    port = server.port
    with ari.subscribe() as events:
        await server.stop()
        await next_of(events, ev.AriDisconnected)
        assert not ari.is_connected
        await asyncio.sleep(0.5)
        opened = server.event_sockets_opened
        server.refuses_events = 2
        await server.listen(port)
        assert (await next_of(events, ev.AriConnected)).generation == 2
    assert server.event_sockets_opened - opened == 3


async def test_a_black_holed_link_is_noticed_within_three_seconds(server: ScriptedAri) -> None:
    async with Road(server) as road, AriClient(settings_for(road.url)) as ari:
        await ari.wait_connected(3)
        with ari.subscribe() as events:
            await asyncio.sleep(0.9)
            road.swallow()
            started = time.monotonic()
            lost = await next_of(events, ev.AriDisconnected)
            assert time.monotonic() - started < 3.0
            assert "silent" in lost.reason
            road.mend()
            await next_of(events, ev.AriConnected)


async def test_a_frozen_loop_of_ours_is_not_taken_for_a_dead_peer(server: ScriptedAri) -> None:
    async with AriClient(settings_for(server.url, ping_s=0.1)) as ari:
        await ari.wait_connected(3)
        time.sleep(0.6)  # noqa: ASYNC251  (the loop stands still, as it would in a long C call)
        await asyncio.sleep(0.5)
        assert ari.generation == 1


async def test_no_event_keeps_asterisk_waiting_whatever_a_consumer_does(ari: AriClient, server: ScriptedAri) -> None:
    with ari.subscribe(bound=10) as slow, ari.subscribe(bound=5000) as quick:
        for number in range(2000):
            async with asyncio.timeout(0.1):  # then Asterisk gives the socket up
                await server.emit("ChannelVarset", channel=channel("1"), variable="X", value=str(number))
        await server.emit("StasisEnd", channel=channel("1"))
        await next_of(quick, ev.StasisEnd)
        assert slow.dropped == 1991
        left = [slow.get_nowait() for _ in range(10)]
        assert isinstance(left[-1], ev.StasisEnd)
        assert slow.get_nowait() is None


async def test_a_client_that_was_replaced_does_not_stay_deaf(
    ari: AriClient, server: ScriptedAri, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ari_client, "REPLACED_WAIT_S", 0.1)
    with ari.subscribe() as events:
        await server.emit("ApplicationReplaced")
        await next_of(events, ev.ApplicationReplaced)
        assert "another client" in (await next_of(events, ev.AriDisconnected)).reason
        assert (await next_of(events, ev.AriConnected)).generation == 2


async def test_no_session_and_no_task_is_left(server: ScriptedAri) -> None:
    before = asyncio.all_tasks()
    async with AriClient(settings_for(server.url)) as ari:
        await ari.wait_connected(3)
        session = ari.session
        await ari.ping()
    assert session.closed
    async with asyncio.timeout(2):
        while server.event_sockets:  # noqa: ASYNC110  (waiting for the server's side)
            await asyncio.sleep(0.01)
    assert {task for task in asyncio.all_tasks() - before if "ari" in task.get_name()} == set()


async def test_an_error_in_the_block_comes_out_as_itself(server: ScriptedAri) -> None:
    with pytest.raises(ZeroDivisionError):
        async with AriClient(settings_for(server.url)):
            raise ZeroDivisionError


def test_backoff_grows_to_its_cap_and_is_jittered() -> None:
    assert all(0.05 <= backoff_s(0) <= 0.1 for _ in range(50))
    assert all(1.0 <= backoff_s(50) <= 2.0 for _ in range(50))
    assert len({backoff_s(50) for _ in range(50)}) > 10


async def test_a_full_queue_never_loses_an_ending() -> None:
    hub = Subscriptions()
    end = ev.parse_event('{"type": "ChannelDestroyed", "channel": {"id": "1"}}')
    noise = ev.parse_event('{"type": "ChannelVarset", "variable": "x", "value": "", "channel": {"id": "1"}}')
    with hub.open(["1"], bound=4) as events:
        hub.publish(end)
        for _ in range(100):
            hub.publish(noise)
        assert events.get_nowait() is end
    assert events.dropped == 97
    hub.publish(noise)
    assert hub.count == 0


async def test_even_endings_alone_do_not_grow_without_limit() -> None:
    hub = Subscriptions()
    end = ev.parse_event('{"type": "ChannelDestroyed", "channel": {"id": "1"}}')
    with hub.open(bound=4) as events:
        for _ in range(100):
            hub.publish(end)
        assert sum(1 for _ in iter(events.get_nowait, None)) == 16
