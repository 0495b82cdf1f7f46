"""Which numbers a promised callback may dial by itself."""

import pytest

from ari_app.call.callbacks import dial_string
from ari_app.config import CallbackSettings

TRUNK = "PJSIP/{number}@trunk"


@pytest.mark.parametrize(
    ("number", "dialled"),
    [
        ("+442079460123", "PJSIP/+442079460123@trunk"),
        ("020 7946 0123", "PJSIP/+442079460123@trunk"),
        ("+447400123456", "PJSIP/+447400123456@trunk"),
        ("+44 9098 790 123", ""),
        ("+449098790123", ""),
        ("+12025550123", ""),
        ("+882130000000", ""),
        ("999", ""),
        ("", ""),
        ("PJSIP/evil@trunk", ""),
    ],
)
def test_only_ordinary_numbers_of_the_own_country_are_dialled(number: str, dialled: str) -> None:
    assert dial_string(TRUNK, number, "GB") == dialled


def test_what_is_dialled_is_digits_whatever_was_given() -> None:
    for number in ("+442079460123;ext=4", "+442079460123&PJSIP/900@trunk", "+442079460123\r\nX: y"):
        found = dial_string(TRUNK, number, "GB")
        assert found in ("", "PJSIP/+442079460123@trunk")


def test_without_a_template_nobody_is_dialled() -> None:
    assert dial_string("", "+442079460123", "GB") == ""


def test_digits_leave_the_plus_out() -> None:
    assert dial_string("SIP/{digits}", "+442079460123", "GB") == "SIP/442079460123"


@pytest.mark.parametrize("template", ["PJSIP/900", "PJSIP/{number}&PJSIP/900", "PJSIP/{number},60", "nonsense"])
def test_a_template_that_dials_anything_else_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="dial"):
        CallbackSettings(dial=template)
