"""Mouth and ear over a real socket to a server that misbehaves."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from conftest import settings_for
from scripted_ari import MediaSocket, Road, ScriptedAri

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.media_leg import INBOUND_FRAMES, MEDIA_PREFIX, MediaLeg, Outcome
from ari_app.asterisk.media_protocol import LEAD_FRAMES
from ari_app.audio.frames import FRAME_BYTES, FRAME_S
from ari_app.errors import AriRefused, AriUnavailable, MediaClosed, SynthesisFailed

FRAME = b"\x01\x00" * 320


async def until(condition: object) -> None:
    async with asyncio.timeout(3):
        while not condition():  # noqa: ASYNC110  (waiting for the server's side)
            await asyncio.sleep(0.002)


def channel_of(server: ScriptedAri) -> str:
    return server.media[-1].connection_id.removeprefix("to-")


async def test_a_leg_is_made_and_ended_with_its_channel(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        assert leg.channel_id.startswith(MEDIA_PREFIX)
        made = server.requests("POST", "/channels/externalMedia")[0].query
        assert made["channelId"] == leg.channel_id
        assert (made["format"], made["transport"], made["connection_type"]) == ("slin16", "websocket", "server")
        assert made["transport_data"] == "f(json)"
    assert server.requests("DELETE", f"/channels/{leg.channel_id}")
    assert not leg.is_open
    assert ari.subscription_count == 0


async def test_all_audio_is_played_in_order_and_ends_heard(ari: AriClient, server: ScriptedAri) -> None:
    audio = b"".join(bytes([number % 250, 0]) * 320 for number in range(300))

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(audio), 7001):
            yield audio[at : at + 7001]
            await asyncio.sleep(0)

    async with MediaLeg.open(ari) as leg:
        played = await leg.play(chunks()).wait()
        assert played.outcome is Outcome.HEARD
        assert played.heard_s == pytest.approx(6.0)
        queue = server.media[-1].queue
        assert bytes(queue.played) == audio
        assert queue.longest <= LEAD_FRAMES
        assert (queue.ignored, queue.lost_tail_bytes) == (0, 0)
        assert leg.counters.frames_out == 300
        await leg.drained()
        assert not leg.is_playing


async def test_plays_follow_each_other_without_a_gap(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        first, second = leg.play([FRAME * 30]), leg.play([b"\x02\x00" * 320 * 30])
        assert (await second.wait()).outcome is Outcome.HEARD
        assert first.is_done
        assert second.heard_s() == pytest.approx(0.6)
        assert bytes(server.media[-1].queue.played) == FRAME * 30 + b"\x02\x00" * 320 * 30


async def test_a_play_of_nothing_ends_at_once(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        played = await asyncio.wait_for(leg.play([]).wait(), 1)
        assert (played.outcome, played.heard_s) == (Outcome.HEARD, 0.0)
        assert await leg.flush() == 0.0


async def test_marks_are_reached_in_their_place(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        middle = leg.new_mark("middle 😀" * 50)
        play = leg.play([FRAME * 20, middle, FRAME * 40])
        assert await asyncio.wait_for(middle.wait(), 3) is Outcome.HEARD
        assert 20 * FRAME_S - 1e-9 <= play.heard_s() < 40 * FRAME_S
        end = await leg.mark("end")
        assert await asyncio.wait_for(end.wait(), 3) is Outcome.HEARD


async def test_flushing_stops_the_voice_and_tells_what_was_heard(ari: AriClient, server: ScriptedAri) -> None:
    server.tick_s = 0.01
    async with MediaLeg.open(ari) as leg:
        mark = leg.new_mark("late")
        play = leg.play([FRAME * 500, mark])
        waiting = asyncio.create_task(play.wait())
        media = server.media[-1]
        await until(lambda: len(media.queue.played) >= 30 * FRAME_BYTES)
        heard_s = await leg.flush()
        really_s = len(media.queue.played) / FRAME_BYTES * FRAME_S
        assert heard_s == pytest.approx(really_s, abs=1.5 * FRAME_S)
        played = await asyncio.wait_for(waiting, 1)
        assert played.outcome is Outcome.FLUSHED
        assert played.heard_s == heard_s
        assert mark.outcome is None or mark.outcome is Outcome.FLUSHED
        assert not media.queue.items
        again = await leg.play([FRAME * 10]).wait()
        assert again.outcome is Outcome.HEARD
        assert again.heard_s == pytest.approx(0.2)


async def test_a_mark_that_waits_in_the_queue_is_resolved_by_the_flush(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        server.media[-1].is_stalled = True
        leg.play([FRAME * 20])
        await until(lambda: server.media[-1].queue.frames == 20)
        mark = await leg.mark("end")
        await leg.flush()
        assert await asyncio.wait_for(mark.wait(), 1) is Outcome.FLUSHED


async def test_cancelling_say_silences_it(ari: AriClient, server: ScriptedAri) -> None:
    closed = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield FRAME * 10
                await asyncio.sleep(0)
        finally:
            closed.set()

    async with MediaLeg.open(ari) as leg:
        saying = asyncio.create_task(leg.say(chunks()))
        await until(lambda: len(server.media[-1].queue.played) > 20 * FRAME_BYTES)
        saying.cancel()
        await asyncio.wait([saying])
        assert saying.cancelled()
        assert "FLUSH_MEDIA" in server.media[-1].commands
        assert closed.is_set()
        assert leg.heard_s() > 0.3
        assert not leg.is_playing


async def test_a_flush_that_is_not_confirmed_ends_the_play_all_the_same(ari: AriClient, server: ScriptedAri) -> None:
    server.ignores_status = True
    async with MediaLeg.open(ari) as leg:
        play = leg.play([FRAME * 200])
        await until(lambda: len(server.media[-1].queue.played) > 20 * FRAME_BYTES)
        started = time.monotonic()
        await leg.flush()
        assert time.monotonic() - started < 1.0
        assert (await asyncio.wait_for(play.wait(), 1)).outcome is Outcome.FLUSHED


async def test_a_synthesiser_that_fails_is_told_after_what_it_made(ari: AriClient, server: ScriptedAri) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield FRAME * 50
        raise SynthesisFailed("no voice")

    async with MediaLeg.open(ari) as leg:
        with pytest.raises(SynthesisFailed):
            await asyncio.wait_for(leg.play(chunks()).wait(), 3)
        assert len(server.media[-1].queue.played) == 50 * FRAME_BYTES
        assert (await leg.play([FRAME]).wait()).outcome is Outcome.HEARD


async def test_xoff_stops_the_sending_and_xon_resumes_it(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        media = server.media[-1]
        await media.event("MEDIA_XOFF")
        await until(lambda: leg.counters.xoffs == 1)
        play = leg.play([FRAME * 60])
        await asyncio.sleep(0.1)
        assert media.queue.longest == 0
        await media.event("MEDIA_XON")
        assert (await asyncio.wait_for(play.wait(), 3)).outcome is Outcome.HEARD


async def test_a_socket_dropped_in_mid_prompt_ends_everyone_who_waits(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        play = leg.play([FRAME * 1000])
        mark = await leg.mark("x")

        async def listen() -> None:
            async for _ in leg.frames():
                pass

        waiting = [asyncio.create_task(each) for each in (play.wait(), listen(), leg.drained())]
        await until(lambda: len(server.media[-1].queue.played) > 20 * FRAME_BYTES)
        server.media[-1].socket._req.transport.abort()
        done, pending = await asyncio.wait(waiting, timeout=2)
        assert not pending
        assert {type(task.exception()) for task in done} == {MediaClosed}
        assert await asyncio.wait_for(mark.wait(), 1) in (Outcome.FLUSHED, Outcome.HEARD)
        assert play.heard_s() > 0.3
        for late in (leg.flush, leg.pause, leg.resume, leg.status, lambda: leg.mark("y"), lambda: leg.say([FRAME])):
            with pytest.raises(MediaClosed):
                await late()
    assert server.requests("DELETE", f"/channels/{leg.channel_id}")


async def test_a_black_holed_media_link_is_noticed(server: ScriptedAri) -> None:
    async with Road(server) as road, AriClient(settings_for(road.url, ping_s=0.2)) as ari:
        await ari.wait_connected(3)
        async with MediaLeg.open(ari) as leg:
            road.swallow()
            started = time.monotonic()
            with pytest.raises(MediaClosed, match="silent"):
                async for _ in leg.frames():
                    pass
            assert time.monotonic() - started < 0.7
            road.mend()


async def send_frames(media: MediaSocket, count: int) -> None:
    for number in range(count):
        await media.socket.send_bytes(bytes([number % 250, 0]) * 320)


async def test_what_the_caller_says_comes_in_frames(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        await send_frames(server.media[-1], 5)
        frames = leg.frames()
        assert [(await anext(frames))[0] for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_odd_frames_and_garbage_from_asterisk_do_no_harm(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        media = server.media[-1]
        await media.socket.send_bytes(b"\x01")
        await media.socket.send_bytes(b"\x02\x00" * 319 + b"\x07")
        await media.socket.send_str("{not json")
        await media.socket.send_str('{"event": "FROM_THE_FUTURE"}')
        await media.socket.send_bytes(b"\x03\x00" * 1)
        assert await anext(leg.frames()) == b"\x02\x00" * 319 + b"\x03\x00"
        assert leg.counters.bytes_malformed == 2
        assert leg.counters.faults == 2


async def test_unread_audio_is_bounded_and_the_oldest_goes(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        await send_frames(server.media[-1], INBOUND_FRAMES + 20)
        await until(lambda: leg.frames_dropped == 20)
        assert leg.unread_frames == INBOUND_FRAMES
        assert (await anext(leg.frames()))[0] == 20


async def test_closing_on_purpose_ends_the_frames_quietly(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        listening = asyncio.create_task(collect(leg))
        await send_frames(server.media[-1], 3)
        await until(lambda: leg.counters.frames_in == 3)
    assert len(await asyncio.wait_for(listening, 1)) == 3


async def collect(leg: MediaLeg) -> list[bytes]:
    return [frame async for frame in leg.frames()]


async def test_status_is_asterisks_own_account(ari: AriClient, server: ScriptedAri) -> None:
    async with MediaLeg.open(ari) as leg:
        await leg.pause()
        leg.play([FRAME * 12])
        await until(lambda: server.media[-1].queue.frames == 12)
        status = await leg.status()
        assert (status.queue_frames, status.is_paused) == (12, True)
        await leg.resume()
        await asyncio.wait_for(leg.drained(), 3)


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_refused_media_channel_is_refused(ari: AriClient, server: ScriptedAri, status: int) -> None:
    server.answers["POST", "/channels/externalMedia"] = (status, {"message": "no chan_websocket"})
    with pytest.raises(AriRefused):
        async with MediaLeg.open(ari):
            pytest.fail("there is no leg")


async def test_a_refused_media_socket_leaves_no_channel(ari: AriClient, server: ScriptedAri) -> None:
    server.refuses_media = True
    with pytest.raises(MediaClosed):
        async with MediaLeg.open(ari):
            pytest.fail("there is no leg")
    assert not server.channels


async def test_a_media_channel_that_never_starts_is_unavailable_and_ended(server: ScriptedAri) -> None:
    server.forgets_stasis_start = True
    async with AriClient(settings_for(server.url, request_timeout_s=0.3)) as ari:
        await ari.wait_connected(3)
        with pytest.raises(AriUnavailable):
            async with MediaLeg.open(ari):
                pytest.fail("there is no leg")
        assert not server.channels
        assert ari.subscription_count == 0


async def test_a_media_channel_whose_start_is_lost_is_made_again(ari: AriClient, server: ScriptedAri) -> None:
    server.forgets_first_starts = 1
    async with MediaLeg.open(ari) as leg:
        assert [media.connection_id for media in server.media][1:] == [f"to-{leg.channel_id}"]
        assert list(server.channels) == [leg.channel_id]
    assert not server.channels


async def test_media_channels_are_made_and_ended_one_at_a_time(ari: AriClient, server: ScriptedAri) -> None:
    server.forgets_first_starts = 1

    async def talk() -> None:
        async with MediaLeg.open(ari):
            pass

    first = asyncio.create_task(talk())
    await server.wait_media()
    second = asyncio.create_task(talk())
    await asyncio.sleep(0.2)
    assert len(server.media) == 1
    await asyncio.wait_for(second, 1)  # it waits half a second at most for the first, whose start is lost
    assert not first.done()
    await first
    assert not server.channels


async def test_another_format_than_agreed_is_refused(ari: AriClient, server: ScriptedAri) -> None:
    server.media_start = {"format": "ulaw", "optimal_frame_size": 160, "ptime": 20}
    with pytest.raises(MediaClosed, match="ulaw"):
        async with MediaLeg.open(ari):
            pytest.fail("there is no leg")


async def test_opening_that_is_cancelled_leaves_no_channel(server: ScriptedAri) -> None:
    server.forgets_stasis_start = True
    async with AriClient(settings_for(server.url)) as ari:
        await ari.wait_connected(3)

        async def talk() -> None:
            async with MediaLeg.open(ari):
                pytest.fail("there is no leg")

        talking = asyncio.create_task(talk())
        await server.wait_media()
        talking.cancel()
        await asyncio.wait([talking])
        assert not server.channels


async def test_no_task_outlives_the_leg(ari: AriClient, server: ScriptedAri) -> None:
    before = asyncio.all_tasks()
    async with MediaLeg.open(ari) as leg:
        leg.play([FRAME * 1000])
        leg.play([FRAME * 1000])
        await until(lambda: len(server.media[-1].queue.played) > 0)
    assert not {task for task in asyncio.all_tasks() - before if task.get_name().startswith("media-")}
