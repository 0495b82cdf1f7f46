"""A text message over SMPP 3.4 to an SMS centre (smpplib, the extra `smpp`), in a thread of its own.

One bind a message: a receptionist sends a few texts an hour, and a session kept open would need its own care.
"""

import asyncio
import contextlib
import random
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ari_app.errors import ConfigInvalid, SmsFailed
from ari_app.sms.wording import Segments, segments

if TYPE_CHECKING:
    from smpplib.client import Client
    from smpplib.pdu import PDU

_OK = 0
_TRY_LATER = {0x08, 0x0D, 0x14, 0x58, 0x64, 0xFE, 0xFF}
"""System error, bind failed, queue full, throttled, temporary application error, delivery failure, unknown."""
_UDHI = 0x40
_UCS2 = 0x08
_LONGEST_SYSTEM_ID, _LONGEST_PASSWORD = 15, 8


class SmppGateway:
    """Binds as a transmitter, submits each segment, waits for each one's answer, unbinds."""

    deduplicates = False

    def __init__(self, host: str, port: int, *, user: str, password: str, sender: str, timeout_s: float = 10.0) -> None:
        """`sender`: "+44...", a short code, or up to 11 letters. Raises ConfigInvalid."""
        try:
            import smpplib.client
        except ImportError as exc:
            raise ConfigInvalid(
                "ari_app.toml", "sms.gateway", "smpp needs smpplib: pip install 'ari-app[smpp]'"
            ) from exc
        if len(user) > _LONGEST_SYSTEM_ID or len(password) > _LONGEST_PASSWORD:
            raise ConfigInvalid("ari_app.toml", "sms.user", "SMPP allows 15 characters, and 8 in the password")
        self._smpp = smpplib
        self._host, self._port = host, port
        self._login = {"system_id": user, "password": password}
        self._source = _source(sender)
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, "smpp")

    async def send(self, number: str, text: str, key: str) -> None:
        """Cancelled, the thread still ends its submission; so the message is in doubt."""
        await asyncio.wrap_future(self._thread.submit(self._send, number, segments(text)))

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    def _send(self, number: str, cut: Segments) -> None:
        client = self._smpp.client.Client(
            self._host, self._port, timeout=self._timeout_s, logger_name=__name__, allow_unknown_opt_params=True
        )
        try:
            self._bind(client)
            self._submit_all(client, number, cut)
        finally:
            self._leave(client)

    def _bind(self, client: "Client") -> None:
        errors = self._smpp.exceptions
        try:
            client.connect()
            client.bind_transmitter(**self._login)
        except (errors.ConnectionError, OSError) as exc:
            raise SmsFailed(f"SMS centre {self._shown} can't be reached: {exc}") from exc
        except errors.PDUError as exc:
            raise SmsFailed(f"SMS centre {self._shown} refuses the login: {_said(exc)}") from exc
        except (errors.UnknownCommandError, ValueError, struct.error) as exc:
            raise SmsFailed(f"{self._shown} is no SMS centre: {_said(exc)}") from exc

    def _submit_all(self, client: "Client", number: str, cut: Segments) -> None:
        answers: dict[int, int] = {}

        def take(pdu: "PDU") -> None:
            answers[pdu.sequence] = pdu.status

        client.set_message_sent_handler(take)
        client.set_error_pdu_handler(take)
        reference, count = random.randrange(256), len(cut.parts)
        for n, part in enumerate(cut.parts, 1):
            header = bytes([5, 0, 3, reference, count, n]) if count > 1 else b""
            status = self._submit(client, answers, number, header + part, is_ucs2=cut.is_ucs2, is_part=count > 1)
            if status != _OK:
                told = self._smpp.consts.DESCRIPTIONS.get(status, f"status 0x{status:08x}")
                is_permanent = status not in _TRY_LATER
                raise SmsFailed(f"SMS centre {self._shown}: {told}", is_permanent=is_permanent, is_in_doubt=n > 1)

    def _submit(
        self, client: "Client", answers: dict[int, int], number: str, body: bytes, *, is_ucs2: bool, is_part: bool
    ) -> int:
        """Submit one segment and return its status."""
        errors = self._smpp.exceptions
        until_s = time.monotonic() + self._timeout_s
        try:
            sent = client.send_message(
                **self._source,
                dest_addr_ton=self._smpp.consts.SMPP_TON_INTL,
                dest_addr_npi=self._smpp.consts.SMPP_NPI_ISDN,
                destination_addr=number.lstrip("+"),
                esm_class=_UDHI if is_part else 0,
                data_coding=_UCS2 if is_ucs2 else 0,
                short_message=body,
            )
            while sent.sequence not in answers:
                if time.monotonic() > until_s:
                    raise TimeoutError(f"no answer within {self._timeout_s:g} s")
                client.read_once(auto_send_enquire_link=False)
        except (errors.ConnectionError, errors.PDUError, OSError) as exc:
            raise SmsFailed(f"SMS centre {self._shown} fell silent: {_said(exc)}", is_in_doubt=True) from exc
        except (errors.UnknownCommandError, ValueError, struct.error) as exc:
            raise SmsFailed(f"SMS centre {self._shown} answered nonsense: {_said(exc)}", is_in_doubt=True) from exc
        return answers[sent.sequence]

    def _leave(self, client: "Client") -> None:
        errors = self._smpp.exceptions
        broken = (errors.ConnectionError, errors.PDUError, errors.UnknownCommandError)
        with contextlib.suppress(*broken, OSError, ValueError, struct.error):
            if client.state != self._smpp.consts.SMPP_CLIENT_STATE_CLOSED:
                client.unbind()
        client.disconnect()

    @property
    def _shown(self) -> str:
        return f"{self._host}:{self._port}"


def _source(sender: str) -> dict[str, str | int]:
    """The sender's address with its type of number: international, short code, or letters."""
    if sender.startswith("+"):
        return {"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": sender.lstrip("+")}
    if sender.isdigit():
        return {"source_addr_ton": 3, "source_addr_npi": 0, "source_addr": sender}
    if not 0 < len(sender) <= 11:
        raise ConfigInvalid("ari_app.toml", "sms.sender", f'"{sender}" is neither a number nor 1 to 11 letters')
    return {"source_addr_ton": 5, "source_addr_npi": 0, "source_addr": sender}


def _said(exc: BaseException) -> str:
    return str(exc.args[0]) if exc.args else type(exc).__name__
