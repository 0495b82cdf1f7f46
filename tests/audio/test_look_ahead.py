from ari_app.audio.frames import FRAME_BYTES, FRAME_S, SILENCE
from ari_app.audio.look_ahead import AFTER_FRAMES, AHEAD_FRAMES, LookAhead

SPEECH = b"\x01\x02" * (FRAME_BYTES // 2)
QUIET = b"\x01\x00" * (FRAME_BYTES // 2)


def fed(look_ahead: LookAhead, *stretches: tuple[int, bytes]) -> bytes:
    return b"".join(
        look_ahead.take(frame, is_speech=frame is SPEECH) for frames, frame in stretches for _ in range(frames)
    )


def test_silence_comes_ahead_of_its_time_once_and_no_more_of_it_in_all():
    audio = fed(LookAhead(), (10, SPEECH), (AFTER_FRAMES, QUIET))
    assert audio == SPEECH * 10 + QUIET * AFTER_FRAMES + SILENCE * AHEAD_FRAMES
    look_ahead = LookAhead()
    audio = fed(look_ahead, (10, SPEECH), (50, QUIET))
    assert len(audio) == 60 * FRAME_BYTES


def test_pause_inside_a_word_is_left_as_it_is():
    stretches = ((10, SPEECH), (AFTER_FRAMES - 1, QUIET), (10, SPEECH))
    assert fed(LookAhead(), *stretches) == b"".join(frame * frames for frames, frame in stretches)


def test_caller_who_goes_on_is_heard_from_the_first_frame():
    audio = fed(LookAhead(), (10, SPEECH), (AFTER_FRAMES + 3, QUIET), (5, SPEECH))
    assert audio == SPEECH * 10 + QUIET * AFTER_FRAMES + SILENCE * AHEAD_FRAMES + SPEECH * 5


def test_partial_is_settled_when_it_is_made_of_the_silence_ahead():
    look_ahead = LookAhead()
    assert look_ahead.is_settled(0.0)
    fed(look_ahead, (10, SPEECH))
    assert not look_ahead.is_settled(10 * FRAME_S)
    fed(look_ahead, (AFTER_FRAMES, QUIET))
    all_s = (10 + AFTER_FRAMES + AHEAD_FRAMES) * FRAME_S
    assert not look_ahead.is_settled(all_s - 0.1)
    assert look_ahead.is_settled(all_s)
    fed(look_ahead, (1, SPEECH))
    assert not look_ahead.is_settled(all_s)


def test_each_utterance_begins_anew():
    look_ahead = LookAhead()
    fed(look_ahead, (10, SPEECH), (AFTER_FRAMES, QUIET))
    look_ahead.begin()
    assert fed(look_ahead, (20, QUIET)) == QUIET * 20
