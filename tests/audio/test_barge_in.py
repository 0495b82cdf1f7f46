import pytest

from ari_app.audio.barge_in import BargeIn, BargeInEvent, BargeInKind, BargeInLimits, Heard
from ari_app.config import TurnSettings

FRAME_S = 0.02


def run(barge_in: BargeIn, *stretches: tuple[float, float, Heard], speechlike: bool = True) -> list[BargeInEvent]:
    events = []
    for length_s, probability, heard in stretches:
        for _ in range(round(length_s / FRAME_S)):
            event = barge_in.push(probability, heard, is_speechlike=speechlike)
            if event is not None:
                events.append(event)
    return events


def kinds(events: list[BargeInEvent]) -> list[BargeInKind]:
    return [event.kind for event in events]


def test_speech_silences_the_agent_at_once_and_words_take_the_turn():
    events = run(
        BargeIn(BargeInLimits()), (1.0, 0.0, Heard.NOTHING), (0.4, 0.95, Heard.NOTHING), (0.1, 0.9, Heard.WORDS)
    )
    assert kinds(events) == [BargeInKind.PAUSE, BargeInKind.TAKE]
    assert events[0].at_s == pytest.approx(1.0 + 0.12, abs=FRAME_S)
    assert events[1].speech_start_s == pytest.approx(1.0, abs=FRAME_S)


def test_long_speech_takes_the_turn_before_a_word_is_known():
    events = run(BargeIn(BargeInLimits()), (1.0, 0.95, Heard.NOTHING))
    assert kinds(events) == [BargeInKind.PAUSE, BargeInKind.TAKE]
    assert events[1].at_s == pytest.approx(0.65, abs=FRAME_S)


def test_short_word_that_is_recognised_late_takes_the_turn():
    events = run(BargeIn(BargeInLimits()), (0.1, 0.9, Heard.NOTHING), (0.3, 0.0, Heard.NOTHING), (0.1, 0, Heard.WORDS))
    assert kinds(events) == [BargeInKind.TAKE]


def test_word_that_a_recogniser_makes_of_a_cough_does_nothing():
    assert run(BargeIn(BargeInLimits()), (1.0, 0.2, Heard.NOTHING), (2.0, 0.2, Heard.WORDS)) == []


def test_okay_lets_the_agent_go_on():
    events = run(BargeIn(BargeInLimits()), (0.4, 0.95, Heard.NOTHING), (1.0, 0.0, Heard.BACKCHANNEL))
    assert kinds(events) == [BargeInKind.PAUSE, BargeInKind.RESUME]
    assert events[1].at_s == pytest.approx(0.4 + 0.1, abs=FRAME_S)
    assert events[1].paused_s < 0.5


def test_backchannel_that_was_recognised_first_does_not_even_pause():
    events = run(
        BargeIn(BargeInLimits()), (0.1, 0.9, Heard.NOTHING), (0.3, 0.9, Heard.BACKCHANNEL), (1, 0, Heard.BACKCHANNEL)
    )
    assert events == []


def test_backchannel_that_goes_on_takes_the_turn():
    events = run(BargeIn(BargeInLimits()), (0.4, 0.95, Heard.BACKCHANNEL), (0.4, 0.95, Heard.BACKCHANNEL))
    assert kinds(events) == [BargeInKind.TAKE]


@pytest.mark.parametrize("length_s", [0.2, 0.4, 0.6, 2.0])
def test_hum_or_cough_does_not_even_pause(length_s):
    events = run(BargeIn(BargeInLimits()), (length_s, 0.9, Heard.NOTHING), (2, 0, Heard.NOTHING), speechlike=False)
    assert events == []


def test_single_frames_of_a_hum_that_sound_like_speech_do_not_pause():
    barge_in = BargeIn(BargeInLimits())
    events = [barge_in.push(0.9, is_speechlike=number in {0, 7, 20}) for number in range(25)]
    assert events == [None] * 25


@pytest.mark.parametrize("length_s", [0.02, 0.06, 0.1])
def test_click_does_nothing(length_s):
    assert run(BargeIn(BargeInLimits()), (length_s, 1.0, Heard.NOTHING), (2.0, 0.0, Heard.NOTHING)) == []


def test_clicks_apart_do_not_add_up():
    stretches = [(0.06, 1.0, Heard.NOTHING), (0.3, 0.0, Heard.NOTHING)] * 10
    assert run(BargeIn(BargeInLimits()), *stretches) == []


def test_nothing_understood_within_a_second_lets_the_agent_go_on():
    events = run(BargeIn(BargeInLimits()), (0.3, 0.9, Heard.NOTHING), (3.0, 0.0, Heard.NOTHING))
    assert kinds(events) == [BargeInKind.PAUSE, BargeInKind.RESUME]
    assert events[1].at_s - events[0].at_s == pytest.approx(1.0, abs=FRAME_S)


def test_after_going_on_the_agent_can_be_interrupted_again():
    barge_in = BargeIn(BargeInLimits())
    events = run(
        barge_in,
        (0.3, 0.9, Heard.NOTHING),
        (1.5, 0.0, Heard.NOTHING),
        (0.3, 0.9, Heard.NOTHING),
        (0.1, 0.9, Heard.WORDS),
    )
    assert kinds(events) == [BargeInKind.PAUSE, BargeInKind.RESUME, BargeInKind.PAUSE, BargeInKind.TAKE]


