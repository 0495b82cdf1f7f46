"""A callback that can't be kept, on a call where no human was tried yet: the human is next, and the call ends."""

from datetime import datetime

from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business
from ari_app.dialogue.policy import begin, step
from ari_app.understanding.meaning import CallerAct, Intent, TimeRange, YesNo


def test_a_callback_that_cannot_be_kept_goes_to_a_human_and_never_round_in_circles(english: Business) -> None:
    now = datetime(2026, 11, 23, 8, 40, tzinfo=english.zone)
    state, acts = begin(english, a.CallStarted(now, "+447700900001"))
    for act in (
        CallerAct(text="call me back", intents=(Intent.CALLBACK,)),
        CallerAct(text="yes", yes_no=YesNo.YES),
        CallerAct(text="any time", time=TimeRange(None, None)),
    ):
        state, acts = step(english, state, a.CallerSpoke(act, now))
    assert isinstance(acts[-1], a.KeepCallback)
    state, acts = step(english, state, a.ActionFailed("callback"))
    assert isinstance(acts[-1], a.HandOff)
    state, acts = step(english, state, a.HandOffFailed("no_answer"))
    state, acts = step(english, state, a.CallerSpoke(CallerAct(text="yes", yes_no=YesNo.YES), now))
    state, acts = step(english, state, a.CallerSpoke(CallerAct(text="any time", time=TimeRange(None, None)), now))
    assert isinstance(acts[-1], a.KeepCallback)
    state, acts = step(english, state, a.ActionFailed("callback"))
    assert isinstance(acts[-1], a.HangUp)
