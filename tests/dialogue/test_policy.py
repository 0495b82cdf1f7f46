"""Single turns: what the next turn can be answered with, keys, and what was heard before a caller cut in."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time

import pytest
from pydantic import TypeAdapter

from ari_app.booking.model import Appointment
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business, vocabulary_for
from ari_app.dialogue.keypad import keyed_day, pressed
from ari_app.dialogue.policy import step
from ari_app.dialogue.state import Question, State
from ari_app.errors import ConfigInvalid
from ari_app.understanding.meaning import (
    CallerAct,
    DateRange,
    Intent,
    Preference,
    Slot,
    TimeRange,
    Topic,
    YesNo,
)

TUESDAY = date(2026, 11, 24)


def on(day: date) -> DateRange:
    return DateRange(day, day)


def sharp(hour: int, minute: int = 0) -> TimeRange:
    return TimeRange(time(hour, minute), time(hour, minute))


@pytest.fixture
def read_back(call):
    """A cleaning on Tuesday at ten, read back."""
    return call.says(service="cleaning", date=on(TUESDAY), time=sharp(10))


def test_first_words_name_the_machine_and_the_way_to_a_person(call) -> None:
    assert "automated assistant" in call.words[0]
    assert "operator" in call.words[0]
    assert call.listening.expectation.slots >= {Slot.TASK, Slot.SERVICE, Slot.DATE, Slot.TIME}


def test_a_read_back_expects_a_yes_to_exactly_this(read_back) -> None:
    expectation = read_back.listening.expectation
    assert expectation.is_closed
    assert expectation.confirming is not None
    assert (expectation.confirming.service, expectation.confirming.resource) == ("cleaning", "anna")
    assert expectation.confirming.start == datetime(2026, 11, 24, 10, tzinfo=read_back.business.zone)


def test_offers_are_expected_in_the_order_spoken(call, desk, english: Business) -> None:
    call.says(service="cleaning", date=on(TUESDAY), time=TimeRange(time(14), time(16)))
    expectation = call.listening.expectation
    assert [each.start for each in expectation.offered] == [each.start for each in call.state.offered]
    assert len(expectation.offered) == english.offers
    assert expectation.is_closed
    assert expectation.date == on(TUESDAY)


def test_dates_and_times_may_be_keyed_in_several_digits(call) -> None:
    call.says(service="cleaning")
    assert call.listening.dtmf == "digits"
    call.says(date=on(TUESDAY))
    assert call.listening.dtmf == "digits"
    call.says(time=sharp(10))
    assert call.listening.dtmf == "single"


def test_hold_on_waits_a_minute_under_the_same_question(read_back) -> None:
    read_back.says(intents=(Intent.HOLD_ON,))
    assert read_back.listening.no_input_s == 60.0
    assert read_back.state.question is Question.READBACK
    read_back.says(yes_no=YesNo.YES)
    assert len(read_back.desk.appointments) == 1


@pytest.mark.parametrize(("heard", "books"), [(0, False), (2, False), (3, True), (None, True)])
def test_a_yes_counts_only_once_the_moment_was_heard(read_back, heard: int | None, books: bool) -> None:
    read_back.says(yes_no=YesNo.YES, heard=heard)
    assert bool(read_back.desk.appointments) is books


def test_a_backchannel_under_an_open_question_is_no_turn(call) -> None:
    call.says(text="mm-hm", is_backchannel=True)
    assert call.words[-1] == ""
    assert call.state.misunderstandings == 0


def test_what_is_told_is_what_the_calendar_returned(call, english: Business) -> None:
    """The desk may have put it elsewhere: the caller hears that, not the wish."""
    call.says(service="cleaning", date=on(TUESDAY), time=sharp(10))
    returned = Appointment(
        "other",
        "checkup",
        datetime(2026, 11, 26, 11, tzinfo=english.zone),
        datetime(2026, 11, 26, 11, 30, tzinfo=english.zone),
        ("patel",),
        "+447700900001",
    )
    state, system_acts = step(english, call.state, a.Booked(returned))
    words = " ".join(
        english.texts.render(each.text_id, each.values, each.variant) for each in system_acts if isinstance(each, a.Say)
    )
    assert "check up with doctor Patel" in words
    assert "Thursday the twenty sixth of November, at eleven o'clock" in words
    assert "cleaning" not in words
    assert state.done == returned


def test_no_text_message_is_promised_to_a_withheld_number(start: Callable, desk) -> None:
    call = start(desk, number="")
    call.says(service="cleaning", date=on(TUESDAY), time=sharp(10)).says(yes_no=YesNo.YES)
    assert "done.booked" in {say.text_id for say in call.said}
    assert "done.text_message" not in {say.text_id for say in call.said}


def test_an_appointment_that_staff_changed_is_told_of(
    start: Callable, desk, maria: a.Customer, cleaning_on_friday: Appointment, english: Business
) -> None:
    call = start(desk, customer=maria, appointments=[cleaning_on_friday])
    call.says(text="maria jones", intents=(Intent.MOVE,)).says(date=on(TUESDAY), time=sharp(10))
    moved_by_staff = replace(cleaning_on_friday, etag="2", start=cleaning_on_friday.start.replace(hour=14))
    desk.appointments[:] = [moved_by_staff]
    call.says(yes_no=YesNo.YES)
    assert "problem.changed" in call.last_ids or "problem.changed" in {say.text_id for say in call.said}
    assert "half past two in the afternoon" in call.words[-1]
    assert call.state.question is Question.MOVE_OR_NEW


def test_an_event_that_a_person_wrote_is_left_to_people(start: Callable, desk, cleaning_on_friday: Appointment) -> None:
    desk.business = replace(desk.business, identity="none")
    call = start(desk, appointments=[replace(cleaning_on_friday, service=None, title="Jones root canal")])
    call.says(intents=(Intent.MOVE,))
    assert call.state.question is Question.HUMAN
    assert call.says(yes_no=YesNo.YES).ending is not None


def test_returned_from_a_human_the_call_goes_on(read_back, english: Business) -> None:
    read_back.says(intents=(Intent.OPERATOR,))
    state, system_acts = step(english, read_back.state, a.ReturnedFromHuman(read_back.desk.now))
    assert isinstance(system_acts[-1], a.Listen)
    assert state.question is Question.MORE


def test_preferences_are_read_against_what_was_offered(call) -> None:
    call.says(service="cleaning", date=on(TUESDAY), time=TimeRange(time(9), time(12)))
    latest = max(call.state.offered).start
    call.says(preference=Preference.LATER)
    offered = call.state.offered or (call.state.proposal,)
    assert all(each.start > latest for each in offered)
    assert {each.start.date() for each in offered} == {TUESDAY}
    call.says(preference=Preference.OTHER_DAY)
    offered = call.state.offered or (call.state.proposal,)
    assert TUESDAY not in {each.start.date() for each in offered}


def test_a_rejected_day_is_not_offered_again(call) -> None:
    call.says(service="cleaning", date=on(TUESDAY), time=sharp(10))
    call.says(rejected=frozenset({Slot.DATE}))
    assert call.state.question is Question.DATE
    call.says(date=DateRange(TUESDAY, date(2026, 11, 27)))
    offered = call.state.offered or (call.state.proposal,)
    assert TUESDAY not in {each.start.date() for each in offered}


def test_two_readings_of_a_time_are_asked_about(call) -> None:
    call.says(service="cleaning", date=on(TUESDAY), time_candidates=(time(9), time(17)))
    assert call.state.question is Question.TIME_WHICH
    assert call.listening.expectation.options == ("nine o'clock in the morning", "five o'clock in the afternoon")
    call.says(choice=1)
    assert call.state.proposal is not None
    assert call.state.proposal.start.time() == time(17)


def test_four_questions_in_a_row_are_answered_and_no_human_is_pressed_on_the_caller(call) -> None:
    for topic in (Topic.HOURS, Topic.ADDRESS, Topic.WHO, Topic.SERVICES):
        call.says(intents=(Intent.QUESTION,), topic=topic)
    assert call.state.question is Question.MORE


def test_three_turns_without_progress_offer_a_human(call) -> None:
    for _ in range(4):
        if call.state.question is Question.HUMAN:
            break
        call.says(intents=(Intent.REPEAT,))
    assert call.state.question is Question.HUMAN


@pytest.mark.parametrize(
    ("digits", "locale", "day"),
    [
        ("2411", "en-GB", date(2026, 11, 24)),
        ("1124", "en-US", date(2026, 11, 24)),
        ("2211", "en-GB", date(2027, 11, 22)),
        ("2902", "de-DE", date(2028, 2, 29)),
        ("3102", "en-GB", None),
        ("24", "en-GB", None),
        ("²411", "en-GB", None),
    ],
)
def test_four_digits_name_the_next_such_day(digits: str, locale: str, day: date | None) -> None:
    assert keyed_day(digits, date(2026, 11, 23), locale) == day


@pytest.mark.parametrize("question", list(Question))
def test_under_every_question_zero_is_a_human_and_star_repeats(question: Question, english: Business, call) -> None:
    state = replace(call.state, question=question)
    assert pressed(english, state, "0").intents == (Intent.OPERATOR,)
    assert pressed(english, state, "*").intents == (Intent.REPEAT,)
    assert pressed(english, state, "").is_empty
    assert pressed(english, state, "#").is_empty
    assert pressed(english, state, "1*2").is_empty


def test_a_state_can_be_kept_and_read_again(read_back) -> None:
    adapter = TypeAdapter(State)
    kept = adapter.validate_json(adapter.dump_json(read_back.state))
    assert kept.wanted == read_back.state.wanted
    assert kept.proposal == read_back.state.proposal
    assert isinstance(step(read_back.business, kept, a.CallerSilent(read_back.desk.now))[1][-1], a.Listen)


def test_the_customers_name_may_be_heard(english: Business, maria: a.Customer) -> None:
    assert vocabulary_for(english, maria).names == ("Maria Jones",)
    assert vocabulary_for(english, None).names == ()


def test_hours_in_words_put_like_days_together(english: Business) -> None:
    assert english.hours_text() == (
        "Monday to Friday from nine o'clock in the morning to half past five in the afternoon"
    )


def test_an_unknown_language_is_named(english: Business) -> None:
    with pytest.raises(ConfigInvalid, match='no texts for language "tlh"'):
        _ = replace(english, language="tlh").texts


def test_confidence_of_an_operator_never_matters(call) -> None:
    call.says(CallerAct(text="operator", intents=(Intent.OPERATOR,), confidence=0.05))
    assert isinstance(call.ending, a.HandOff)
