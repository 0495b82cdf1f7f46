"""The interpreter on n-best readings, partials and anything at all."""

import time as clock
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ari_app.understanding.interpreter import (
    interpret,
    interpret_text,
    is_backchannel,
    is_complete,
    is_unfinished,
)
from ari_app.understanding.meaning import (
    CallerAct,
    DateRange,
    Expectation,
    Hypothesis,
    Intent,
    Offer,
    Proposal,
    ServiceWords,
    Slot,
    Vocabulary,
    YesNo,
)

ZONE = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=ZONE)
VOCABULARY = Vocabulary(
    services=(ServiceWords("cleaning", "Teeth cleaning", ("clean",)), ServiceWords("filling", "Filling")),
    resources=(ServiceWords("patel", "Doctor Patel"),),
)
YES_NO = Expectation(slots=frozenset({Slot.YES_NO}), prompt="Shall I book that?")
DATE = Expectation(slots=frozenset({Slot.DATE}))
TIME = Expectation(slots=frozenset({Slot.TIME}))
BOTH = Expectation(slots=frozenset({Slot.DATE, Slot.TIME}))
OFFERED = Expectation(
    slots=frozenset({Slot.CHOICE, Slot.YES_NO}),
    offered=(Offer(datetime(2026, 11, 26, 10, tzinfo=ZONE)), Offer(datetime(2026, 11, 26, 14, 30, tzinfo=ZONE))),
)
CONFIRMING = Expectation(
    slots=frozenset({Slot.YES_NO}),
    confirming=Proposal("cleaning", datetime(2026, 11, 26, 15, tzinfo=ZONE)),
)
EXPECTATIONS = (Expectation(), YES_NO, DATE, TIME, BOTH, OFFERED, CONFIRMING)


# --- readings ---------------------------------------------------------------------------------------------------


def test_nothing_heard_is_an_empty_act() -> None:
    assert interpret([], YES_NO, VOCABULARY, NOW) == CallerAct()
    assert interpret("", YES_NO, VOCABULARY, NOW).is_empty


def test_phrase_list_reading_wins_at_like_confidence() -> None:
    act = interpret([Hypothesis("yes", 0.9, is_phrase_list=True), Hypothesis("guess", 0.9)], YES_NO, VOCABULARY, NOW)
    assert act.yes_no is YesNo.YES


def test_free_reading_wins_where_the_phrase_list_heard_strangers() -> None:
    act = interpret(
        [Hypothesis("yes [unk] [unk]", 0.8, is_phrase_list=True), Hypothesis("can we make it four", 0.85)],
        CONFIRMING,
        VOCABULARY,
        NOW,
    )
    assert act.time is not None
    assert act.time.start == time(16)
    assert act.yes_no is None


def test_where_much_can_be_said_the_surer_reading_counts() -> None:
    readings = [
        Hypothesis("on friday a twelfth", 0.91, is_phrase_list=True),
        Hypothesis("on friday the fourth of december", 1.0),
    ]
    act = interpret(readings, Expectation(slots=frozenset({Slot.DATE, Slot.TIME})), VOCABULARY, NOW)
    assert act.date == DateRange(date(2026, 12, 4), date(2026, 12, 4))


def test_only_strangers_mean_nothing() -> None:
    act = interpret([Hypothesis("[unk]", 0.9, is_phrase_list=True)], YES_NO, VOCABULARY, NOW)
    assert act.is_empty
    assert not act.is_backchannel


def test_confidence_is_the_readings() -> None:
    assert interpret([Hypothesis("yes", 0.4)], YES_NO, VOCABULARY, NOW).confidence == pytest.approx(0.4)


def test_reading_that_answers_the_question_wins_over_one_that_does_not() -> None:
    act = interpret([Hypothesis("the tour is day", 0.7), Hypothesis("thursday", 0.65)], DATE, VOCABULARY, NOW)
    assert act.date is not None


# --- the end of a turn ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["yes", "no", "yes please", "the second one", "half past two", "operator"])
def test_closed_question_is_answered_early(text: str) -> None:
    assert is_complete(text, OFFERED, VOCABULARY, NOW)


@pytest.mark.parametrize("text", ["yes but", "no the", "um", "", "[unk]", "the", "something else", "can i"])
def test_closed_question_waits_for_more(text: str) -> None:
    assert not is_complete(text, OFFERED, VOCABULARY, NOW)


