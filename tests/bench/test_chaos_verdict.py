"""The chaos bench's rule: whom a caller would call stranded."""

from dataclasses import replace

import pytest

from ari_app.lab.bench.chaos_tone import LEVEL, TONE_HZ, holds_tone, tone
from ari_app.lab.bench.chaos_verdict import DEAD_AIR_S, ENDS_WITHIN_S, Lived, Outcome, outcome_of
from ari_app.lab.timeline import Timeline, longest_quiet_s
from ari_app.lab.voices import EASY_VOICE, render

SERVED = Lived(is_answered=True, is_ended_by_caller=True, dead_air_s=2.0)


@pytest.mark.parametrize(
    ("lived", "outcome"),
    [
        (SERVED, Outcome.HUNG_UP),
        (replace(SERVED, is_told_booked=True), Outcome.BOOKED),
        (replace(SERVED, is_told_callback=True), Outcome.CALLBACK),
        (replace(SERVED, has_heard_human=True, is_ended_by_caller=False), Outcome.HUMAN),
        (replace(SERVED, has_heard_human=True, dead_air_s=30.0), Outcome.HUMAN),
        (replace(SERVED, is_ended_by_caller=False), Outcome.STRANDED),
        (replace(SERVED, dead_air_s=DEAD_AIR_S + 0.1), Outcome.STRANDED),
        (replace(SERVED, is_told_booked=True, dead_air_s=DEAD_AIR_S + 0.1), Outcome.STRANDED),
        (replace(SERVED, is_answered=False), Outcome.STRANDED),
        (replace(SERVED, has_heard_human=True, line_up_after_human_s=ENDS_WITHIN_S + 0.1), Outcome.STRANDED),
    ],
)
def test_a_call_is_judged_by_what_its_caller_lived_through(lived: Lived, outcome: Outcome) -> None:
    assert outcome_of(lived) is outcome


def test_silence_counts_from_the_answer_to_the_end_and_between_both_sides() -> None:
    heard, said = Timeline(), Timeline()
    loud, quiet = LEVEL.to_bytes(2, "little") * 320, bytes(640)
    assert longest_quiet_s(10.0, 25.0, heard, said) == 15.0
    for index in range(50):
        heard.add(loud, 12.0 + index * 0.02)
        said.add(loud, 20.0 + index * 0.02)
    for index in range(200):
        heard.add(quiet, 13.0 + index * 0.02)
    assert longest_quiet_s(10.0, 25.0, heard, said) == pytest.approx(7.02, abs=0.03)
    assert longest_quiet_s(10.0, 30.0, heard, said) == pytest.approx(9.02, abs=0.03)


async def test_only_the_human_is_taken_for_the_human() -> None:
    assert holds_tone(tone())
    assert holds_tone(bytes(3_000) + tone() + bytes(10_000))
    assert not holds_tone(bytes(32_000))
    assert not holds_tone(await render("good morning, which day would you like", EASY_VOICE))
    assert not holds_tone(b"".join(tone()[at : at + 1_000] + bytes(9_000) for at in range(0, 10_000, 1_000)))
    assert TONE_HZ < 3_400, "a telephone carries it"
