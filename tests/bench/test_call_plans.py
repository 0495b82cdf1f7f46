"""The spoken calls as they are planned."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ari_app.config import load_settings
from ari_app.dialogue.business import business_from
from ari_app.lab.bench.call_plans import VOICES, plans
from ari_app.lab.places import checkout_dir
from ari_app.understanding import interpreter
from ari_app.understanding.meaning import Expectation

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=ZoneInfo("Europe/London"))


def test_four_voices_have_six_conversations_each():
    planned = plans(NOW, "en-GB")
    assert len(planned) == 24
    assert len({plan.number for plan in planned}) == 24
    assert all(sum(plan.persona.voice == voice for plan in planned) == 6 for voice in VOICES)


@pytest.mark.parametrize("shift", range(0, 28, 3))
def test_no_two_calls_want_the_same_time_of_one_person(shift):
    planned = plans(NOW + timedelta(days=shift), "en-GB")
    taken = [(plan.service, plan.start) for plan in planned if plan.start is not None]
    taken += [(plan.seed.service, plan.seed.start) for plan in planned if plan.seed is not None]
    assert len(set(taken)) == len(taken)
    assert all(start > NOW + timedelta(days=shift + 10) for _, start in taken)


def test_what_is_said_means_the_day_that_is_expected():
    business = business_from(load_settings(checkout_dir("docker") / "ari_app.toml", {}))
    for plan in plans(NOW, "en-GB"):
        if plan.start is None:
            continue
        said = {
            act.date.start
            for rule in plan.persona.rules
            if (act := interpreter.interpret(rule.says, Expectation(), business.vocabulary, NOW, "en-GB")).date
        }
        assert plan.start.date() in said, plan.name