def test_open_question_is_complete_when_all_that_was_asked_is_said() -> None:
    assert is_complete("tuesday at three thirty", BOTH, VOCABULARY, NOW)
    assert not is_complete("tuesday", BOTH, VOCABULARY, NOW)
    assert is_complete("tuesday", DATE, VOCABULARY, NOW)
    assert not is_complete("next week", DATE, VOCABULARY, NOW)


@pytest.mark.parametrize("text", ["um", "tuesday um", "on the", "the twenty", "half past", "and", "d o", "my name is"])
def test_unfinished_words_ask_for_more(text: str) -> None:
    assert is_unfinished(text)


@pytest.mark.parametrize("text", ["yes", "tuesday", "three thirty", "three p m", "nine a m", "the twenty first", ""])
def test_finished_words_do_not(text: str) -> None:
    assert not is_unfinished(text)


def test_german_unfinished_words() -> None:
    assert is_unfinished("am Dienstag um", "de-DE")
    assert not is_unfinished("am Dienstag um drei", "de-DE")


# --- safety -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "yes but can we make it four",
        "yes on friday",
        "okay but at five",
        "yes make it wednesday",
        "yeah could we do half past four instead",
        "that's fine but at ten",
        "sure friday",
        "yes but later",
        "yes do you have anything else",
    ],
)
def test_yes_that_changes_the_proposal_is_no_yes(text: str) -> None:
    assert interpret(text, CONFIRMING, VOCABULARY, NOW).yes_no is None


@pytest.mark.parametrize("text", ["no", "no don't", "wait no", "not really", "that's wrong", "don't", "yeah no"])
def test_refusal_is_never_a_yes(text: str) -> None:
    assert interpret(text, CONFIRMING, VOCABULARY, NOW).yes_no is not YesNo.YES


SAID = """
tuesday next week on the a third of march may half past to two for four ten no yes not wait three p m morning after
before between and or any day but friday first second one weekend month end early 31 15:30 2026 4/3 twenty hundred oh
in days from until christmas can't do doesn't work i mean same time . , ? dienstag halb vier uhr nicht am woche
"""
WORDS = st.sampled_from(SAID.split())


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=14), st.sampled_from(EXPECTATIONS), st.sampled_from(["en-GB", "en-US", "de-DE"]))
def test_any_words_are_read_without_error(words: list[str], expectation: Expectation, locale: str) -> None:
    act = interpret_text(" ".join(words), expectation, VOCABULARY, NOW, locale)
    if act.date is not None and act.date.start is not None and act.date.end is not None:
        assert act.date.start <= act.date.end
    if act.choice is not None:
        assert 0 <= act.choice < max(1, len(expectation.offered))
    is_unfinished(" ".join(words), locale)
    is_complete(" ".join(words), expectation, VOCABULARY, NOW, locale)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), st.sampled_from(EXPECTATIONS), st.sampled_from(["en-GB", "de-DE"]))
def test_any_text_is_read_without_error(text: str, expectation: Expectation, locale: str) -> None:
    interpret(text, expectation, VOCABULARY, NOW, locale)
    is_unfinished(text, locale)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["tuesday", "or", "three", "to", "the", "between", "and", "first", "10", "in", "a"]),
        min_size=150,
        max_size=200,
    )
)
def test_absurdly_long_text_takes_bounded_time(words: list[str]) -> None:
    started = clock.process_time()
    interpret_text(" ".join(words), BOTH, VOCABULARY, NOW)
    assert clock.process_time() - started < 2.0


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)))  # noqa: DTZ001
@settings(max_examples=100, deadline=None)
def test_dates_hold_at_any_moment(moment: datetime) -> None:
    now = moment.replace(tzinfo=UTC)
    for text in ("tuesday", "next tuesday", "the thirty first", "in six months", "march fourth", "the weekend"):
        act = interpret_text(text, DATE, VOCABULARY, now)
        assert act.date is not None
        assert act.date.end is not None
        assert act.date.end >= now.date()


def test_operator_is_understood_among_anything() -> None:
    for text in ("operator", "no no operator please", "tuesday no wait just give me a human"):
        assert Intent.OPERATOR in interpret(text, BOTH, VOCABULARY, NOW).intents


@pytest.mark.parametrize("text", ["okay", "yeah okay", "mm-hm", "oh right", "uh-huh"])
def test_listeners_sounds_are_a_backchannel(text):
    assert is_backchannel(text)


@pytest.mark.parametrize("text", ["", "no", "i would", "okay monday", "wait", "operator"])
def test_words_that_want_something_are_none(text):
    assert not is_backchannel(text)


def test_german_has_its_own_backchannels():
    assert is_backchannel("ja genau", "de-DE")
    assert not is_backchannel("nein", "de-DE")
