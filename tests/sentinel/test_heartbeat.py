"""The worker's side: it never gets in a call's way, and tells everything again when it has to."""

import asyncio
import time

from ari_app.call import heartbeat as module
from ari_app.call.heartbeat import Heartbeat
from ari_app.call.heartbeat_protocol import Beat, Bye, ChannelState, Gone, HeldChannel, Hello, from_worker
from ari_app.config import SentinelSettings

from .conftest import until


class Listener:
    """In the sentinel's place: keeps what is said and, while `answers`, acknowledges."""

    def __init__(self, settings: SentinelSettings, *, answers: bool = True) -> None:
        self._settings = settings
        self.answers = answers
        self.said: list[object] = []
        self.connections = 0

    async def __aenter__(self) -> "Listener":
        self._server = await asyncio.start_unix_server(self._serve, self._settings.socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while line := await reader.readline():
            message = from_worker(line)
            self.said.append(message)
            if self.answers:
                answer = b'{"t":"welcome","orphans":[],"redirects":0}\n' if isinstance(message, Hello) else b""
                writer.write(answer or b'rubbish\n{"t":"seen","n":1,"redirects":2}\n')
        writer.close()

    def heard(self, kind: type) -> list[object]:
        return [each for each in self.said if isinstance(each, kind)]


async def test_without_a_sentinel_calls_go_on(settings: SentinelSettings) -> None:
    started = time.monotonic()
    async with Heartbeat(settings, "booking-1") as heartbeat:
        for number in range(1000):
            heartbeat.channel("PJSIP/x", str(number), state=ChannelState.AGENT)
            heartbeat.gone(str(number))
        assert not heartbeat.is_watched
    assert time.monotonic() - started < 1


async def test_a_sentinel_that_comes_later_is_told_everything(settings: SentinelSettings) -> None:
    async with Heartbeat(settings, "booking-1") as heartbeat:
        heartbeat.channel("PJSIP/x", "1.1", state=ChannelState.AGENT)
        heartbeat.channel("PJSIP/y", "1.2", state=ChannelState.HUMAN, linked="1.3")
        heartbeat.gone("1.1")
        async with Listener(settings) as listener:
            await until(lambda: heartbeat.is_watched)
            [hello] = listener.heard(Hello)
            assert isinstance(hello, Hello)
            assert hello.channels == (HeldChannel("1.2", "PJSIP/y", ChannelState.HUMAN, "1.3"),)


async def test_it_beats_and_says_each_change_once(settings: SentinelSettings) -> None:
    async with Listener(settings) as listener:
        async with Heartbeat(settings, "booking-1") as heartbeat:
            await until(lambda: heartbeat.is_watched)
            for _ in range(3):
                heartbeat.channel("PJSIP/x", "1.1", state=ChannelState.AGENT)
            heartbeat.channel("PJSIP/x", "1.1", state=ChannelState.RINGING, linked="1.9")
            heartbeat.gone("1.1")
            await until(lambda: len(listener.heard(Beat)) >= 3)
        await until(lambda: listener.heard(Bye))
    assert [each.state for each in listener.heard(HeldChannel) if isinstance(each, HeldChannel)] == ["agent", "ringing"]
    assert listener.heard(Gone) == [Gone("1.1")]


async def test_a_sentinel_that_stops_answering_is_left_and_tried_again(settings: SentinelSettings) -> None:
    async with Listener(settings) as listener, Heartbeat(settings, "booking-1") as heartbeat:
        await until(lambda: heartbeat.is_watched)
        listener.answers = False
        await until(lambda: not heartbeat.is_watched)
        listener.answers = True
        await until(lambda: heartbeat.is_watched)
        assert listener.connections >= 2


async def test_a_sentinel_that_does_not_read_costs_a_bounded_amount(settings: SentinelSettings) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"t":"welcome","orphans":[],"redirects":0}\n')
        await released.wait()
        writer.close()

    released = asyncio.Event()
    server = await asyncio.start_unix_server(deaf, settings.socket, limit=1)
    async with Heartbeat(settings, "booking-1") as heartbeat:
        await until(lambda: heartbeat.is_watched)
        started = time.monotonic()
        for number in range(20_000):
            heartbeat.channel("PJSIP/" + "x" * 100, str(number % 50), state=ChannelState.AGENT, linked=str(number))
        assert time.monotonic() - started < 5
        await until(lambda: not heartbeat.is_watched)
        released.set()
    server.close()
    assert module.MOST_UNSENT_BYTES <= 1 << 20


async def test_names_that_could_end_a_header_are_made_harmless(settings: SentinelSettings) -> None:
    async with Listener(settings) as listener, Heartbeat(settings, "the first worker") as heartbeat:
        heartbeat.channel("PJSIP/My Phone-01\r\nAction: Originate", "1.1", state=ChannelState.AGENT)
        await until(lambda: listener.heard(Hello))
        await until(lambda: listener.heard(HeldChannel) or [e for e in listener.heard(Hello) if e.channels])  # type: ignore[attr-defined]
        heartbeat.gone("1.1")


async def test_an_error_in_the_body_comes_out_after_a_good_bye(settings: SentinelSettings) -> None:
    async with Listener(settings) as listener:
        try:
            async with Heartbeat(settings, "booking-1") as heartbeat:
                await until(lambda: heartbeat.is_watched)
                raise KeyError("bug")
        except KeyError:
            pass
        await until(lambda: listener.heard(Bye))
