"""A line that loses packets: a UDP relay between the caller's Asterisk and the PBX that drops a share of the RTP.

SIP passes through it whole; each call's SDP is rewritten so that both sides send their RTP to one socket of the
relay's, which passes it on to the other side, or drops it. Loopback only. RTCP isn't relayed.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from ari_app.lab.places import LOOPBACK

Address = tuple[str, int]

_AUDIO = re.compile(rb"(?m)^m=audio (\d+) ")
_CALL_ID = re.compile(rb"(?mi)^(?:Call-ID|i):\s*(\S+)")
_LENGTH = re.compile(rb"(?mi)^((?:Content-Length|l):\s*)\d+")


@dataclass(slots=True)
class Losses:
    """What passed through the line."""

    packets: int = 0
    dropped: int = 0


@dataclass(eq=False)
class _Socket(asyncio.DatagramProtocol):
    """A UDP socket whose datagrams go to a function."""

    take: Callable[[bytes, Address], None]
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.take(data, addr)

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])

    def send(self, data: bytes, to: Address) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data, to)


@dataclass(eq=False)
class _Media:
    """One call's RTP: what comes from either side goes to the other."""

    line: "LossyLine"
    socket: _Socket | None = None
    caller_port: int = 0
    pbx_port: int = 0

    def take(self, packet: bytes, sender: Address) -> None:
        to_port = self.pbx_port if sender[1] == self.caller_port else self.caller_port
        losses = self.line.losses
        losses.packets += 1
        if self.line.chance.random() < self.line.loss:
            losses.dropped += 1
        elif to_port and self.socket is not None:
            self.socket.send(packet, (LOOPBACK, to_port))


@dataclass(eq=False)
class LossyLine:
    """Open by `LossyLine.open`; dial through `port`."""

    loss: float
    """Share of packets, 0..1, each way."""
    pbx_port: int
    losses: Losses = field(default_factory=Losses)
    chance: random.Random = field(default_factory=lambda: random.Random(5))
    _caller: Address = (LOOPBACK, 0)
    _near: _Socket = field(init=False)
    _far: _Socket = field(init=False)
    _media: dict[bytes, _Media] = field(default_factory=dict)
    _waiting: asyncio.Queue[tuple[bytes, bool]] = field(default_factory=asyncio.Queue)

    @classmethod
    @asynccontextmanager
    async def open(cls, *, loss: float, pbx_port: int) -> AsyncIterator["LossyLine"]:
        """A line to the PBX's SIP port; gone with the block."""
        line = cls(loss, pbx_port)
        line._near = await _bound(line._from_caller)
        line._far = await _bound(lambda data, _from: line._waiting.put_nowait((data, False)))
        passing = asyncio.create_task(line._pass_on(), name="lossy-line")
        try:
            yield line
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)
            sockets = [line._near, line._far, *(media.socket for media in line._media.values())]
            for each in sockets:
                if each is not None and each.transport is not None:
                    each.transport.close()
            await asyncio.sleep(0)  # a closed transport ends in the loop's next turn

    @property
    def port(self) -> int:
        return self._near.port

    def _from_caller(self, data: bytes, sender: Address) -> None:
        self._caller = sender
        self._waiting.put_nowait((data, True))

    async def _pass_on(self) -> None:
        while True:
            data, is_from_caller = await self._waiting.get()
            message = await self._rewritten(data, is_from_caller=is_from_caller)
            if is_from_caller:
                self._far.send(message, (LOOPBACK, self.pbx_port))
            else:
                self._near.send(message, self._caller)

    async def _rewritten(self, message: bytes, *, is_from_caller: bool) -> bytes:
        offer, call_id = _AUDIO.search(message), _CALL_ID.search(message)
        if offer is None or call_id is None:
            return message
        media = self._media.setdefault(call_id[1], _Media(self))
        if media.socket is None:
            media.socket = await _bound(media.take)
        if is_from_caller:
            media.caller_port = int(offer[1])
        else:
            media.pbx_port = int(offer[1])
        head, blank, body = message.partition(b"\r\n\r\n")
        body = _AUDIO.sub(b"m=audio %d " % media.socket.port, body)
        return _LENGTH.sub(rb"\g<1>%d" % len(body), head) + blank + body


async def _bound(take: Callable[[bytes, Address], None]) -> _Socket:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_datagram_endpoint(lambda: _Socket(take), local_addr=(LOOPBACK, 0))
    return protocol
