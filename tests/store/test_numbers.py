import pytest

from ari_app.store.numbers import to_e164

SAME = "+441632960001"


@pytest.mark.parametrize(
    "raw",
    [
        "+441632960001",
        "01632 960001",
        "(01632) 960-001",
        "00441632960001",
        "441632960001",
        " 01632.960.001\u00a0",
        "tel:+44-1632-960001",
        "sip:+441632960001@trunk.example:5060;user=phone",
        "1632960001",
    ],
)
def test_one_number_is_one_number_however_it_is_written(raw: str) -> None:
    assert to_e164(raw, "GB") == SAME


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "anonymous",
        "Restricted",
        "unknown",
        "s",
        "200",
        "999",
        "0000000000",
        "+0000000000",
        "++441632960001",
        "+44163296000112345678",
        "+999123456789",
        '"Jane" <+441632960001>',
        "01632960001\r\nX-Evil: 1",
        "${SHELL(id)}",
        "01632960001😀",
        "1-800-FLOWERS",
        "x" * 300,
        '+4416"\n😀' * 40,
        "4" * 300,
        "\x00",
        "\ud83d",
    ],
)
def test_what_is_no_number_is_nobody(raw: str) -> None:
    assert to_e164(raw, "GB") == ""


def test_local_numbers_are_read_by_country() -> None:
    assert to_e164("(202) 555-0123", "US") == "+12025550123"
    assert to_e164("030 123456", "DE") == "+4930123456"
