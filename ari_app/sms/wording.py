"""A text message's characters: what may be sent, and how it is cut into SMS segments (3GPP TS 23.038, 23.040)."""

import re
import unicodedata
from dataclasses import dataclass

LONGEST_TEXT = 918
"""Characters: six concatenated GSM segments."""

_GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_BYTES = {char: bytes([code]) for code, char in enumerate(_GSM) if char != "\x1b"} | {
    char: bytes([0x1B, code])
    for char, code in zip("\f^{}\\[~]|€", (10, 20, 40, 41, 47, 60, 61, 62, 64, 101), strict=True)
}
_TYPOGRAPHIC = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " "})
_UNSENDABLE = re.compile("[\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufffd-\uffff]")


@dataclass(frozen=True, slots=True)
class Segments:
    """A text as SMS user data, one entry a segment."""

    parts: tuple[bytes, ...]
    is_ucs2: bool
    """UTF-16BE; else GSM 7-bit, one septet a byte."""


def sendable(text: str) -> str:
    """The text on clean lines: no control or direction characters, plain quotes and dashes, cut at LONGEST_TEXT."""
    plain = unicodedata.normalize("NFC", text).translate(_TYPOGRAPHIC)
    plain = _UNSENDABLE.sub("", plain).replace("\r\n", "\n").replace("\t", " ")
    kept = "".join(char for char in plain if char == "\n" or unicodedata.category(char) not in {"Cc", "Cs", "Cn", "Co"})
    lines = (" ".join(line.split()) for line in kept.split("\n"))
    whole = "\n".join(line for line in lines if line)
    return whole if len(whole) <= LONGEST_TEXT else f"{whole[: LONGEST_TEXT - 3].rstrip()}..."


def segments(text: str) -> Segments:
    """Cut a text so that no escape sequence and no surrogate pair is torn apart.

    One segment holds 160 septets or 70 UTF-16 units; of several each holds 153 or 67, leaving room for the header.
    """
    if all(char in _GSM_BYTES for char in text):
        return Segments(_packed([_GSM_BYTES[char] for char in text], single=160, several=153), is_ucs2=False)
    units = [char.encode("utf-16-be", "replace") for char in text]
    return Segments(_packed(units, single=140, several=134), is_ucs2=True)


def _packed(units: list[bytes], *, single: int, several: int) -> tuple[bytes, ...]:
    if sum(map(len, units)) <= single:
        return (b"".join(units),)
    parts = [b""]
    for unit in units:
        if len(parts[-1]) + len(unit) > several:
            parts.append(b"")
        parts[-1] += unit
    return tuple(parts)
