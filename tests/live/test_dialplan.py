"""Each branch of dialplan/ walked with real calls: the route service up, down, silent, wrong; workers there or not."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.ari_events import CallBroadcast, StasisStart
from ari_app.config import AriSettings
from ari_app.lab.phone import PhoneBook
from ari_app.lab.runtime import Lab

from .conftest import FrontDesk
from .steps import leave_message

pytestmark = pytest.mark.live


class Asking(Protocol):
    """A logged-in AMI user."""

    async def ask(self, action: dict[str, str]) -> str: ...


SHELL_PROOF = Path(tempfile.gettempdir()) / f"ari-app-shell-{os.getpid()}"
LoginAmi = Callable[[str], AbstractAsyncContextManager[Asking]]


@asynccontextmanager
async def route_service(lab: Lab, answer: bytes | None) -> AsyncIterator[list[str]]:
    """A FastAGI server that sends `answer` to each call (None: nothing, for ever); what it was told, line by line."""
    told: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(30):
                while line := (await reader.readline()).decode().strip():
                    told.append(line)
                if answer is None:
                    await reader.read()
                else:
                    writer.write(answer)
                    await reader.readline()
        except (TimeoutError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", lab.ports.fastagi)
    try:
        yield told
    finally:
        server.close()
        await asyncio.sleep(0.05)


def route(name: str) -> bytes:
    return f"SET VARIABLE ROUTE {name}\n".encode()


@asynccontextmanager
async def worker_named(settings: AriSettings, name: str) -> AsyncIterator[AriClient]:
    """An ARI application that is offered calls, as a worker is."""
    async with AriClient(settings, application=name) as ari:
        await ari.wait_connected(5)
        yield ari


async def claimed(ari: AriClient, calling: "asyncio.Task[object]") -> StasisStart:
    """Claim the next call offered and return its StasisStart."""
    with ari.subscribe() as events:
        async with asyncio.timeout(8):
            async for event in events:
                if isinstance(event, CallBroadcast):
                    assert await ari.claim(event.channel.id)
                if isinstance(event, StasisStart):
                    return event
    raise AssertionError("unreachable")


async def reaches_human(phones: PhoneBook, extension: str = "700", line: str = "softphone-1") -> float:
    """Call, have extension 200 answer, check that both hear each other; seconds until it rang."""
    human = phones.line("scheduling")
    human.forget_rings()
    began_s = time.monotonic()
    calling = asyncio.create_task(phones.line(line).call(extension))
    ringing = await human.ringing(within_s=15)
    answered = await ringing.answer()
    caller = await calling
    spoken = await answered.say("good morning")
    await caller.first_sound(spoken.began_s, within_s=2)
    await answered.hang_up()
    await caller.wait_hangup(3)
    return ringing.rang_s - began_s


async def test_no_route_service_and_no_worker_still_reach_the_human_at_once(phones: PhoneBook) -> None:
    assert await reaches_human(phones) < 0.6


async def test_a_route_service_that_says_nothing_is_given_up_after_1500_ms(lab: Lab, phones: PhoneBook) -> None:
    async with route_service(lab, None) as told:
        assert 1.3 < await reaches_human(phones) < 2.0
    assert "agi_network_script: route" in told


@pytest.mark.parametrize("answer", [route("human"), route("sideways"), b"HANGUP please\n", b"\xff\xfegarbage\n"])
async def test_human_or_nonsense_from_the_route_service_means_the_human(
    lab: Lab, phones: PhoneBook, answer: bytes
) -> None:
    async with route_service(lab, answer):
        assert await reaches_human(phones) < 2.0


async def test_agent_without_a_worker_goes_to_the_human_after_500_ms(lab: Lab, phones: PhoneBook) -> None:
    async with route_service(lab, route("agent")):
        assert 0.45 < await reaches_human(phones) < 1.2


@pytest.mark.parametrize("name", ["booking", "booking-7"])
async def test_a_worker_of_any_number_gets_the_call(
    lab: Lab, phones: PhoneBook, ari_settings: AriSettings, name: str
) -> None:
    async with route_service(lab, route("agent")), worker_named(ari_settings, name) as ari:
        calling: asyncio.Task[object] = asyncio.create_task(phones.line("softphone-1").call("700"))
        start = await claimed(ari, calling)
        assert start.args in ((), ("",)), "700 names no callee"
        await ari.answer(start.channel.id)
        await calling
        await ari.hangup(start.channel.id)


async def test_two_workers_are_asked_and_the_first_claim_has_it(
    lab: Lab, phones: PhoneBook, ari_settings: AriSettings
) -> None:
    async with (
        route_service(lab, route("agent")),
        worker_named(ari_settings, "booking-1") as one,
        worker_named(ari_settings, "booking-2") as two,
        worker_named(ari_settings, "onlooker") as other,
    ):
        with one.subscribe() as first, two.subscribe() as second, other.subscribe() as third:
            calling = asyncio.create_task(phones.line("softphone-1").call("700"))
            async with asyncio.timeout(5):
                offers = [await offer(first), await offer(second)]
            assert [await one.claim(offers[0]), await two.claim(offers[1])] == [True, False]
            await one.answer(offers[0])
            call = await calling
            await call.hang_up()
            while (event := third.get_nowait()) is not None:
                assert not isinstance(event, CallBroadcast), "who isn't named booking isn't asked"


async def offer(events: object) -> str:
    """The channel id of the next call offered."""
    while True:
        event = await events.get()  # type: ignore[attr-defined]
        if isinstance(event, CallBroadcast):
            return event.channel.id


async def test_the_extension_that_did_not_answer_is_told_to_the_worker(
    lab: Lab, phones: PhoneBook, ari_settings: AriSettings
) -> None:
    async with route_service(lab, route("agent")), worker_named(ari_settings, "booking-1") as ari:
        calling: asyncio.Task[object] = asyncio.create_task(phones.line("softphone-1").call("200"))
        declining = asyncio.create_task(phones.line("scheduling").ringing())
        await (await declining).decline()
        start = await claimed(ari, calling)
        assert start.args == ("200",)
        assert await ari.variable(start.channel.id, "BOOKING_CALLEE") == "200"
        await ari.answer(start.channel.id)
        await calling
        await ari.hangup(start.channel.id)


async def test_a_worker_that_gives_the_call_back_sends_it_to_the_human(
    lab: Lab, phones: PhoneBook, ari_settings: AriSettings
) -> None:
    async with route_service(lab, route("agent")), worker_named(ari_settings, "booking-1") as ari:
        calling: asyncio.Task[object] = asyncio.create_task(phones.line("softphone-1").call("700"))
        start = await claimed(ari, calling)
        await ari.answer(start.channel.id)
        await calling
        await ari.continue_in_dialplan(start.channel.id)
        ringing = await phones.line("scheduling").ringing()
        await (await ringing.answer()).hang_up()


async def test_nobody_at_all_hears_an_apology_and_the_call_ends(phones: PhoneBook) -> None:
    phones.line("scheduling").forget_rings()
    calling = asyncio.create_task(phones.line("softphone-1").call("700"))
    await (await phones.line("scheduling").ringing()).decline()
    call = await calling
    heard_s = await call.first_sound(call.answered_s, within_s=3)
    assert await call.wait_hangup(15) == 16
    assert call.level_heard_dbfs(heard_s, heard_s + 1.0) > -40


async def test_nobody_at_the_extension_means_the_queue_and_nobody_there_the_mailbox(
    front_desk: FrontDesk, phones: PhoneBook
) -> None:
    desk, member = phones.line("scheduling"), phones.line("softphone-4")
    desk.forget_rings()
    await front_desk.fallback_goes_to(queue="front-desk", mailbox="200@default")
    calling = asyncio.create_task(phones.line("softphone-1").call("700"))
    await (await desk.ringing()).decline()
    human = await (await member.ringing()).answer()
    call = await calling
    spoken = await human.say("good morning")
    await call.first_sound(spoken.began_s, within_s=2)
    await human.hang_up()
    await call.wait_hangup(3)

    await front_desk.fallback_goes_to(queue="nobody", mailbox="200@default")
    calling = asyncio.create_task(phones.line("softphone-1").call("700"))
    await (await desk.ringing()).decline()
    await leave_message(await calling, front_desk)


async def test_closed_with_a_mailbox_takes_a_message(lab: Lab, front_desk: FrontDesk, phones: PhoneBook) -> None:
    await front_desk.fallback_goes_to(mailbox="200@default")
    async with route_service(lab, route("closed")):
        await leave_message(await phones.line("softphone-1").call("700"), front_desk)


async def test_the_plain_way_for_an_older_asterisk_reaches_worker_or_human(
    lab: Lab, phones: PhoneBook, ari_settings: AriSettings
) -> None:
    await lab.cli(lab.pbx, "dialplan add extension 799,1,Goto,booking-plain\\,200\\,1 into phones")
    try:
        assert await reaches_human(phones, extension="799") < 0.6
        async with worker_named(ari_settings, "booking-1") as ari:
            with ari.subscribe() as events:
                calling = asyncio.create_task(phones.line("softphone-1").call("799"))
                async with asyncio.timeout(5):
                    while not isinstance(start := await events.get(), StasisStart):
                        pass
            assert start.args == ("200",)
            await ari.answer(start.channel.id)
            await calling
            await ari.hangup(start.channel.id)
    finally:
        await lab.cli(lab.pbx, "dialplan remove extension 799@phones")


async def test_closed_says_so_without_ringing_anyone(lab: Lab, phones: PhoneBook) -> None:
    phones.line("scheduling").forget_rings()
    async with route_service(lab, route("closed")):
        call = await phones.line("softphone-1").call("700")
        await call.first_sound(call.answered_s, within_s=3)
        await call.wait_hangup(15)
    assert phones.line("scheduling").rings.empty()


async def test_a_caller_from_outside_is_told_to_the_route_service_as_he_is(lab: Lab, phones: PhoneBook) -> None:
    async with route_service(lab, route("human")) as told:
        await reaches_human(phones, extension="+442079460700", line="trunk")
    assert any(line.startswith("agi_callerid:") for line in told)


@pytest.mark.parametrize(
    "caller_id",
    [
        f'"A ${{SHELL(touch {SHELL_PROOF})}} B" <+447700900123>',
        '"O\'Brien, Jane; DROP" <+447700900123>',
        '"x" <${GLOBAL(FALLBACK_EXTENSION)}>',
        '"' + "n" * 300 + '" <+447700900123>',
        '"émoji 📞" <+447700900123>',
    ],
    ids=["shell", "quote", "global", "long", "emoji"],
)
async def test_a_hostile_caller_name_changes_nothing(lab: Lab, phones: PhoneBook, caller_id: str) -> None:
    human = phones.line("scheduling")
    human.forget_rings()
    async with route_service(lab, route("agent")):
        calling = asyncio.create_task(phones.line("trunk").call("700", caller_id=caller_id))
        ringing = await human.ringing()
        assert "\n" not in ringing.caller_name
        answered = await ringing.answer()
        await calling
        await answered.hang_up()
    assert not SHELL_PROOF.exists()


async def test_the_hand_off_rings_only_extensions_with_a_hint(lab: Lab, phones: PhoneBook, pbx: AriClient) -> None:
    phones.line("scheduling").forget_rings()
    for number in ("101", "9123456789", "600"):
        shown = await lab.cli(lab.pbx, f"core show hint {number}")
        assert "PJSIP" not in shown
        channel = f"handoff-{number}"
        with pbx.subscribe() as events:
            await pbx.originate(f"Local/{number}@handoff/n", channel_id=channel, timeout_s=3)
            async with asyncio.timeout(5):
                async for event in events:
                    if type(event).__name__ == "ChannelDestroyed" and channel in event.subjects:
                        break
    with pbx.subscribe() as events:
        await pbx.originate("Local/200@handoff/n", channel_id="handoff-200", timeout_s=5)
        await (await phones.line("scheduling").ringing()).decline()


async def test_the_sentinels_redirect_brings_a_caller_from_stasis_to_the_human_with_music_meanwhile(
    lab: Lab, phones: PhoneBook, ari_settings: AriSettings, login_ami: LoginAmi
) -> None:
    async with route_service(lab, route("agent")), worker_named(ari_settings, "booking-1") as ari:
        calling = asyncio.create_task(phones.line("softphone-1").call("700"))
        start = await claimed(ari, calling)  # type: ignore[arg-type]
        await ari.answer(start.channel.id)
        call = await calling
        async with login_ami("sentinel") as ami:
            where = {"Context": "fallback", "Exten": "s", "Priority": "1"}
            assert "Success" in await ami.ask({"Action": "Redirect", "Channel": start.channel.name, **where})
        ringing = await phones.line("scheduling").ringing(within_s=3)
        await call.first_sound(time.monotonic(), within_s=8)  # music, which begins softly
        answered = await ringing.answer()
        spoken = await answered.say("hello")
        await call.first_sound(spoken.began_s, within_s=2)
        await call.hang_up()
        await answered.wait_hangup(3)
