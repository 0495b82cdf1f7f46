"""Figures of the turn bench, from turns made up here."""

import pytest

from ari_app.lab.bench.turn_caller import Measured, MeasuredTurn, Prompt, SpokenOver
from ari_app.lab.bench.turn_figures import (
    CapacityPoint,
    breakdown,
    capacity,
    quantile,
    ratios,
    stopped_by,
    turn_figures,
)
from ari_app.lab.bench.turn_log import STEPS, Breakdown


def turn(kind: str, gap_s: float) -> MeasuredTurn:
    return MeasuredTurn(kind, "ask.date", gap_s, Breakdown(*[gap_s / len(STEPS)] * len(STEPS)))


def test_p95_of_twenty_is_the_nineteenth():
    assert quantile([float(number) for number in range(1, 21)], 0.95) == 19.0
    assert quantile([], 0.95) is None
    assert quantile([0.3], 0.5) == 0.3


def test_figures_are_by_kind():
    measured = Measured(turns=[turn("closed", 0.4), turn("closed", 0.6), turn("open", 0.9)], barge_ins_s=[0.2])
    figures = turn_figures(measured, lambda _texts: 0.0)
    assert figures["closed_p50_s"] == 0.4
    assert figures["closed_p95_s"] == 0.6
    assert figures["open_p95_s"] == 0.9
    assert figures["barge_in_p95_s"] == 0.2
    assert figures["prompts_clipped"] == 0


def test_prompt_that_sounded_too_short_was_clipped_and_one_too_long_was_torn():
    measured = Measured(prompts=[Prompt(("a",), 1.0), Prompt(("a",), 0.8), Prompt(("a",), 1.3)])
    figures = turn_figures(measured, lambda _texts: 1.0)
    assert (figures["prompts"], figures["prompts_clipped"], figures["prompts_torn"]) == (3, 1, 1)


def test_steps_add_up_to_the_gap():
    steps = breakdown([turn("closed", 0.7), turn("closed", 0.35)])
    assert set(steps) == {"closed"}
    assert sum(steps["closed"].values()) == pytest.approx(0.525, abs=0.005)


def test_capacity_is_the_largest_number_below_which_all_hold():
    def point(calls: int, p95_s: float | None, clipped: int = 0) -> CapacityPoint:
        return CapacityPoint(calls, p95_s, p95_s, 0, clipped, 0)

    assert capacity([point(4, 0.5), point(8, 0.6), point(12, 1.4)]) == 8
    assert capacity([point(4, 0.5), point(8, 0.6, clipped=1), point(12, 0.7)]) == 4
    assert capacity([point(4, None)]) == 0
    assert point(8, 1.2, clipped=1).why == "1 prompts clipped, too slow"


def test_ratio_says_how_much_longer_the_plain_way_takes():
    assert ratios({"closed_p50_s": 0.5, "open_p50_s": None}, {"closed_p50_s": 1.5})["closed_p50"] == 3.0
    assert ratios({"closed_p50_s": 0.5}, {})["open_p50"] is None


def test_murmur_stops_the_agent_when_it_makes_a_hole_or_takes_the_turn():
    measured = Measured(
        spoken_over=[
            SpokenOver("okay", Prompt(("a",), 1.05)),
            SpokenOver("okay", Prompt(("a",), 1.15)),
            SpokenOver("cough", None),
            SpokenOver("mm-hm", Prompt(("a",), 1.0)),
        ]
    )
    figures = turn_figures(measured, lambda _texts: 1.0)
    assert (figures["false_stops"], figures["backchannels"]) == (2, 4)
    assert stopped_by(measured, lambda _texts: 1.0) == {
        "cough": "1 of 1 (taken)",
        "mm-hm": "0 of 1 (0.00)",
        "okay": "1 of 2 (0.05 0.15)",
    }
