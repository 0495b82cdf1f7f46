"""A WebSocket whose death is noticed: own pings, whatever TCP believes.

A black-holed link (packets dropped, no close) is noticed after two unanswered pings, at most `3 * interval_s`
after it died. A frozen event loop of ours isn't mistaken for a dead peer: only pings that had their chance to be
answered count.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress

import aiohttp

UNANSWERED_PINGS = 2
CLOSE_S = 1.0

_ENDINGS = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


class LinkLost(Exception):
    """The socket ended; `reason` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Link:
    """One open client WebSocket, opened with `autoping=False`; one reader, any number of writers."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool], *, interval_s: float, write_s: float) -> None:
        self._socket = socket
        self._interval_s = interval_s
        self._write_s = write_s
        """How long a write may wait for a full send buffer before the link counts as lost."""
        self._unanswered = 0
        self._lost: str | None = None

    @property
    def is_open(self) -> bool:
        return self._lost is None and not self._socket.closed

    async def messages(self) -> AsyncIterator[bytes | str]:
        """Each text (str) or binary (bytes) message; ends only by raising LinkLost. Cancelling loses nothing."""
        while True:
            message = await self._socket.receive()
            self._unanswered = 0
            match message.type:
                case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                    yield message.data
                case aiohttp.WSMsgType.PING:
                    await self._write(self._socket.pong(message.data))
                case kind if kind in _ENDINGS:
                    raise LinkLost(self._lost or self._ending(kind, message.data))

    async def keep_alive(self) -> None:
        """Ping for ever; raises LinkLost when the peer stops answering. Run beside the reader."""
        while True:
            if self._unanswered >= UNANSWERED_PINGS:
                reason = f"silent: {self._unanswered} pings unanswered"
                self._abort(reason)
                raise LinkLost(reason)
            self._unanswered += 1
            await self._write(self._socket.ping())
            await asyncio.sleep(self._interval_s)

    async def send_text(self, text: str) -> None:
        """Raises LinkLost."""
        await self._write(self._socket.send_str(text))

    async def send_bytes(self, data: bytes) -> None:
        """Raises LinkLost."""
        await self._write(self._socket.send_bytes(data))

    async def close(self) -> None:
        """Close politely where the peer still answers, briefly; idempotent."""
        self._lost = self._lost or "closed by us"
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close()
        except TimeoutError:
            self._drop_transport()

    async def _write(self, write: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._write_s):
                await write
        except TimeoutError as exc:
            self._abort("writing took too long")
            raise LinkLost("writing took too long") from exc
        except (ConnectionError, aiohttp.ClientError, RuntimeError) as exc:
            raise LinkLost(self._lost or f"{type(exc).__name__} while writing") from exc

    def _ending(self, kind: aiohttp.WSMsgType, data: object) -> str:
        if kind is aiohttp.WSMsgType.ERROR:
            return f"error: {data}"
        return f"closed by the peer, code {self._socket.close_code}"

    def _abort(self, reason: str) -> None:
        """Drop the TCP connection without a close handshake that nobody would answer."""
        self._lost = reason
        self._drop_transport()

    def _drop_transport(self) -> None:
        stream = self._socket.get_extra_info("socket")
        if stream is not None:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
