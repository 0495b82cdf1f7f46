"""The PBX as configured: boots without complaint, speaks to loopback only, refuses strangers, gives least rights."""

import asyncio
import hashlib
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest

from ari_app.asterisk.ari_client import AriClient
from ari_app.config import AriSettings
from ari_app.lab.configuration import AsteriskInstance
from ari_app.lab.credentials import PHONES
from ari_app.lab.phone import CallFailed, PhoneBook
from ari_app.lab.places import CHECKOUT
from ari_app.lab.runtime import Lab

pytestmark = pytest.mark.live


class Asking(Protocol):
    """A logged-in AMI user."""

    async def ask(self, action: dict[str, str]) -> str: ...


LoginAmi = Callable[[str], AbstractAsyncContextManager[Asking]]

RESOLVER_SOCKETS = 2
"""pjproject's DNS client asks from two unconfigurable UDP sockets (IPv4, IPv6) on ephemeral ports; nothing else may."""


class RawSip:
    """SIP by hand, as a stranger would try it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)

    async def request(self, method: str, uri: str, user: str, *, password: str | None = None) -> int:
        """Status of the final answer; with `password` the digest challenge is answered."""
        call_id = secrets.token_hex(8)
        status, headers = await self._send(method, uri, user, call_id, 1, "")
        if status == 401 and password is not None:
            authorization = digest(headers["www-authenticate"], method, uri, user, password)
            status, _ = await self._send(method, uri, user, call_id, 2, f"Authorization: {authorization}\r\n")
        return status

    async def _send(
        self, method: str, uri: str, user: str, call_id: str, number: int, extra: str
    ) -> tuple[int, dict[str, str]]:
        await asyncio.get_running_loop().sock_sendto(
            self._socket, self.message(method, uri, user, call_id, number, extra), ("127.0.0.1", self.port)
        )
        while True:
            async with asyncio.timeout(3):
                data = await asyncio.get_running_loop().sock_recv(self._socket, 65_535)
            lines = data.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            status = int(lines[0].split()[1])
            if status >= 200 and headers.get("call-id") == call_id and headers["cseq"].startswith(f"{number} "):
                return status, headers

    async def shout(self, method: str, uri: str, user: str, call_id: str, extra: str) -> None:
        """Send a request and don't listen."""
        message = self.message(method, uri, user, call_id, 1, extra)
        await asyncio.get_running_loop().sock_sendto(self._socket, message, ("127.0.0.1", self.port))

    def message(self, method: str, uri: str, user: str, call_id: str, number: int, extra: str = "") -> bytes:
        port = self._socket.getsockname()[1]
        return (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{secrets.token_hex(8)};rport\r\n"
            f"From: <sip:{user}@127.0.0.1>;tag={call_id[:6]}\r\nTo: <{uri}>\r\nCall-ID: {call_id}\r\n"
            f"CSeq: {number} {method}\r\nContact: <sip:{user}@127.0.0.1:{port}>\r\nMax-Forwards: 70\r\n"
            f"{extra}Content-Length: 0\r\n\r\n"
        ).encode()

    def close(self) -> None:
        self._socket.close()


