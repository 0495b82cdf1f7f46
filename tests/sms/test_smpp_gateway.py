import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from ari_app.errors import ConfigInvalid, SmsFailed
from ari_app.sms.smpp_gateway import SmppGateway

BIND_TRANSMITTER, SUBMIT_SM, UNBIND, ENQUIRE_LINK, RESPONSE = 0x02, 0x04, 0x06, 0x15, 0x80000000
NUMBER = "+441632960001"


@dataclass
class Submitted:
    source: tuple[int, str]
    destination: tuple[int, str]
    esm_class: int
    data_coding: int
    message: bytes


@dataclass
class SmsCentre:
    """A small SMS centre: SMPP 3.4 over a real socket, written from the specification."""

    port: int = 0
    password: str = "secret"
    statuses: list[int] = field(default_factory=list)
    """Answers to submit_sm, used up one by one, then 0. -1 cuts the connection, -2 says nothing."""
    is_talkative: bool = False
    submitted: list[Submitted] = field(default_factory=list)
    unbound: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length, command, _, sequence = struct.unpack(">LLLL", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                if not self._answer(writer, command, sequence, body):
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, command: int, sequence: int, body: bytes) -> bool:
        status, answer = 0, b""
        match command:
            case 0x02:
                status = 0 if body.split(b"\0")[1].decode() == self.password else 0x0E
                answer = b"centre\0"
            case 0x04:
                self.submitted.append(_submitted(body))
                status = self.statuses.pop(0) if self.statuses else 0
                if status < 0:
                    return status == -2
                answer = b"id\0" if status == 0 else b""
                if self.is_talkative:
                    writer.write(struct.pack(">LLLL", 16, ENQUIRE_LINK, 0, 77))
            case 0x06:
                self.unbound += 1
            case _:
                return True
        writer.write(struct.pack(">LLLL", 16 + len(answer), command | RESPONSE, status, sequence) + answer)
        return True


def _submitted(body: bytes) -> Submitted:
    rest = body[body.index(b"\0") + 1 :]
    source_ton, rest = rest[0], rest[2:]
    source, _, rest = rest.partition(b"\0")
    destination_ton, rest = rest[0], rest[2:]
    destination, _, rest = rest.partition(b"\0")
    esm_class, rest = rest[0], rest[3:]
    _, _, rest = rest.partition(b"\0")
    _, _, rest = rest.partition(b"\0")
    data_coding, length = rest[2], rest[4]
    return Submitted(
        (source_ton, source.decode()),
        (destination_ton, destination.decode()),
        esm_class,
        data_coding,
        rest[5 : 5 + length],
    )


@pytest_asyncio.fixture
async def centre() -> AsyncIterator[SmsCentre]:
    running = SmsCentre()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()
    await server.wait_closed()


def _gateway(centre: SmsCentre, *, password: str = "secret", sender: str = "Practice") -> SmppGateway:
    return SmppGateway("127.0.0.1", centre.port, user="me", password=password, sender=sender, timeout_s=0.5)


async def _fail(gateway: SmppGateway, text: str = "See you.") -> SmsFailed:
    with pytest.raises(SmsFailed) as caught:
        await gateway.send(NUMBER, text, "k")
    await gateway.close()
    return caught.value


async def test_a_text_is_submitted_once(centre: SmsCentre) -> None:
    gateway = _gateway(centre)
    await gateway.send(NUMBER, "See you @ £5", "k")
    await gateway.close()
    assert centre.submitted == [
        Submitted((5, "Practice"), (1, "441632960001"), 0, 0, b"See you \x00 \x015"),
    ]
    assert centre.unbound == 1


@pytest.mark.parametrize(("sender", "source"), [("+441632960000", (1, "441632960000")), ("60777", (3, "60777"))])
async def test_a_sender_may_be_a_number_or_a_short_code(
    centre: SmsCentre, sender: str, source: tuple[int, str]
) -> None:
    gateway = _gateway(centre, sender=sender)
    await gateway.send(NUMBER, "x", "k")
    await gateway.close()
    assert centre.submitted[0].source == source


async def test_a_long_text_is_whole_again_on_the_phone(centre: SmsCentre) -> None:
    text = "Ваш приём во вторник 😀 " * 8
    gateway = _gateway(centre)
    await gateway.send(NUMBER, text, "k")
    await gateway.close()
    parts = centre.submitted
    assert len(parts) > 2
    assert {part.esm_class for part in parts} == {0x40}
    assert {part.data_coding for part in parts} == {8}
    assert [part.message[:3] for part in parts] == [b"\x05\x00\x03"] * len(parts)
    assert len({part.message[3] for part in parts}) == 1
    assert [tuple(part.message[4:6]) for part in parts] == [(len(parts), n + 1) for n in range(len(parts))]
    assert b"".join(part.message[6:] for part in parts).decode("utf-16-be") == text


async def test_a_centre_that_asks_back_is_answered(centre: SmsCentre) -> None:
    centre.is_talkative = True
    gateway = _gateway(centre)
    await gateway.send(NUMBER, "x" * 200, "k")
    await gateway.close()
    assert len(centre.submitted) == 2


@pytest.mark.parametrize(
    ("status", "is_permanent", "is_in_doubt"),
    [(0x0B, True, False), (0x58, False, False), (0x14, False, False), (-1, False, True), (-2, False, True)],
)
async def test_a_centres_refusals_are_told_apart(
    centre: SmsCentre, status: int, is_permanent: bool, is_in_doubt: bool
) -> None:
    centre.statuses = [status]
    failure = await _fail(_gateway(centre))
    assert (failure.is_permanent, failure.is_in_doubt) == (is_permanent, is_in_doubt)


async def test_a_text_half_taken_is_in_doubt(centre: SmsCentre) -> None:
    centre.statuses = [0, 0x58]
    assert (await _fail(_gateway(centre), "x" * 200)).is_in_doubt


async def test_a_wrong_password_can_be_mended_meanwhile(centre: SmsCentre) -> None:
    failure = await _fail(_gateway(centre, password="wrong"))
    assert not failure.is_permanent
    assert "Invalid Password" in str(failure)


async def test_a_centre_that_is_down_was_not_told(centre: SmsCentre) -> None:
    gateway = SmppGateway("127.0.0.1", 1, user="me", password="secret", sender="60777", timeout_s=0.5)
    failure = await _fail(gateway)
    assert not failure.is_in_doubt
    assert not failure.is_permanent


@pytest.mark.parametrize(
    "greeting",
    [b"\x00\x00\x00\x30HTTP/1.1 400 Bad Request\r\nserver: other\r\n\r\n", b"\0\0\0\1", b"SSH-2.0-x\r\n" * 9],
)
async def test_what_speaks_no_smpp_is_no_centre(greeting: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    failure = await _fail(SmppGateway("127.0.0.1", port, user="me", password="x", sender="60777", timeout_s=0.5))
    assert not failure.is_in_doubt
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("user", "password", "sender"),
    [("me", "secret", "a name far too long"), ("me", "secret", ""), ("me", "much too long", "60777")],
)
def test_wrong_settings_are_told_before_the_first_text(user: str, password: str, sender: str) -> None:
    with pytest.raises(ConfigInvalid, match="sms"):
        SmppGateway("127.0.0.1", 2775, user=user, password=password, sender=sender)
