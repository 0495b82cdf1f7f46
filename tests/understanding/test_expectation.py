"""The phrase list is what a turn can be answered with, as words a recogniser knows."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from ari_app.understanding.expectation import LIMIT, phrases
from ari_app.understanding.interpreter import interpret_text
from ari_app.understanding.meaning import Expectation, Offer, Proposal, ServiceWords, Slot, Vocabulary

ZONE = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=ZONE)
VOCABULARY = Vocabulary(
    services=(ServiceWords("cleaning", "Teeth cleaning", ("check-up 2",)), ServiceWords("filling", "Filling")),
    resources=(ServiceWords("patel", "Dr. Patel", ("doctor patel",)),),
    opens=time(9),
    closes=time(17),
    names=("Jane Doe",),
)
OFFERED = Expectation(
    slots=frozenset({Slot.CHOICE, Slot.YES_NO}),
    offered=(
        Offer(datetime(2026, 11, 26, 10, tzinfo=ZONE), "patel"),
        Offer(datetime(2026, 11, 27, 14, 30, tzinfo=ZONE)),
    ),
)
EXPECTATIONS = [
    Expectation(),
    OFFERED,
    Expectation(
        slots=frozenset({Slot.YES_NO}), confirming=Proposal("cleaning", datetime(2026, 11, 26, 15, tzinfo=ZONE))
    ),
    *(Expectation(slots=frozenset({slot})) for slot in Slot),
    Expectation(slots=frozenset(Slot)),
    Expectation(slots=frozenset({Slot.TASK}), options=("move", "a new one")),
]


@pytest.mark.parametrize("locale", ["en-GB", "en-US", "de-DE"])
@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_list_is_plain_words_within_bounds(expectation: Expectation, locale: str) -> None:
    made = phrases(expectation, VOCABULARY, NOW, locale)
    assert 10 < len(made) <= LIMIT
    assert len(set(made)) == len(made)
    for phrase in made:
        assert phrase == phrase.lower().strip()
        assert all(character.isalpha() or character in " '" for character in phrase), phrase


@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_a_human_and_yes_and_no_can_always_be_said(expectation: Expectation) -> None:
    assert {"operator", "help", "repeat that", "yes", "no"} <= set(phrases(expectation, VOCABULARY, NOW))


def test_offers_can_be_named_by_day_and_time() -> None:
    made = phrases(OFFERED, VOCABULARY, NOW)
    assert {"ten", "ten o'clock", "half past two", "two thirty", "thursday at ten", "friday", "the second one"} <= set(
        made
    )


def _is_lost(phrase: str, expectation: Expectation, locale: str) -> bool:
    act = interpret_text(phrase, expectation, VOCABULARY, NOW, locale)
    return act.is_empty and not act.is_backchannel


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize(
    "expectation", [each for each in EXPECTATIONS if Slot.CHOICE not in each.slots or each.offered]
)
def test_every_listed_phrase_is_understood(expectation: Expectation, locale: str) -> None:
    listed = phrases(expectation, VOCABULARY, NOW, locale)
    assert [phrase for phrase in listed if _is_lost(phrase, expectation, locale)] == []