def digest(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    fields = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    nonce, realm = fields["nonce"], fields["realm"]

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    one, two = md5(f"{user}:{realm}:{password}"), md5(f"{method}:{uri}")
    if "qop" not in fields:
        return (
            f'Digest username="{user}",realm="{realm}",nonce="{nonce}",uri="{uri}",'
            f'response="{md5(f"{one}:{nonce}:{two}")}",algorithm=MD5' + opaque(fields)
        )
    answer = md5(f"{one}:{nonce}:00000001:abcdef:auth:{two}")
    return (
        f'Digest username="{user}",realm="{realm}",nonce="{nonce}",uri="{uri}",response="{answer}",algorithm=MD5,'
        f'qop=auth,nc=00000001,cnonce="abcdef"' + opaque(fields)
    )


def opaque(fields: dict[str, str]) -> str:
    return f',opaque="{fields["opaque"]}"' if "opaque" in fields else ""


@asynccontextmanager
async def raw_sip(lab: Lab) -> AsyncIterator[RawSip]:
    sip = RawSip(lab.ports.sip)
    try:
        yield sip
    finally:
        sip.close()


def complaints(instance: AsteriskInstance) -> list[str]:
    """WARNING and ERROR lines up to the end of the boot."""
    boot, ready, _ = instance.log.read_text("utf-8").partition("Asterisk Ready.")
    assert ready
    return [line for line in boot.splitlines() if re.search(r"\b(WARNING|ERROR)\[", line)]


async def test_both_asterisks_boot_without_a_complaint(lab: Lab) -> None:
    assert complaints(lab.pbx) == []
    assert complaints(lab.caller) == []


async def test_every_module_of_the_configuration_runs(lab: Lab) -> None:
    for instance, folder in ((lab.pbx, CHECKOUT / "asterisk-config"), (lab.caller, CHECKOUT / "ari_app/lab/caller")):
        wanted = re.findall(r"^load = (\S+)", (folder / "modules.conf").read_text("utf-8"), re.MULTILINE)
        shown = await lab.cli(instance, "module show")
        running = {line.split()[0] for line in shown.splitlines() if " Running" in line}
        assert set(wanted) - running == set()


async def test_all_phones_are_registered(lab: Lab) -> None:
    contacts = await lab.cli(lab.pbx, "pjsip show contacts")
    assert all(f"{name}/sip:" in contacts for name in PHONES)


async def test_everything_listens_on_loopback_only_even_in_a_call(lab: Lab, phones: PhoneBook) -> None:
    call = await phones.line("softphone-1").call("600")
    bound = {name: bound_addresses(lab.processes.running()[name].pid) for name in ("pbx", "caller", "calendar")}
    await call.hang_up()

    for name, addresses in bound.items():
        outside = {place for place in addresses if place.host != "127.0.0.1"}
        assert all(place.protocol == "udp" and place.port >= 32_768 for place in outside), (name, outside)
        assert len(outside) <= RESOLVER_SOCKETS, (name, outside)
    ports = {place.port for place in bound["pbx"]}
    assert {lab.ports.sip, lab.ports.http, lab.ports.ami} <= ports
    assert [port for port in ports if lab.ports.rtp[0] <= port <= lab.ports.rtp[1]], (
        "the call's own ports are among them"
    )


async def test_strangers_and_wrong_passwords_are_refused(lab: Lab) -> None:
    uri, registrar = f"sip:700@127.0.0.1:{lab.ports.sip}", f"sip:127.0.0.1:{lab.ports.sip}"
    async with raw_sip(lab) as sip:
        assert await sip.request("INVITE", uri, "anonymous") == 401
        assert await sip.request("INVITE", uri, "nobody-we-know", password="guess") in (401, 403)
        assert await sip.request("INVITE", uri, "softphone-1", password="guess") in (401, 403)
        assert await sip.request("REGISTER", registrar, "softphone-1", password="guess") in (401, 403)
        assert await sip.request("MESSAGE", uri, "anonymous") in (401, 403, 404)
        assert await sip.request("REGISTER", registrar, "softphone-4", password=lab.credentials["trunk"]) in (401, 403)
        assert await sip.request("OPTIONS", uri, "anonymous") in (401, 403, 404)


async def test_a_guesser_is_in_the_security_log_as_the_jail_reads_it(lab: Lab) -> None:
    async with raw_sip(lab) as sip:
        await sip.request("REGISTER", f"sip:127.0.0.1:{lab.ports.sip}", "softphone-2", password="guess")
    text = (CHECKOUT / "asterisk-config/fail2ban/asterisk.filter.conf").read_text("utf-8")
    pattern = re.search(r"^failregex = (.+)$", text, re.MULTILINE)
    assert pattern is not None
    expression = re.compile(pattern[1].replace("<HOST>", r"(?P<host>[\d.]+)"))

    lines = await asyncio.to_thread(written, lab.pbx.security_log, "softphone-2")
    hosts = [found["host"] for line in lines if (found := expression.search(line))]
    assert hosts
    assert set(hosts) == {"127.0.0.1"}


def written(path: Path, word: str) -> list[str]:
    """The lines with `word`, once there is a ChallengeResponseFailed or InvalidPassword among them."""
    deadline_s = time.monotonic() + 3
    while True:
        lines = [line for line in path.read_text("utf-8").splitlines() if word in line]
        if any("ResponseFailed" in line or "InvalidPassword" in line for line in lines):
            return lines
        assert time.monotonic() < deadline_s, lines
        time.sleep(0.05)


async def test_guessing_at_passwords_does_not_disturb_a_running_call(lab: Lab, phones: PhoneBook) -> None:
    call = await phones.line("softphone-1").call("600")
    await call.first_sound((await call.say("hello")).began_s)
    calm = await call.say("still there")
    calm_s = await call.first_sound(calm.began_s, within_s=2) - calm.began_s
    began_s = time.monotonic()
    uri = f"sip:700@127.0.0.1:{lab.ports.sip}"
    async with raw_sip(lab) as sip:
        _, challenge = await sip._send("INVITE", uri, "softphone-2", "a-first-one", 1, "")
        authorization = digest(challenge["www-authenticate"], "INVITE", uri, "softphone-2", "guess")
        for number in range(400):
            await sip.shout("INVITE", uri, "softphone-2", f"{number:012d}", f"Authorization: {authorization}\r\n")
            await asyncio.sleep(0.005)
    spoken = await call.say("still there")
    heard_s = await call.first_sound(spoken.began_s, within_s=2)
    until_s = time.monotonic()
    heard = [run for run in call.handset.heard.runs if run.end_s > began_s]
    await call.hang_up()

    assert heard_s - spoken.began_s < calm_s + 0.25, "the call's delay is what it was before, on a busy machine, too"
    frames = sum(len(run.frames) for run in call.handset.heard.runs)
    assert frames * 0.02 > (until_s - call.answered_s) * 0.95, f"{len(heard)} runs"
    guesses = (await asyncio.to_thread(lab.pbx.security_log.read_text, "utf-8")).splitlines()
    refused = [line for line in guesses if "ChallengeResponseFailed" in line and "softphone-2" in line]
    assert len(refused) > 200, "they were guesses at a password, and each was looked at"


async def test_ari_wants_its_password_and_keeps_only_a_hash(lab: Lab, ari_settings: AriSettings) -> None:
    url = f"{ari_settings.url}/ari/asterisk/info"
    async with aiohttp.ClientSession() as session:
        for user, password in (("booking", "guess"), ("booking", ""), ("caller", lab.credentials["caller"])):
            headers = {"Authorization": aiohttp.encode_basic_auth(user, password)}
            async with session.get(url, headers=headers) as answer:
                assert answer.status == 401
        async with session.get(url) as answer:
            assert answer.status == 401
        async with session.get(f"{ari_settings.url}/static/index.html") as answer:
            assert answer.status == 404
    secret = (lab.pbx.etc / "secrets/ari.conf").read_text("utf-8")
    assert lab.credentials["booking"] not in secret
    assert "password = $6$" in secret
    assert (lab.pbx.etc / "secrets/ari.conf").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("user", "can_originate"), [("ari_app", True), ("sentinel", False)])
