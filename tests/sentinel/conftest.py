"""A scripted Asterisk on a real socket, and workers that speak the real protocol."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from ari_app.call.heartbeat_protocol import ChannelState, HeldChannel
from ari_app.config import AmiSettings, SentinelSettings
from ari_app.sentinel.watch import Sentinel


def channel(channel_id: str, state: ChannelState = ChannelState.AGENT, linked: str | None = None) -> HeldChannel:
    return HeldChannel(channel_id, f"PJSIP/trunk-{channel_id}", state, linked)


async def until(holds: Callable[[], object], *, within_s: float = 5.0) -> None:
    """Wait for something that another task brings about."""
    async with asyncio.timeout(within_s):
        while True:
            if holds():
                return
            await asyncio.sleep(0.005)


@dataclass
class AmiServer:
    """As much of Asterisk's AMI as the sentinel uses: login, Ping, Status, Redirect, Hangup, the Hangup event.

    `channels`: id -> (context, application, bridge). `is_mute`: takes everything and answers nothing (a frozen
    Asterisk). `ignores_redirects`: says Success and leaves the channel where it is.
    """

    secret: str = "secret"
    port: int = 0
    channels: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    redirected: list[tuple[str, str, str]] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    logins: int = 0
    is_mute: bool = False
    ignores_redirects: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.close()
        self._server = None
        await until(lambda: not self._writers)

    def end(self, channel_id: str) -> None:
        """A caller or a human hangs up."""
        if self.channels.pop(channel_id, None) is not None:
            for writer in self._writers:
                writer.write(f"Event: Hangup\r\nUniqueid: {channel_id}\r\nCause: 16\r\n\r\n".encode())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            writer.write(b"Asterisk Call Manager/11.0.0\r\n")
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in text.strip().split("\r\n"))
                if not self.is_mute:
                    writer.write(self._answer(fields).encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, fields: dict[str, str]) -> str:
        action_id = fields["ActionID"]
        match fields["Action"]:
            case "Login":
                self.logins += 1
                right = fields["Secret"] == self.secret
                return _response(action_id, right, "Authentication accepted" if right else "Authentication failed")
            case "Ping":
                return _response(action_id, True, "")
            case "Status":
                return self._status(action_id, fields.get("Channel"))
            case "Redirect":
                return self._redirect(action_id, fields)
            case "Hangup":
                if fields["Channel"] not in self.channels:
                    return _response(action_id, False, "No such channel")
                self.hung_up.append(fields["Channel"])
                asyncio.get_running_loop().call_soon(self.end, fields["Channel"])
                return _response(action_id, True, "Channel Hungup")
            case _:
                return _response(action_id, False, "Permission denied")

    def _redirect(self, action_id: str, fields: dict[str, str]) -> str:
        channel_id = fields["Channel"]
        if channel_id not in self.channels:
            return _response(action_id, False, "Channel does not exist: " + channel_id)
        self.redirected.append((channel_id, fields["Context"], fields["Exten"]))
        if self.ignores_redirects:
            self.ignores_redirects -= 1
        else:
            self.channels[channel_id] = (fields["Context"], "Dial", "")
        return _response(action_id, True, "Redirect successful")

    def _status(self, action_id: str, wanted: str | None) -> str:
        if wanted is not None and wanted not in self.channels:
            return _response(action_id, False, "No such channel")
        shown = [wanted] if wanted is not None else list(self.channels)
        head = f"ActionID: {action_id}\r\nEventList: "
        text = f"Response: Success\r\n{head}start\r\nMessage: Channel status will follow\r\n\r\n"
        for each in shown:
            context, application, bridge = self.channels[each]
            text += (
                f"Event: Status\r\nActionID: {action_id}\r\nChannel: {self.names.get(each, 'PJSIP/trunk-' + each)}\r\n"
                f"Uniqueid: {each}\r\nContext: {context}\r\nApplication: {application}\r\nBridgeID: {bridge}\r\n\r\n"
            )
        return (
            text
            + f"Event: StatusComplete\r\nActionID: {action_id}\r\nEventList: Complete\r\nItems: {len(shown)}\r\n\r\n"
        )

    def take_call(self, channel_id: str, *, bridge: str = "") -> None:
        self.channels[channel_id] = ("booking", "Stasis", bridge)


def _response(action_id: str, is_success: bool, message: str) -> str:
    return f"Response: {'Success' if is_success else 'Error'}\r\nActionID: {action_id}\r\nMessage: {message}\r\n\r\n"


@pytest.fixture
async def asterisk() -> AsyncIterator[AmiServer]:
    server = AmiServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def settings(tmp_path: Path) -> SentinelSettings:
    """Quick, so that a test takes tenths of seconds."""
    return SentinelSettings(socket=tmp_path / "s.sock", heartbeat_s=0.05, silent_s=0.4, grace_s=0.15)


def ami_at(port: int, secret: str = "secret") -> AmiSettings:
    return AmiSettings(port=port, user="sentinel", password=SecretStr(secret), timeout_s=0.5)


@asynccontextmanager
async def watching(
    settings: SentinelSettings, asterisk: AmiServer, *, secret: str = "secret"
) -> AsyncIterator[Sentinel]:
    sentinel = Sentinel(settings, ami_at(asterisk.port, secret))
    task = asyncio.create_task(sentinel.run())
    try:
        await until(lambda: settings.socket.exists() or task.done())
        yield sentinel
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def sentinel(settings: SentinelSettings, asterisk: AmiServer) -> AsyncIterator[Sentinel]:
    async with watching(settings, asterisk) as running:
        await until(lambda: asterisk.logins)
        yield running
