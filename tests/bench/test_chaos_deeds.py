"""Which callers of a dead worker had to hear a human's phone ring, and which didn't hear it."""

import pytest

from ari_app.lab.bench.chaos_callers import Caller
from ari_app.lab.bench.chaos_deeds import MUST_RING_WITHIN_S, Death

AT_S = 100.0


def death(standing: str, *, ended_s: float, rang_s: tuple[float, ...] = ()) -> Death:
    return Death(Caller("+442079460000", "book", ended_s=ended_s, rang_s=list(rang_s)), AT_S, "kill", standing)


@pytest.mark.parametrize(
    ("struck", "must_ring", "is_unrung"),
    [
        (death("ask.date", ended_s=AT_S + 20, rang_s=(AT_S + 1.2,)), True, False),
        (death("ask.date", ended_s=AT_S + 20), True, True),
        (death("ask.date", ended_s=AT_S + 20, rang_s=(AT_S - 3,)), True, True),
        (death("ringing", ended_s=AT_S + 20, rang_s=(AT_S - 3, AT_S + MUST_RING_WITHIN_S + 1)), True, True),
        (death("ask.date", ended_s=AT_S + 3), True, False),
        (death("ask.date", ended_s=AT_S + 0.5), False, False),
        (death("connected", ended_s=AT_S + 20), False, False),
    ],
)
def test_who_waited_without_a_ring_is_found(struck: Death, must_ring: bool, is_unrung: bool) -> None:
    assert (struck.must_ring, struck.is_unrung) == (must_ring, is_unrung)
