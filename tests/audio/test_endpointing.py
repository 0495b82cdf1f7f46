"""Endpointing, frame by frame: no sleeping, only audio seconds."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ari_app.audio.endpointing import (
    NO_WORDS,
    Endpointer,
    EndpointEvent,
    EndpointKind,
    EndpointLimits,
    EndReason,
    PartialFacts,
    StablePartial,
    TurnKind,
)
from ari_app.config import TurnSettings

FRAME_S = 0.02
LIMITS = EndpointLimits()
ANSWER = PartialFacts(has_words=True, is_complete=True, stable_s=0.3)
WORDS = PartialFacts(has_words=True, stable_s=0.3)
UNFINISHED = PartialFacts(has_words=True, is_unfinished=True, stable_s=0.3)


def run(endpointer: Endpointer, *stretches: tuple[float, float, PartialFacts]) -> list[EndpointEvent]:
    """Push stretches of (seconds, speech probability, facts)."""
    events = []
    for length_s, probability, facts in stretches:
        for _ in range(round(length_s / FRAME_S)):
            event = endpointer.push(probability, facts, frame_s=FRAME_S)
            if event is not None:
                events.append(event)
    return events


def begun(kind: TurnKind = TurnKind.OPEN, limits: EndpointLimits = LIMITS) -> Endpointer:
    endpointer = Endpointer(limits)
    endpointer.begin(kind)
    return endpointer


def the_end(events: Iterable[EndpointEvent]) -> EndpointEvent:
    ends = [event for event in events if event.kind is EndpointKind.ENDED]
    assert len(ends) == 1
    return ends[0]


@pytest.mark.parametrize(
    ("kind", "facts", "wait_s", "reason"),
    [
        (TurnKind.CLOSED, ANSWER, 0.2, EndReason.COMPLETE),
        (TurnKind.OPEN, ANSWER, 0.35, EndReason.COMPLETE),
        (TurnKind.CLOSED, WORDS, 0.7, EndReason.SILENCE),
        (TurnKind.OPEN, WORDS, 0.7, EndReason.SILENCE),
        (TurnKind.CLOSED, UNFINISHED, 1.4, EndReason.SILENCE),
        (TurnKind.OPEN, UNFINISHED, 1.4, EndReason.SILENCE),
        (TurnKind.CLOSED, PartialFacts(True, True, True, 1.0), 1.4, EndReason.SILENCE),
        (TurnKind.CLOSED, PartialFacts(True, True, False, 0.0), 0.7, EndReason.SILENCE),
    ],
)
def test_wait_depends_on_question_and_answer(kind, facts, wait_s, reason):
    events = run(begun(kind), (0.5, 0.0, NO_WORDS), (0.3, 0.99, NO_WORDS), (0.7, 0.99, facts), (3.0, 0.0, facts))
    end = the_end(events)
    assert end.wait_s == pytest.approx(wait_s, abs=FRAME_S + 1e-6)
    assert end.reason is reason
    assert end.speech_start_s == pytest.approx(0.5, abs=FRAME_S)
    assert end.speech_end_s == pytest.approx(1.5, abs=FRAME_S)


def test_complete_partial_does_not_cut_off_who_is_still_speaking():
    events = run(begun(TurnKind.CLOSED), (1.5, 0.9, ANSWER))
    assert [event.kind for event in events] == [EndpointKind.STARTED]


def test_answer_becoming_stable_in_the_silence_ends_it_then():
    unstable = PartialFacts(True, True, False, 0.0)
    events = run(begun(TurnKind.CLOSED), (0.5, 0.9, WORDS), (0.3, 0.0, unstable), (1.0, 0.0, ANSWER))
    assert the_end(events).wait_s == pytest.approx(0.32, abs=FRAME_S)


def test_start_is_told_once_and_early():
    events = run(begun(), (0.2, 0.0, NO_WORDS), (1.0, 0.9, NO_WORDS))
    assert [event.kind for event in events] == [EndpointKind.STARTED]
    assert events[0].at_s == pytest.approx(0.2 + LIMITS.min_speech_s, abs=FRAME_S)


@pytest.mark.parametrize("length_s", [0.02, 0.04])
def test_click_is_nothing(length_s):
    events = run(begun(), (1.0, 0.0, NO_WORDS), (length_s, 1.0, NO_WORDS), (2.0, 0.0, NO_WORDS))
    assert events == []


@pytest.mark.parametrize("length_s", [0.1, 0.3, 0.6])
def test_cough_is_no_turn_and_listening_goes_on(length_s):
    endpointer = begun()
    events = run(endpointer, (1.0, 0.0, NO_WORDS), (length_s, 0.9, NO_WORDS), (1.0, 0.0, NO_WORDS))
    assert [event.kind for event in events] == [EndpointKind.STARTED, EndpointKind.NOISE]
    assert the_end(run(endpointer, (0.6, 0.9, ANSWER), (1.0, 0.0, ANSWER))).reason is EndReason.COMPLETE


def test_speech_that_gave_no_word_is_a_turn_that_was_not_understood():
    events = run(begun(), (1.5, 0.95, NO_WORDS), (2.0, 0.0, NO_WORDS))
    assert the_end(events).reason is EndReason.WORDLESS


def test_comfort_noise_and_a_flickering_vad_are_nothing():
    endpointer = begun()
    events = []
    for number in range(300):
        events += [endpointer.push(0.3 if number % 3 else 0.55, NO_WORDS)]
    assert all(event is None for event in events)


def test_silence_runs_out_once():
    endpointer = begun()
    events = run(endpointer, (30.0, 0.0, NO_WORDS))
    assert [event.kind for event in events] == [EndpointKind.NO_INPUT]
    assert events[0].at_s == pytest.approx(7.0, abs=FRAME_S)


def test_hold_on_waits_longer():
    endpointer = Endpointer(LIMITS)
    endpointer.begin(TurnKind.OPEN, no_input_s=60.0)
    assert run(endpointer, (59.0, 0.0, NO_WORDS)) == []
    assert [event.kind for event in run(endpointer, (2.0, 0.0, NO_WORDS))] == [EndpointKind.NO_INPUT]


def test_noise_does_not_put_off_the_question_whether_somebody_is_there():
    endpointer = begun()
    events = run(endpointer, *[(0.3, 0.9, NO_WORDS), (1.2, 0.0, NO_WORDS)] * 6)
    assert events[-1].kind is EndpointKind.NO_INPUT
    assert events[-1].at_s < 9.1


def test_nobody_may_speak_for_ever():
    end = the_end(run(begun(), (40.0, 0.9, PartialFacts(True, False, False, 0.0))))
    assert end.reason is EndReason.TOO_LONG
    assert end.at_s == pytest.approx(30.0, abs=0.1)


def test_nothing_comes_after_the_end_until_the_next_turn():
    endpointer = begun(TurnKind.CLOSED)
    the_end(run(endpointer, (0.5, 0.9, ANSWER), (1.0, 0.0, ANSWER)))
    assert run(endpointer, (5.0, 0.9, ANSWER), (20.0, 0.0, NO_WORDS)) == []
    endpointer.begin(TurnKind.CLOSED)
    the_end(run(endpointer, (0.5, 0.9, ANSWER), (1.0, 0.0, ANSWER)))


def test_pause_inside_an_utterance_is_no_end():
    on_the = PartialFacts(True, False, True, 0.4)
    events = run(begun(), (0.6, 0.9, on_the), (1.1, 0.0, on_the), (0.8, 0.9, ANSWER), (1.0, 0.0, ANSWER))
    end = the_end(events)
    assert end.speech_end_s == pytest.approx(2.5, abs=FRAME_S)


def test_click_after_the_answer_does_not_prolong_the_wait():
    events = run(begun(TurnKind.CLOSED), (0.5, 0.9, ANSWER), (0.1, 0.0, ANSWER), (0.02, 0.9, ANSWER), (1.0, 0, ANSWER))
    assert the_end(events).wait_s == pytest.approx(0.2, abs=2 * FRAME_S)


def test_words_on_a_line_too_faint_for_the_vad_are_a_turn():
    events = run(begun(), (1.0, 0.1, NO_WORDS), (0.2, 0.1, PartialFacts(True, True, False, 0.3)))
    assert [event.kind for event in events] == [EndpointKind.STARTED]
    endpointer = begun()
    stable = StablePartial()
    events = []
    for number in range(200):
        words = "" if number < 50 else "half past" if number < 70 else "half past three"
        facts = PartialFacts(bool(words), words.endswith("three"), False, stable.update(words, number * FRAME_S))
        event = endpointer.push(0.1, facts)
        if event is not None:
            events.append(event)
    end = the_end(events)
    assert end.reason is EndReason.COMPLETE
    assert 1.4 < end.at_s < 2.0


def test_word_that_a_recogniser_makes_of_a_cough_is_nothing():
    assert run(begun(), (1.0, 0.0, NO_WORDS), (3.0, 0.1, PartialFacts(has_words=True, stable_s=1.0))) == []


def test_television_in_the_room_does_not_hold_the_answer_back():
    events = run(
        begun(TurnKind.CLOSED),
        (0.6, 0.9, WORDS),
        (1.0, 0.9, PartialFacts(True, True, False, 1.0)),
        (3.0, 0.9, PartialFacts(True, True, False, 1.7)),
    )
    end = the_end(events)
    assert end.reason is EndReason.STUCK
    assert end.at_s < 1.8


def test_slow_speaker_gets_more_as_the_call_goes_on():
    endpointer = Endpointer(LIMITS)
    waits = []
    for _ in range(6):
        endpointer.begin(TurnKind.OPEN)
        events = run(
            endpointer, (0.6, 0.9, WORDS), (0.56, 0.0, WORDS), (0.6, 0.9, WORDS), (0.56, 0, WORDS), (0.5, 0.9, WORDS),
            (3.0, 0.0, WORDS),
        )  # fmt: skip
        waits.append(the_end(events).wait_s)
    assert waits == sorted(waits)
    assert waits[-1] > waits[0] + 0.1
    assert waits[-1] <= 0.7 * 1.5 + FRAME_S
    assert 1.0 < endpointer.pace <= 1.5


def test_being_cut_off_teaches_at_once_but_not_without_limit():
    endpointer = begun()
    for _ in range(10):
        endpointer.note_cut_off()
    assert endpointer.pace == 1.5
    assert the_end(run(endpointer, (0.5, 0.9, WORDS), (3.0, 0.0, WORDS))).wait_s == pytest.approx(1.05, abs=FRAME_S)
    endpointer.begin(TurnKind.CLOSED)
    assert the_end(run(endpointer, (0.5, 0.9, ANSWER), (3.0, 0.0, ANSWER))).wait_s == pytest.approx(0.25, abs=FRAME_S)


def test_words_per_second_tell_a_slow_speaker():
    endpointer = begun()
    endpointer.note_words(6, 2.0)
    endpointer.note_words(1, 3.0)
    endpointer.note_words(4, 0.0)
    assert endpointer.pace == 1.0
    endpointer.note_words(5, 4.0)
    assert endpointer.pace == pytest.approx(1.1)


def test_quick_speakers_keep_the_quick_pace():
    endpointer = Endpointer(LIMITS)
    for _ in range(20):
        endpointer.begin(TurnKind.CLOSED)
        run(endpointer, (0.4, 0.9, WORDS), (0.2, 0.0, WORDS), (0.4, 0.9, ANSWER), (1.0, 0.0, ANSWER))
    assert endpointer.pace == 1.0


def test_turn_may_begin_with_speech_already_heard():
    endpointer = Endpointer(LIMITS)
    endpointer.begin(TurnKind.CLOSED, speech_before_s=0.4)
    assert endpointer.is_started
    events = run(endpointer, (0.3, 0.9, ANSWER), (1.0, 0.0, ANSWER))
    assert [event.kind for event in events] == [EndpointKind.ENDED]
    assert events[0].speech_start_s == pytest.approx(-0.4)


def test_remaining_time_lets_the_answer_be_prepared():
    endpointer = begun(TurnKind.CLOSED)
    assert endpointer.remaining_s is None
    run(endpointer, (0.5, 0.9, ANSWER), (0.1, 0.0, ANSWER))
    assert endpointer.remaining_s == pytest.approx(LIMITS.closed_silence_s - 0.1, abs=FRAME_S)
    run(endpointer, (0.2, 0.0, ANSWER))
    assert endpointer.remaining_s is None


def test_plain_way_waits_a_fixed_silence_whatever_is_heard():
    limits = EndpointLimits.from_settings(TurnSettings(baseline=True))
    for facts in (ANSWER, WORDS, UNFINISHED):
        end = the_end(run(begun(TurnKind.CLOSED, limits), (0.5, 0.9, facts), (2.0, 0.0, facts)))
        assert end.wait_s == pytest.approx(0.8, abs=FRAME_S)
        assert end.reason is EndReason.SILENCE


def test_limits_come_from_the_settings():
    limits = EndpointLimits.from_settings(TurnSettings(closed_silence_s=0.5, slow_speaker_factor=2.0))
    assert (limits.closed_silence_s, limits.slow_speaker_factor, limits.fixed_silence_s) == (0.5, 2.0, None)


@pytest.mark.parametrize("frame_s", [0.01, 0.02, 0.032, 0.06])
def test_frame_length_does_not_change_the_outcome(frame_s):
    endpointer = begun(TurnKind.CLOSED)
    end = None
    for number in range(int(3 / frame_s)):
        event = endpointer.push(0.9 if 0.6 <= number * frame_s < 1.2 else 0.0, ANSWER if number * frame_s > 0.9
                                else NO_WORDS, frame_s=frame_s)  # fmt: skip
        if event is not None and event.kind is EndpointKind.ENDED:
            end = event
    assert end is not None
    assert end.at_s == pytest.approx(1.4, abs=2 * frame_s)


facts_strategy = st.builds(PartialFacts, st.booleans(), st.booleans(), st.booleans(), st.floats(0, 3, allow_nan=False))


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.floats(0, 1), facts_strategy, st.integers(1, 60)), max_size=40),
    st.sampled_from(list(TurnKind)),
)
def test_any_sound_ends_in_order(stretches, kind):
    endpointer = begun(kind)
    events = []
    for probability, facts, frames in stretches:
        for _ in range(frames):
            event = endpointer.push(probability, facts)
            if event is not None:
                events.append(event)
    is_started = False
    for event in events:
        assert 0 <= event.wait_s <= event.at_s
        match event.kind:
            case EndpointKind.STARTED:
                assert not is_started
                is_started = True
            case EndpointKind.NOISE | EndpointKind.ENDED:
                assert is_started
                is_started = False
            case EndpointKind.NO_INPUT:
                assert not is_started
    assert all(event.kind not in {EndpointKind.ENDED, EndpointKind.NO_INPUT} for event in events[:-1])
    assert 1.0 <= endpointer.pace <= LIMITS.slow_speaker_factor


def test_stability_counts_from_the_last_change():
    stable = StablePartial()
    assert stable.update("", 0.5) == 0.5
    assert stable.update("half", 0.6) == 0
    assert stable.update("half", 0.9) == pytest.approx(0.3)
    assert stable.update("half past", 1.0) == 0
    stable.begin()
    assert stable.update("", 0.1) == pytest.approx(0.1)


def test_open_question_answered_in_part_waits_less_than_one_not_answered():
    answered = PartialFacts(has_words=True, has_answer=True, stable_s=0.3)
    silences = []
    for facts in (ANSWER, answered, WORDS):
        end = the_end(run(begun(TurnKind.OPEN), (0.8, 0.9, facts), (2.0, 0.0, facts)))
        silences.append(end.wait_s)
    wanted = [LIMITS.complete_silence_s, LIMITS.answered_silence_s, LIMITS.open_silence_s]
    assert silences == pytest.approx(wanted, abs=FRAME_S)


def test_answer_that_is_unfinished_is_waited_for():
    facts = PartialFacts(has_words=True, has_answer=True, is_unfinished=True, stable_s=0.3)
    end = the_end(run(begun(TurnKind.OPEN), (0.8, 0.9, facts), (2.0, 0.0, facts)))
    assert end.wait_s == pytest.approx(LIMITS.unfinished_silence_s, abs=FRAME_S)
