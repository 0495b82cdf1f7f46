from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from ari_app.errors import AmiUnavailable, AriRefused, AriUnavailable, PbxError, SmsFailed
from ari_app.sms.sip_gateway import SipGateway, endpoint_by_template

HERE = "sip:softphone-1@127.0.0.1:5160"
THERE = "sip:softphone-1@192.0.2.7:5060;ob"


@dataclass
class Pbx:
    """Both seams of the gateway: where phones are, and what they were sent."""

    registered: dict[str, Sequence[str]] = field(default_factory=dict)
    refused: dict[str, PbxError] = field(default_factory=dict)
    is_ami_down: bool = False
    sent: list[tuple[str, str, str]] = field(default_factory=list)

    async def contacts(self, endpoint: str) -> Sequence[str]:
        if self.is_ami_down:
            raise AmiUnavailable("AMI is down")
        return self.registered.get(endpoint, ())

    async def send_message(self, *, to: str, sender: str, body: str) -> None:
        if to in self.refused:
            raise self.refused[to]
        self.sent.append((to, sender, body))


def _gateway(pbx: Pbx) -> SipGateway:
    endpoint_of = endpoint_by_template("", {"+441632960001": "softphone-1", "+441632960002": "bad endpoint/x"})
    return SipGateway(pbx, pbx, endpoint_of=endpoint_of, from_uri="sip:booking@127.0.0.1")


async def test_each_phone_of_the_endpoint_gets_it_by_its_own_contact() -> None:
    pbx = Pbx({"softphone-1": [HERE, THERE, HERE]})
    await _gateway(pbx).send("+441632960001", "See you.", "k")
    assert pbx.sent == [
        (f"pjsip:softphone-1/{HERE}", "sip:booking@127.0.0.1", "See you."),
        (f"pjsip:softphone-1/{THERE}", "sip:booking@127.0.0.1", "See you."),
    ]


async def test_one_phone_that_takes_it_is_enough() -> None:
    pbx = Pbx({"softphone-1": [HERE, THERE]})
    pbx.refused[f"pjsip:softphone-1/{HERE}"] = AriRefused("PUT", "/endpoints/sendMessage", 404, "not found")
    await _gateway(pbx).send("+441632960001", "See you.", "k")
    assert len(pbx.sent) == 1


@pytest.mark.parametrize(
    "pbx",
    [
        Pbx({"softphone-1": []}),
        Pbx(is_ami_down=True),
        Pbx({"softphone-1": ["sip:a b@c", "<sip:x@y>", "tel:123", ""]}),
        Pbx({"softphone-1": [HERE]}, {f"pjsip:softphone-1/{HERE}": AriUnavailable("http://127.0.0.1:8088")}),
    ],
)
async def test_a_phone_that_is_off_gets_it_later(pbx: Pbx) -> None:
    with pytest.raises(SmsFailed) as caught:
        await _gateway(pbx).send("+441632960001", "See you.", "k")
    assert not caught.value.is_permanent
    assert not caught.value.is_in_doubt
    assert pbx.sent == []


@pytest.mark.parametrize("number", ["+441632960009", "+441632960002"])
async def test_a_number_without_a_phone_here_is_given_up(number: str) -> None:
    with pytest.raises(SmsFailed) as caught:
        await _gateway(Pbx()).send(number, "See you.", "k")
    assert caught.value.is_permanent


def test_endpoints_may_be_named_by_number() -> None:
    assert endpoint_by_template("{number}")("+441632960001") == "+441632960001"
    assert endpoint_by_template("mobile-{digits}")("+441632960001") == "mobile-441632960001"
