"""Telephone numbers as E.164, out of whatever a caller id or a spreadsheet says."""

import re

import phonenumbers

_PLAUSIBLE = re.compile(r"\+?[\d\s().\-/]{3,40}")
"""What a number may be written with; letters, quotes or a second '+' make it no number."""
_SCHEME = re.compile(r"(?i)^(tel|sips?):([^@;]*)")


def to_e164(raw: str, region: str) -> str:
    """The number as "+441632960001", `region` (ISO 3166) reading local ones; "" where it is withheld or is none.

    Possible numbers are taken, not only assigned ones: a numbering plan changes faster than a library.
    """
    text = raw.strip()
    if scheme := _SCHEME.match(text):
        text = scheme[2]
    if not _PLAUSIBLE.fullmatch(text):
        return ""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    if not number.national_number or not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
