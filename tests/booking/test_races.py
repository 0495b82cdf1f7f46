"""Callers, killed workers and people race for few openings; the whole history must agree with the calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from ari_app.booking.model import AppointmentPart, BookingRequest, Opening
from ari_app.booking.plan import Plan
from ari_app.lab.bench.race_check import Evidence, FinalEvent, judge
from ari_app.lab.bench.race_history import Line
from ari_app.lab.bench.races import Race, run_race
from ari_app.store.booking_journal import Step, StepKind, StepState


@pytest.mark.parametrize(("server", "store"), [("radicale", "sqlite"), ("xandikos", "postgresql")])
def test_nothing_is_booked_twice_lost_or_left_behind(server: str, store: str) -> None:
    race = Race(callers=8, workers=3, humans=2, seconds=20, kill=True, server=server, store=store, seed=20)
    outcome = run_race(race)
    assert not outcome.verdict.wrong, "\n".join(outcome.stories)
    assert outcome.verdict.told > 0
    assert outcome.kills > 0


def test_the_judge_sees_what_was_told_to_nobody() -> None:
    stray = FinalEvent("/ari/chair-1/ari-app-1.ics", "x@ari-app", 0.0, 1800.0, True)
    assert len(judge(Evidence([], [stray], [], [])).unheld) == 1
    touched = Line(4.0, "human-0", "human_begins", {"href": stray.href, "began": "4.0"})
    assert judge(Evidence([touched], [stray], [], [])).unheld == []


def test_the_judge_sees_a_text_that_is_missing() -> None:
    told = Line(1.0, "worker-0", "booked", {"key": "k"})
    assert len(judge(Evidence([told], [], [], [])).sms_missing) == 1


def test_the_judge_takes_what_a_person_got_no_answer_to_for_done() -> None:
    stray = FinalEvent("/ari/chair-1/ari-app-1.ics", "x@ari-app", 0.0, 1800.0, True)
    begun = Line(4.0, "human-0", "human_begins", {"href": stray.href, "began": "4.0"})
    refused = Line(5.0, "human-0", "human_refused", {"href": stray.href, "began": "4.0", "status": "412"})
    assert judge(Evidence([begun], [stray], [], [])).unheld == []
    assert len(judge(Evidence([begun, refused], [stray], [], [])).unheld) == 1


def test_the_judge_sees_what_was_read_out_and_never_confirmed() -> None:
    heard = Line(1.0, "worker-0", "heard", {"uid": "x@ari-app"})
    assert len(judge(Evidence([heard], [], [], [])).unheld) == 1


def test_what_a_person_took_over_may_be_read_out_though_its_booking_was_undone() -> None:
    start = datetime(2026, 3, 2, 10, tzinfo=UTC)
    opening = Opening(start, start + timedelta(minutes=30), "visit", ("chair-1",))
    href = "/ari/chair-1/ari-app-1.ics"
    plan = Plan(
        StepKind.BOOK,
        "k",
        BookingRequest("k", opening, "+442079460123"),
        "visit",
        (AppointmentPart("chair-1", href, ""),),
    )
    step = Step("k", StepKind.BOOK, StepState.UNDONE, "worker", start, plan.payload(), start, start)
    heard = Line(9.0, "worker-0", "heard", {"uid": plan.uid})
    touched = Line(4.0, "human-0", "human_begins", {"href": href, "began": "4.0"})
    assert judge(Evidence([touched, heard], [], [(step, plan)], [])).unheld == []
    assert len(judge(Evidence([heard], [], [(step, plan)], [])).unheld) == 1
