import base64
import json
import socket
from typing import Any
from urllib.parse import parse_qs

import pytest

from ari_app.errors import ConfigInvalid, SmsFailed
from ari_app.sms.http_gateway import HttpGateway

ODD = 'Jane "J" ${key} & Co\n+ 100% 😀 \\'
NUMBER = "+441632960001"


async def test_a_text_arrives_as_json_whatever_it_holds(service: Any) -> None:
    gateway = HttpGateway(service.url, sender="Practice")
    await gateway.send(NUMBER, ODD, "call-1:1\r\nX: y")
    await gateway.close()
    (request,) = service.arrived
    assert request.content_type == "application/json"
    sent = {"to": NUMBER, "from": "Practice", "text": ODD, "key": "call-1:1\r\nX: y"}
    assert json.loads(request.body) == sent
    assert request.headers["Idempotency-Key"] == "call-1:1%0D%0AX%3A%20y".replace("%3A", ":")


async def test_a_service_may_have_a_json_form_of_its_own(service: Any) -> None:
    template = '{"messages": [{"destinations": [{"to": "${to}"}], "body": "Dear patient, ${text}", "retries": 3}]}'
    gateway = HttpGateway(service.url, template=template, user="me", password="secret")
    await gateway.send(NUMBER, ODD, "k")
    await gateway.close()
    (request,) = service.arrived
    (message,) = json.loads(request.body)["messages"]
    assert message == {"destinations": [{"to": NUMBER}], "body": f"Dear patient, {ODD}", "retries": 3}
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()


async def test_a_service_may_take_a_form(service: Any) -> None:
    gateway = HttpGateway(service.url, template="phone=${to}&message=${text}&unicode=1", password="token")
    await gateway.send(NUMBER, ODD, "k")
    await gateway.close()
    (request,) = service.arrived
    assert request.content_type == "application/x-www-form-urlencoded"
    assert parse_qs(request.body) == {"phone": [NUMBER], "message": [ODD], "unicode": ["1"]}
    assert request.headers["Authorization"] == "Bearer token"


@pytest.mark.parametrize(
    ("status", "is_permanent", "is_in_doubt"),
    [
        (302, True, False),
        (400, True, False),
        (401, False, False),
        (404, True, False),
        (422, True, False),
        (429, False, False),
        (500, False, False),
        (503, False, False),
        (504, False, True),
        (0, False, True),
    ],
)
async def test_answers_are_told_apart(service: Any, status: int, is_permanent: bool, is_in_doubt: bool) -> None:
    service.answers = [status]
    gateway = HttpGateway(service.url)
    with pytest.raises(SmsFailed) as caught:
        await gateway.send(NUMBER, "x", "k")
    await gateway.close()
    assert (caught.value.is_permanent, caught.value.is_in_doubt) == (is_permanent, is_in_doubt)
    assert "\n" not in str(caught.value)
    assert len(service.arrived) == 1


async def test_a_service_that_takes_its_time_leaves_doubt(service: Any) -> None:
    service.may_answer.clear()
    gateway = HttpGateway(service.url, timeout_s=0.2)
    with pytest.raises(SmsFailed) as caught:
        await gateway.send(NUMBER, "x", "k")
    await gateway.close()
    assert caught.value.is_in_doubt


async def test_a_service_that_is_down_was_not_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        gateway = HttpGateway(f"http://127.0.0.1:{probe.getsockname()[1]}/")
        with pytest.raises(SmsFailed) as caught:
            await gateway.send(NUMBER, "x", "k")
    await gateway.close()
    assert not caught.value.is_in_doubt
    assert not caught.value.is_permanent


@pytest.mark.parametrize(
    ("url", "template"),
    [
        ("ftp://x/", ""),
        ("", ""),
        ("http://x/", '{"to": "${to}"'),
        ("http://x/", "to=${to}"),
        ("http://x/", "text=${text}"),
    ],
)
def test_wrong_settings_are_told_before_the_first_text(url: str, template: str) -> None:
    with pytest.raises(ConfigInvalid, match="sms"):
        HttpGateway(url, template=template)
