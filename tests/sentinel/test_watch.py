"""The sentinel with workers on its socket and a scripted Asterisk, all real sockets; deaths are real signals."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from ari_app.call.heartbeat import Heartbeat
from ari_app.call.heartbeat_protocol import ChannelState, HeldChannel, Hello, encode
from ari_app.config import SentinelSettings
from ari_app.errors import BadInput
from ari_app.sentinel.status import ask_status
from ari_app.sentinel.watch import Sentinel

from .conftest import AmiServer, ami_at, channel, until, watching

WORKER = """
import asyncio, sys
from pathlib import Path
from ari_app.call.heartbeat import Heartbeat
from ari_app.call.heartbeat_protocol import ChannelState
from ari_app.config import SentinelSettings

async def main():
    settings = SentinelSettings(socket=Path(sys.argv[1]), heartbeat_s=0.05, silent_s=0.4)
    async with Heartbeat(settings, "booking-1") as heartbeat:
        for spec in sys.argv[2:]:
            channel_id, state, linked = spec.split(",")
            heartbeat.channel(f"PJSIP/trunk-{channel_id}", channel_id, state=ChannelState(state), linked=linked or None)
        while not heartbeat.is_watched:
            await asyncio.sleep(0.01)
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def worker(settings: SentinelSettings, *channels: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of its own that holds `channels` ("id,state,linked")."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, str(settings.socket), *channels, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"held\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def status(settings: SentinelSettings) -> dict[str, object]:
    return dict(await ask_status(settings.socket))


async def until_status(settings: SentinelSettings, holds: Callable[[dict[str, object]], bool]) -> None:
    """Wait until the sentinel says so of itself."""
    async with asyncio.timeout(5):
        while True:
            if holds(await status(settings)):
                return
            await asyncio.sleep(0.01)


def channels_in(status: dict[str, object]) -> int:
    workers = status["workers"]
    assert isinstance(workers, list)
    return sum(sum(each["channels"].values()) for each in workers)


async def test_a_killed_workers_caller_is_brought_to_the_fallback(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    asterisk.take_call("1.2")
    asterisk.take_call("m1")
    async with worker(settings, "1.1,agent,", "1.2,agent,", "m1,media,") as process:
        process.kill()
        await until(lambda: len(asterisk.redirected) == 2)
    assert sorted(asterisk.redirected) == [("1.1", "fallback", "s"), ("1.2", "fallback", "s")]
    await until(lambda: asterisk.hung_up == ["m1"])


async def test_a_caller_whom_the_dying_worker_had_sent_to_the_fallback_itself_is_not_torn_away(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    asterisk.take_call("1.2")
    async with worker(settings, "1.1,agent,", "1.2,agent,") as process:
        asterisk.channels["1.1"] = ("fallback", "Dial", "")
        process.kill()
        await until(lambda: asterisk.redirected)
        await asyncio.sleep(settings.grace_s + 0.2)
    assert asterisk.redirected == [("1.2", "fallback", "s")]


async def test_a_frozen_workers_caller_is_brought_to_the_fallback_and_it_is_told_when_it_wakes(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    async with worker(settings, "1.1,agent,") as process:
        process.send_signal(signal.SIGSTOP)
        await until(lambda: asterisk.redirected == [("1.1", "fallback", "s")])
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.3)
        process.kill()
        await process.wait()
        await asyncio.sleep(settings.grace_s + 0.2)
    assert len(asterisk.redirected) == 1


async def test_a_caller_with_a_human_stays_and_the_second_leg_is_ended_with_the_first(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    for each in ("1.1", "1.2", "2.1", "2.2"):
        asterisk.take_call(each, bridge="b")
    async with worker(settings, "1.1,human,1.2", "2.1,human,2.2") as process:
        process.kill()
        await until_status(settings, lambda now: now["with_human"] == 2)
    asterisk.end("1.2")
    asterisk.end("2.1")
    await until(lambda: sorted(asterisk.hung_up) == ["1.1", "2.2"])
    assert asterisk.redirected == []


async def test_a_phone_that_rings_for_a_dead_worker_stops_ringing(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    asterisk.take_call("phone")
    async with worker(settings, "1.1,ringing,phone") as process:
        process.kill()
        await until(lambda: bool(asterisk.hung_up and asterisk.redirected))
    assert asterisk.hung_up == ["phone"]
    assert [each for each, *_ in asterisk.redirected] == ["1.1"]


async def test_a_good_bye_with_everything_handed_over_moves_nobody(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    async with Heartbeat(settings, "booking-1") as heartbeat:
        await until(lambda: heartbeat.is_watched)
        heartbeat.channel("PJSIP/trunk-1", "1.1", state=ChannelState.AGENT)
        heartbeat.gone("1.1")
    await asyncio.sleep(settings.grace_s + 0.2)
    assert asterisk.redirected == []


async def test_a_good_bye_with_a_caller_left_brings_that_caller_to_the_fallback(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    async with Heartbeat(settings, "booking-1") as heartbeat:
        await until(lambda: heartbeat.is_watched)
        heartbeat.channel("PJSIP/trunk-1", "1.1", state=ChannelState.AGENT)
    await until(lambda: len(asterisk.redirected) == 1)


async def test_a_worker_started_anew_within_the_grace_takes_its_callers_up_again(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    asterisk.take_call("1.2")
    reader, writer = await asyncio.open_unix_connection(settings.socket)
    writer.write(encode(Hello("booking-1", 1, "old", (channel("1.1"), channel("1.2")))))
    await reader.readline()
    writer.close()
    orphans: list[HeldChannel] = []

    def take_up(found: tuple[HeldChannel, ...]) -> None:
        orphans.extend(found)
        heartbeat.channel(found[0].name, found[0].id, state=found[0].state)

    async with Heartbeat(settings, "booking-1", on_orphans=take_up) as heartbeat:
        await until(lambda: orphans)
        await until(lambda: asterisk.redirected)
        assert [each for each, *_ in asterisk.redirected] == ["1.2"]
        await asyncio.sleep(settings.grace_s + 0.1)
        heartbeat.gone("1.1")
    assert len(asterisk.redirected) == 1


async def test_asterisk_away_at_the_death_the_caller_goes_as_soon_as_it_is_back(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    async with worker(settings, "1.1,agent,") as process:
        await asterisk.stop()
        process.kill()
        await process.wait()
        await asyncio.sleep(settings.grace_s + 0.3)
    await asterisk.start()
    await until(lambda: [each for each, *_ in asterisk.redirected] == ["1.1"])


async def test_a_frozen_asterisk_is_noticed_and_the_caller_goes_when_it_answers_again(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    async with worker(settings, "1.1,agent,") as process:
        asterisk.is_mute = True
        process.kill()
        await process.wait()
        await until_status(settings, lambda now: not now["ami"])
    assert asterisk.redirected == []
    asterisk.is_mute = False
    await until(lambda: [each for each, *_ in asterisk.redirected] == ["1.1"])


async def test_callers_of_an_asterisk_that_was_restarted_are_let_go(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    async with worker(settings, "1.1,agent,") as process:
        await asterisk.stop()
        asterisk.channels.clear()
        process.kill()
        await process.wait()
        await asyncio.sleep(settings.grace_s + 0.2)
        assert (await status(settings))["owed"] == 1
    await asterisk.start()
    await until_status(settings, lambda now: not now["owed"])
    assert asterisk.redirected == []


async def test_a_redirect_without_effect_is_tried_again(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    asterisk.ignores_redirects = 1
    async with worker(settings, "1.1,agent,") as process:
        process.kill()
        await until(lambda: len(asterisk.redirected) == 2)
    assert asterisk.channels["1.1"][0] == "fallback"


async def test_a_wrong_ami_password_is_tried_again_until_it_is_right(
    settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.secret = "another"
    async with watching(settings, asterisk):
        await until(lambda: asterisk.logins >= 2)
        assert not (await status(settings))["ami"]
        asterisk.secret = "secret"
        await until_status(settings, lambda now: bool(now["ami"]))


async def test_a_worker_that_dies_while_the_sentinel_restarts_is_caught(
    settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    asterisk.take_call("1.2", bridge="b")
    asterisk.take_call("human", bridge="b")
    async with AsyncExitStack() as first:
        await first.enter_async_context(watching(settings, asterisk))
        async with worker(settings, "1.1,agent,", "1.2,agent,") as process:
            await until_status(settings, lambda now: channels_in(now) == 2)
            await first.aclose()
            process.kill()
            await process.wait()
    assert asterisk.redirected == []
    async with watching(settings, asterisk):
        await until(lambda: asterisk.redirected)
        await asyncio.sleep(0.2)
    assert [each for each, *_ in asterisk.redirected] == ["1.1"]


async def test_a_worker_that_lives_on_loses_nobody_by_the_sentinels_restart(
    settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    async with Heartbeat(settings, "booking-1") as heartbeat:
        heartbeat.channel("PJSIP/trunk-1", "1.1", state=ChannelState.AGENT)
        for _ in range(2):
            async with watching(settings, asterisk):
                await until(lambda: heartbeat.is_watched)
                await asyncio.sleep(settings.silent_s + 0.2)
                assert channels_in(await status(settings)) == 1
            await until(lambda: not heartbeat.is_watched)
        assert asterisk.redirected == []
        heartbeat.gone("1.1")


async def test_a_spoilt_state_file_is_an_empty_one(settings: SentinelSettings, asterisk: AmiServer) -> None:
    for spoilt in (b"", b"{", b"[]", b'{"version": 99}', b'{"version": 1, "workers": [3]}', b"\xff"):
        settings.state_path.write_bytes(spoilt)
        async with watching(settings, asterisk):
            assert (await status(settings))["workers"] == []


async def test_garbage_on_the_socket_disturbs_nobody(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    asterisk.take_call("1.1")
    async with Heartbeat(settings, "booking-1") as heartbeat:
        heartbeat.channel("PJSIP/trunk-1", "1.1", state=ChannelState.AGENT)
        await until(lambda: heartbeat.is_watched)
        for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100_000 + b"\n", b"x" * (2 << 20), b'{"t":"bye"}\n'):
            _, writer = await asyncio.open_unix_connection(settings.socket)
            writer.write(rubbish)
            writer.close()
        await asyncio.sleep(settings.silent_s + 0.2)
        assert channels_in(await status(settings)) == 1
        heartbeat.gone("1.1")
    assert asterisk.redirected == []


async def test_the_socket_is_for_its_owner_and_group(sentinel: Sentinel, settings: SentinelSettings) -> None:
    assert os.stat(settings.socket).st_mode & 0o777 == 0o660


async def test_a_second_sentinel_is_refused(
    sentinel: Sentinel, settings: SentinelSettings, asterisk: AmiServer
) -> None:
    with pytest.raises(BadInput, match="another sentinel"):
        await Sentinel(settings, ami_at(asterisk.port)).run()


async def test_a_dead_sentinels_socket_is_taken_over(settings: SentinelSettings, asterisk: AmiServer) -> None:
    server = await asyncio.start_unix_server(lambda *_: None, settings.socket)
    server.close()
    assert settings.socket.exists()
    async with watching(settings, asterisk):
        await until(lambda: asterisk.logins)
        assert (await status(settings))["workers"] == []


async def test_a_place_where_no_socket_can_be_is_one_clear_line(settings: SentinelSettings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "s.sock", tmp_path / ("x" * 120)):
        wrong = settings.model_copy(update={"socket": path})
        with pytest.raises(BadInput, match=r"sentinel\.socket"):
            await Sentinel(wrong, ami_at(1)).run()


async def test_asking_where_no_sentinel_is_says_how_to_start_one(settings: SentinelSettings) -> None:
    with pytest.raises(BadInput, match="ari-app sentinel"):
        await ask_status(settings.socket)