async def test_ami_users_can_do_what_they_must_and_no_more(login_ami: LoginAmi, user: str, can_originate: bool) -> None:
    async with login_ami(user) as ami:
        for refused in (
            {"Action": "Command", "Command": "core show version"},
            {"Action": "UpdateConfig", "SrcFilename": "pjsip.conf", "DstFilename": "pjsip.conf"},
            {"Action": "GetConfig", "Filename": "manager.conf"},
            {"Action": "ModuleLoad", "LoadType": "unload", "Module": "res_pjsip.so"},
            {"Action": "DialplanExtensionAdd", "Context": "phones", "Extension": "1", "Priority": "1"},
        ):
            assert "Permission denied" in await ami.ask(refused) or "Invalid/unknown" in await ami.ask(refused), refused
        assert "Idle" in await ami.ask({"Action": "ExtensionState", "Exten": "200", "Context": "handoff"})
        contacts = await ami.ask({"Action": "Getvar", "Variable": "PJSIP_DIAL_CONTACTS(softphone-1)"})
        assert "sip:softphone-1@127.0.0.1" in contacts
        assert "Success" in await ami.ask({"Action": "CoreShowChannels"})
        originate = {"Action": "Originate", "Channel": "Local/none@nowhere", "Application": "Wait", "Data": "1"}
        assert ("Permission denied" not in await ami.ask(originate)) is can_originate
        system = await ami.ask({**originate, "Application": "System", "Data": "true"})
        assert "Permission denied" in system or "Forbidden" in system


async def test_no_outgoing_context_can_be_reached(lab: Lab, phones: PhoneBook, pbx: AriClient) -> None:
    for line in ("softphone-1", "trunk"):
        for number in ("9123456789", "900123456789012345", "00441234567", "toll"):
            with pytest.raises(CallFailed):
                await phones.line(line).call(number, ring_s=5)
    for context in ("handoff", "fallback", "booking", "closed", "phones", "outside", "messages"):
        shown = await lab.cli(lab.pbx, f"dialplan show 9123456789@{context}")
        assert "[ Context 'toll'" not in shown, context
        assert "Include" not in await lab.cli(lab.pbx, f"dialplan show {context}"), context

    with pbx.subscribe() as events:
        await pbx.originate("Local/9123456789@handoff/n", channel_id="transfer-out", timeout_s=5)
        async with asyncio.timeout(8):
            async for event in events:
                if type(event).__name__ == "ChannelDestroyed" and "transfer-out" in event.subjects:
                    break
    assert "toll: reached" not in lab.pbx.log.read_text("utf-8")


@dataclass(frozen=True)
class Place:
    """Where a process is bound."""

    protocol: str
    host: str
    port: int


def bound_addresses(pid: int) -> set[Place]:
    """The process's listening TCP and bound UDP sockets."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if found := re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink())):
            inodes.add(found[1])
    places = set()
    for table in ("tcp", "udp", "tcp6", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and (table.startswith("udp") or fields[3] == "0A"):
                host, _, port = fields[1].partition(":")
                places.add(Place(table[:3], readable(host), int(port, 16)))
    return places


def readable(host: str) -> str:
    raw = bytes.fromhex(host)
    return socket.inet_ntop(socket.AF_INET, raw[::-1]) if len(raw) == 4 else f"ipv6 {host}"
