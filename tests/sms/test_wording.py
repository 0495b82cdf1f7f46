import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.sms.wording import LONGEST_TEXT, segments, sendable


@pytest.mark.parametrize(
    ("given_text", "sent"),
    [
        ("See you on Tuesday.", "See you on Tuesday."),
        ("line one\r\nline two\n\n\nthree ", "line one\nline two\nthree"),
        ("It’s “fixed” – really…", 'It\'s "fixed" - really...'),
        ("a\x00b\x1b[31mc\x7f\u202ed\u200be", "ab[31mcde"),
        ("half \ud83d whole 😀", "half whole 😀"),
        ("Cafe\u0301", "Café"),
        (" \t\n ", ""),
    ],
)
def test_only_what_a_phone_can_show_is_sent(given_text: str, sent: str) -> None:
    assert sendable(given_text) == sent


def test_a_text_has_an_end() -> None:
    assert len(sendable("x" * 5000)) == LONGEST_TEXT
    assert sendable("x" * 5000).endswith("...")


@pytest.mark.parametrize(
    ("text", "sizes", "is_ucs2"),
    [
        ("x" * 160, [160], False),
        ("x" * 161, [153, 8], False),
        ("€" * 80, [160], False),
        ("x" + "€" * 80, [153, 8], False),
        ("€" * 81, [152, 10], False),
        ("ж" * 70, [140], True),
        ("ж" * 71, [134, 8], True),
        ("😀" * 35, [140], True),
        ("😀" * 36, [132, 12], True),
    ],
)
def test_segments_are_as_long_as_the_network_takes(text: str, sizes: list[int], is_ucs2: bool) -> None:
    cut = segments(text)
    assert ([len(part) for part in cut.parts], cut.is_ucs2) == (sizes, is_ucs2)


def test_the_gsm_alphabet_has_its_published_codes() -> None:
    assert segments("@£Δ_ΞÆÉ ¤AZÄÖÑÜ§¿azäöñüà").parts == (
        bytes([0, 1, 16, 17, 26, 28, 31, 32, 36, 65, 90, 91, 92, 93, 94, 95, 96, 97, 122, 123, 124, 125, 126, 127]),
    )
    assert segments("^{}\\[~]|€").parts == (bytes.fromhex("1b141b281b291b2f1b3c1b3d1b3e1b401b65"),)


@given(st.text(max_size=400))
def test_nothing_is_torn_or_lost(text: str) -> None:
    cut = segments(sendable(text))
    if cut.is_ucs2:
        assert "".join(part.decode("utf-16-be") for part in cut.parts) == sendable(text)
    else:
        assert all(not part.endswith(b"\x1b") for part in cut.parts)
