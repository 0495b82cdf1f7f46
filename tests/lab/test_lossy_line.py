"""The lossy line between two UDP sockets that stand for the Asterisks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from ari_app.lab.lossy_line import LossyLine

SDP = b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio %d RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
HEAD = b"%s\r\nCall-ID: abc@host\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n"


class Peer(asyncio.DatagramProtocol):
    """One side."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.port = int(transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.put_nowait((data, addr))

    async def hears(self) -> tuple[bytes, tuple[str, int]]:
        async with asyncio.timeout(5):
            return await self.heard.get()


@asynccontextmanager
async def peers(count: int) -> AsyncIterator[list[Peer]]:
    loop = asyncio.get_running_loop()
    made = [(await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0)))[1] for _ in range(count)]
    try:
        yield made
    finally:
        for peer in made:
            peer.transport.close()
        await asyncio.sleep(0)  # a closed transport ends in the loop's next turn


def message(first: bytes, rtp_port: int) -> bytes:
    body = SDP % rtp_port
    return HEAD % (first, len(body)) + body


def audio_port(data: bytes) -> int:
    return int(data.split(b"m=audio ")[1].split()[0])


async def test_sip_passes_and_both_sides_are_given_the_relays_rtp_socket():
    async with peers(2) as (caller, pbx), LossyLine.open(loss=0.0, pbx_port=pbx.port) as line:
        caller.transport.sendto(message(b"INVITE sip:700@host SIP/2.0", 41000), ("127.0.0.1", line.port))
        invite, relay = await pbx.hears()
        pbx.transport.sendto(message(b"SIP/2.0 200 OK", 9), relay)
        answer, _ = await caller.hears()
    assert invite.startswith(b"INVITE sip:700@host SIP/2.0\r\n")
    assert answer.startswith(b"SIP/2.0 200 OK\r\n")
    assert audio_port(invite) == audio_port(answer)
    assert audio_port(answer) not in {41000, 9}
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head


async def test_message_without_sdp_is_left_alone():
    async with peers(2) as (caller, pbx), LossyLine.open(loss=0.0, pbx_port=pbx.port) as line:
        options = b"OPTIONS sip:700@host SIP/2.0\r\nCall-ID: x\r\nContent-Length: 0\r\n\r\n"
        caller.transport.sendto(options, ("127.0.0.1", line.port))
        assert (await pbx.hears())[0] == options


async def test_a_share_of_the_packets_is_lost_and_the_rest_comes_in_order():
    async with peers(4) as (caller, pbx, mouth, ear), LossyLine.open(loss=0.3, pbx_port=pbx.port) as line:
        caller.transport.sendto(message(b"INVITE sip:700@host SIP/2.0", mouth.port), ("127.0.0.1", line.port))
        invite, relay = await pbx.hears()
        pbx.transport.sendto(message(b"SIP/2.0 200 OK", ear.port), relay)
        await caller.hears()
        for number in range(200):
            mouth.transport.sendto(b"%03d" % number, ("127.0.0.1", audio_port(invite)))
        heard = [(await ear.hears())[0] for _ in range(100)]
        assert 40 <= line.losses.dropped <= 80
        assert heard == sorted(heard)