def test_taken_turn_is_taken_once():
    assert len(run(BargeIn(BargeInLimits()), (5.0, 0.9, Heard.WORDS))) == 1


def test_shielded_sentence_is_not_interrupted_and_then_is():
    barge_in = BargeIn(BargeInLimits())
    barge_in.begin(is_shielded=True)
    assert run(barge_in, (2.0, 0.95, Heard.WORDS)) == []
    barge_in.end_shield()
    assert kinds(run(barge_in, (0.1, 0.95, Heard.WORDS))) == [BargeInKind.TAKE]


def test_new_agent_utterance_starts_anew():
    barge_in = BargeIn(BargeInLimits())
    run(barge_in, (0.1, 0.9, Heard.NOTHING))
    barge_in.begin()
    assert run(barge_in, (0.1, 0.9, Heard.NOTHING)) == []
    assert barge_in.speech_s == pytest.approx(0.1)


def test_limit_comes_from_the_settings():
    limits = BargeInLimits.from_settings(TurnSettings(barge_in_speech_s=0.3))
    events = run(BargeIn(limits), (0.5, 0.9, Heard.NOTHING))
    assert events[0].at_s == pytest.approx(0.3, abs=FRAME_S)


def yielding(*stretches: tuple[float, float, Heard], speechlike: bool = True) -> list[BargeInEvent]:
    barge_in = BargeIn(BargeInLimits())
    barge_in.begin(yields=True)
    return run(barge_in, *stretches, speechlike=speechlike)


def test_agent_that_yields_lowers_its_voice_at_once_and_stops_for_words():
    events = yielding((1.0, 0.0, Heard.NOTHING), (0.5, 0.95, Heard.NOTHING), (0.3, 0.9, Heard.WORDS))
    assert kinds(events) == [BargeInKind.YIELD, BargeInKind.TAKE]
    assert events[0].at_s == pytest.approx(1.0 + 0.08, abs=FRAME_S)
    assert events[1].at_s == pytest.approx(1.0 + 0.55, abs=FRAME_S)


def test_okay_only_lowers_the_voice():
    events = yielding((0.5, 0.95, Heard.NOTHING), (0.3, 0.0, Heard.BACKCHANNEL))
    assert kinds(events) == [BargeInKind.YIELD, BargeInKind.RESUME]


def test_long_okay_only_lowers_the_voice():
    events = yielding((0.4, 0.95, Heard.NOTHING), (0.4, 0.95, Heard.BACKCHANNEL), (0.3, 0.0, Heard.BACKCHANNEL))
    assert kinds(events) == [BargeInKind.YIELD, BargeInKind.RESUME]


@pytest.mark.parametrize(("length_s", "speechlike"), [(0.2, False), (0.4, False), (2.0, False), (0.3, True)])
def test_cough_or_hum_only_lowers_the_voice(length_s, speechlike):
    events = yielding((length_s, 0.9, Heard.NOTHING), (1.0, 0.0, Heard.NOTHING), speechlike=speechlike)
    assert kinds(events) == [BargeInKind.YIELD, BargeInKind.RESUME]


def test_words_that_a_recogniser_makes_of_a_cough_do_not_stop_an_agent_that_yields():
    stretches = ((0.5, 0.9, Heard.NOTHING), (0.3, 0.9, Heard.WORDS), (1.2, 0.0, Heard.WORDS))
    assert kinds(yielding(*stretches, speechlike=False)) == [BargeInKind.YIELD, BargeInKind.RESUME]


def test_first_guess_at_a_short_word_does_not_stop_an_agent_that_yields():
    events = yielding((0.3, 0.9, Heard.WORDS), (0.3, 0.0, Heard.BACKCHANNEL))
    assert kinds(events) == [BargeInKind.YIELD, BargeInKind.RESUME]


def test_short_word_stops_an_agent_that_yields_once_it_is_over():
    events = yielding((0.24, 0.9, Heard.NOTHING), (0.3, 0.0, Heard.WORDS))
    assert kinds(events) == [BargeInKind.YIELD, BargeInKind.TAKE]
    assert events[1].at_s == pytest.approx(0.24 + 0.1, abs=FRAME_S)


def test_agent_that_yields_speaks_up_only_when_the_recogniser_has_said_its_last():
    barge_in = BargeIn(BargeInLimits())
    barge_in.begin(yields=True)
    run(barge_in, (0.3, 0.9, Heard.NOTHING))
    assert [barge_in.push(0.0, is_settled=False) for _ in range(30)] == [None] * 30
    event = barge_in.push(0.0, Heard.WORDS, is_settled=True)
    assert event is not None
    assert event.kind is BargeInKind.TAKE


def test_recogniser_that_never_answers_does_not_keep_the_voice_low():
    barge_in = BargeIn(BargeInLimits())
    barge_in.begin(yields=True)
    run(barge_in, (0.3, 0.9, Heard.NOTHING))
    events = [barge_in.push(0.0, is_settled=False) for _ in range(60)]
    assert [event.kind for event in events if event] == [BargeInKind.RESUME]
