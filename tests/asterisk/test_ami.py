"""AMI: states, contacts and deeds, each under a timeout, over a session that comes back."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from scripted_ami import ScriptedAmi

from ari_app.asterisk.ami import Ami, DeviceState
from ari_app.config import AmiSettings
from ari_app.errors import AmiUnavailable, BadInput, ChannelGone


def settings_for(port: int, **changes: object) -> AmiSettings:
    return AmiSettings.model_validate({"port": port, "password": "secret", "timeout_s": 0.5, **changes})


@pytest.fixture
async def server() -> AsyncIterator[ScriptedAmi]:
    async with ScriptedAmi() as server:
        yield server


@pytest.fixture
async def ami(server: ScriptedAmi) -> AsyncIterator[Ami]:
    async with Ami(settings_for(server.port)) as ami:
        await ami.wait_connected(3)
        yield ami


def hint(status: int, text: str) -> object:
    return lambda _: [{"Response": "Success", "Message": "Extension Status", "Status": str(status), "StatusText": text}]


def value(text: str) -> object:
    return lambda fields: [{"Response": "Success", "Variable": fields["Variable"], "Value": text}]


@pytest.mark.parametrize(("status", "is_available"), [(0, True), (1, False), (4, False), (8, False), (9, False)])
async def test_a_hint_says_whether_a_phone_is_free(
    ami: Ami, server: ScriptedAmi, status: int, is_available: bool
) -> None:
    server.answers["ExtensionState"] = hint(status, "x")
    assert await ami.is_available("200", "handoff") is is_available
    assert server.asked[-1]["Exten"] == "200"
    assert server.asked[-1]["Context"] == "handoff"


@pytest.mark.parametrize(
    ("state", "is_available"),
    [("NOT_INUSE", True), ("UNKNOWN", True), ("UNAVAILABLE", False), ("INVALID", False), ("INUSE", False), ("?", True)],
)
async def test_without_a_hint_the_device_says(ami: Ami, server: ScriptedAmi, state: str, is_available: bool) -> None:
    server.answers["ExtensionState"] = hint(-1, "Unknown")
    server.answers["Getvar"] = value(state)
    assert await ami.is_available("200", "handoff") is is_available
    assert server.asked[-1]["Variable"] == "DEVICE_STATE(PJSIP/200)"


async def test_contacts_are_sip_uris_and_nothing_else(ami: Ami, server: ScriptedAmi) -> None:
    server.answers["Getvar"] = value(
        "PJSIP/softphone-1/sip:a@127.0.0.1:5070;transport=udp&PJSIP/softphone-1/sip:b@[::1]:5060&rubbish&PJSIP/x/y"
    )
    assert await ami.contacts("softphone-1") == ["sip:a@127.0.0.1:5070;transport=udp", "sip:b@[::1]:5060"]
    server.answers["Getvar"] = value("")
    assert await ami.contacts("softphone-1") == []


async def test_a_queue_is_read_whole(ami: Ami, server: ScriptedAmi) -> None:
    server.answers["QueueStatus"] = lambda _: [
        {"Response": "Success", "EventList": "start", "Message": "Queue status will follow"},
        {"Event": "QueueParams", "Queue": "desk", "Calls": "2", "Holdtime": "31"},
        {"Event": "QueueMember", "Queue": "desk", "Location": "PJSIP/200", "Status": "1", "Paused": "1"},
        {"Event": "QueueMember", "Queue": "desk", "Location": "PJSIP/201", "Status": "1", "Paused": "0"},
        {"Event": "QueueStatusComplete", "EventList": "Complete", "ListItems": "3"},
    ]
    queue = await ami.queue("desk")
    assert queue is not None
    assert (queue.waiting, queue.hold_s, len(queue.members), queue.has_free_member) == (2, 31, 2, True)
    assert not queue.members[0].is_free


async def test_a_queue_that_is_not_there_is_none(ami: Ami, server: ScriptedAmi) -> None:
    server.answers["QueueStatus"] = lambda _: [
        {"Response": "Success", "EventList": "start", "Message": "Queue status will follow"},
        {"Event": "QueueStatusComplete", "EventList": "Complete", "ListItems": "0"},
    ]
    assert await ami.queue("nope") is None


async def test_device_states_are_listed(ami: Ami, server: ScriptedAmi) -> None:
    server.answers["DeviceStateList"] = lambda _: [
        {"Response": "Success", "EventList": "start", "Message": "Device State Changes will follow"},
        {"Event": "DeviceStateChange", "Device": "PJSIP/200", "State": "INUSE"},
        {"Event": "DeviceStateChange", "Device": "PJSIP/201", "State": "ODD"},
        {"Event": "DeviceStateListComplete", "EventList": "Complete", "ListItems": "2"},
    ]
    assert await ami.device_states() == {"PJSIP/200": DeviceState.INUSE, "PJSIP/201": DeviceState.UNKNOWN}


async def test_a_redirect_goes_where_it_should_or_says_that_the_channel_is_gone(ami: Ami, server: ScriptedAmi) -> None:
    await ami.redirect("1.1", context="fallback", extension="s")
    asked = server.asked[-1]
    assert (asked["Channel"], asked["Context"], asked["Exten"], asked["Priority"]) == ("1.1", "fallback", "s", "1")
    server.answers["Redirect"] = lambda _: [{"Response": "Error", "Message": "Channel does not exist: 1.1"}]
    with pytest.raises(ChannelGone):
        await ami.redirect("1.1", context="fallback", extension="s")
    server.answers["Hangup"] = lambda _: [{"Response": "Error", "Message": "Permission denied"}]
    with pytest.raises(AmiUnavailable, match="Permission denied"):
        await ami.hangup("1.1")


@pytest.mark.parametrize(("response", "is_answered"), [("Success", True), ("Failure", False)])
async def test_an_originate_waits_for_its_outcome(
    ami: Ami, server: ScriptedAmi, response: str, is_answered: bool
) -> None:
    server.answers["Originate"] = lambda _: [
        {"Response": "Success", "Message": "Originate successfully queued"},
        {"Event": "OriginateResponse", "Response": response, "Reason": "4"},
    ]
    done = await ami.originate("PJSIP/200", context="callbacks", extension="s", ring_s=1, variables={"A": "1\r\nB: 2"})
    assert done is is_answered
    assert server.asked[-1]["Variable"] == "A=1  B: 2"


@pytest.mark.parametrize("name", ["", "a b", "200)\r\nAction: Originate", "x" * 81, "${SHELL(id)}", "é"])
async def test_no_name_carries_anything_else_into_ami(ami: Ami, server: ScriptedAmi, name: str) -> None:
    before = len(server.asked)
    for question in (
        ami.contacts(name),
        ami.extension_state(name, "x"),
        ami.extension_state("x", name),
        ami.queue(name),
        ami.redirect("1.1", context=name, extension="s"),
    ):
        with pytest.raises(BadInput):
            await question
    assert len(server.asked) == before


async def test_a_channel_name_with_a_newline_stays_one_header(ami: Ami, server: ScriptedAmi) -> None:
    await ami.hangup("1.1\r\nCause: 99\r\n\r\nAction: Originate")
    assert server.asked[-1]["Action"] == "Hangup"
    assert server.asked[-1]["Cause"] == "16"


async def test_an_answer_that_never_comes_is_unavailability_within_the_timeout(ami: Ami, server: ScriptedAmi) -> None:
    server.silent.add("Getvar")
    started = time.monotonic()
    with pytest.raises(AmiUnavailable, match="no answer"):
        await ami.contacts("softphone-1")
    assert time.monotonic() - started < 1.0
    server.silent.clear()
    async with asyncio.timeout(3):
        while server.logins < 2:  # noqa: ASYNC110  (waiting for the server's side)
            await asyncio.sleep(0.01)


async def test_a_lost_connection_comes_back_and_events_go_on(ami: Ami, server: ScriptedAmi) -> None:
    with ami.events("DeviceStateChange", bound=2) as events:
        server.drop()
        async with asyncio.timeout(3):
            while server.logins < 2 or not ami.is_connected:  # noqa: ASYNC110  (waiting for the server's side)
                await asyncio.sleep(0.01)
        for number in range(5):
            await server.emit(Event="DeviceStateChange", Device=f"PJSIP/{number}", State="INUSE")
        await server.emit(Event="Newchannel", Channel="x")
        await asyncio.sleep(0.1)
        assert [(await events.get())["device"] for _ in range(2)] == ["PJSIP/3", "PJSIP/4"]
        assert events.dropped == 3


async def test_a_wrong_password_and_a_closed_port_are_named(server: ScriptedAmi) -> None:
    async with Ami(settings_for(server.port, password="wrong")) as ami:
        with pytest.raises(AmiUnavailable, match="Authentication failed"):
            await ami.wait_connected(0.5)
    async with Ami(settings_for(9)) as ami:
        with pytest.raises(AmiUnavailable, match="can't be reached"):
            await ami.wait_connected(0.3)
        with pytest.raises(AmiUnavailable):
            await ami.contacts("x")


async def test_nothing_is_left_when_it_closes(server: ScriptedAmi) -> None:
    before = asyncio.all_tasks()
    async with Ami(settings_for(server.port)) as ami:
        await ami.wait_connected(3)
    await asyncio.sleep(0.1)
    assert not {task for task in asyncio.all_tasks() - before if "ami" in task.get_name()}
    logins = server.logins
    await asyncio.sleep(0.3)
    assert server.logins == logins
