"""Nothing is booked without a yes: a sentence that denies what was read back is never taken for one."""

from datetime import datetime
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from ari_app.understanding.interpreter import interpret_text
from ari_app.understanding.meaning import Expectation, Proposal, Slot, Vocabulary, YesNo

ZONE = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=ZONE)
START = datetime(2026, 11, 27, 15, tzinfo=ZONE)
ENGLISH = (
    ["", "no ", "no no ", "well ", "um ", "sorry ", "actually ", "okay ", "yeah "],
    ["that", "it", "friday", "three o'clock", "the day", "everything"],
    [
        "isn't",
        "is not",
        "is never",
        "won't be",
        "can't be",
        "is hardly",
        "isn't really",
        "doesn't look",
        "is no longer",
    ],
    ["right", "correct", "fine", "okay", "perfect for me", "what i said", "possible"],
)
GERMAN = (
    ["", "nein ", "nein nein ", "also ", "tut mir leid ", "okay "],
    ["das", "es", "freitag", "drei uhr"],
    ["ist nicht", "ist gar nicht", "ist leider nicht", "ist nicht mehr"],
    ["richtig", "korrekt", "gut", "okay", "perfekt", "möglich"],
)
PROMPTS = {
    "en-GB": "A check up on Friday the 27th of November at three in the afternoon. Shall I book it?",
    "de-DE": "Eine Kontrolle am Freitag, dem 27. November, um drei Uhr nachmittags. Soll ich das buchen?",
}


def _answered(text: str, locale: str) -> YesNo | None:
    expectation = Expectation(
        slots=frozenset({Slot.YES_NO}), confirming=Proposal(service=None, start=START), prompt=PROMPTS[locale]
    )
    return interpret_text(text, expectation, Vocabulary(), NOW, locale).yes_no


@pytest.mark.parametrize(("locale", "pieces"), [("en-GB", ENGLISH), ("de-DE", GERMAN)])
def test_what_denies_the_read_back_is_a_no(locale: str, pieces: tuple[list[str], ...]) -> None:
    said = [f"{lead}{thing} {verb} {rest}" for lead, thing, verb, rest in product(*pieces)]
    assert [text for text in said if _answered(text, locale) is not YesNo.NO] == []


@pytest.mark.parametrize("lead", ["", "yes ", "yeah ", "okay ", "um "])
@pytest.mark.parametrize("thing", ["that", "it", "friday", "the time", "everything"])
@pytest.mark.parametrize("rest", ["is right", "is fine", "works", "sounds good", "is perfect", "would be good"])
def test_what_agrees_with_the_read_back_is_a_yes(lead: str, thing: str, rest: str) -> None:
    assert _answered(f"{lead}{thing} {rest}", "en-GB") is YesNo.YES
