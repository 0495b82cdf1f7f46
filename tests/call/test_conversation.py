"""The turn loop between its seams: when it fills a silence, what it makes ready ahead, and what it shields."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from datetime import time as clock_time
from pathlib import Path

import pytest

from ari_app.call.conversation import FILLER_AFTER_S, Conversation
from ari_app.clock import FixedClock
from ari_app.config import load_settings
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business, business_from
from ari_app.dialogue.state import State
from ari_app.understanding.meaning import CallerAct, DateRange, Intent, TimeRange

SETTINGS = Path(__file__).parents[2] / "docker" / "ari_app.toml"


@pytest.fixture(scope="module")
def business() -> Business:
    return business_from(load_settings(SETTINGS))


@dataclass
class Mouth:
    """Says without sound; `speaks_for_s` each time."""

    speaks_for_s: float = 0.0
    said: list[tuple[str, float, bool]] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    until_s: float = 0.0

    def say(self, text: str, *, is_shielded: bool = False) -> None:
        self.said.append((text, time.monotonic(), is_shielded))
        self.until_s = time.monotonic() + self.speaks_for_s

    async def drained(self) -> None:
        await asyncio.sleep(max(0.0, self.until_s - time.monotonic()))

    @property
    def is_speaking(self) -> bool:
        return time.monotonic() < self.until_s

    def prepare(self, text: str) -> None:
        self.prepared.append(text)


@dataclass
class Ear:
    """Hears one wish, which it foresees, then nothing more: the caller hangs up."""

    act: CallerAct
    now: datetime
    speculate: Callable[[CallerAct], None] = lambda _act: None
    prompts: list[str] = field(default_factory=list)

    async def turn(self, listen: a.Listen) -> a.CallerSpoke:
        self.prompts.append(listen.expectation.prompt)
        if len(self.prompts) > 1:
            raise asyncio.CancelledError
        self.speculate(self.act)
        return a.CallerSpoke(self.act, self.now)


@dataclass
class Calendar:
    """Takes `takes_s` to find nothing."""

    takes_s: float
    asked: list[tuple[a.SystemAct, float]] = field(default_factory=list)

    async def act(self, act: a.SystemAct, _state: State) -> a.Event:
        self.asked.append((act, time.monotonic()))
        await asyncio.sleep(self.takes_s)
        return a.OpeningsFound(fitting=(), nearest=())


class Diary:
    def note(self, kind: str, text: str, **data: str) -> None: ...

    def turn(self, state: State, event: a.Event, system_acts: tuple[a.SystemAct, ...]) -> None: ...


async def _talk(
    business: Business, act: CallerAct, *, takes_s: float = 0.0, speaks_for_s: float = 0.0, shield_notice: bool = False
) -> tuple[Mouth, Ear, Calendar]:
    now = datetime(2026, 11, 24, 9, 30, tzinfo=business.zone)
    mouth, ear, calendar = Mouth(speaks_for_s), Ear(act, now), Calendar(takes_s)
    clock = FixedClock(now)
    conversation = Conversation(
        business, business.texts, clock, ear, mouth, calendar, Diary(), shield_notice=shield_notice
    )
    with pytest.raises(asyncio.CancelledError):
        await conversation.run(a.CallStarted(now, "+442079460150", None, ()))
    return mouth, ear, calendar


def _wish(business: Business) -> CallerAct:
    """All that the calendar must be asked for."""
    day = date(2026, 12, 1)
    at = clock_time(15)
    service = next(iter(business.services))
    return CallerAct("wish", (Intent.BOOK,), service=service, date=DateRange(day, day), time=TimeRange(at, at))


def _fillers(business: Business, mouth: Mouth) -> list[float]:
    wordings = {business.texts.render("let_me_look", {}, variant=number) for number in range(4)}
    return [at_s for text, at_s, _ in mouth.said if text in wordings]


async def test_a_quick_calendar_is_not_talked_over(business: Business) -> None:
    mouth, _, calendar = await _talk(business, _wish(business), takes_s=FILLER_AFTER_S / 2)
    assert len(calendar.asked) >= 1
    assert _fillers(business, mouth) == []


async def test_a_slow_calendar_is_told_of_once_and_not_before_it_is_slow(business: Business) -> None:
    mouth, _, calendar = await _talk(business, _wish(business), takes_s=FILLER_AFTER_S + 0.5)
    fillers = _fillers(business, mouth)
    assert len(fillers) == len(calendar.asked), "once for each look"
    for said_s, (_, asked_s) in zip(fillers, calendar.asked, strict=True):
        assert said_s - asked_s >= FILLER_AFTER_S


async def test_nothing_is_filled_while_the_agent_still_speaks(business: Business) -> None:
    """The greeting and what is noted sound longer than the calendar takes: no silence, so no filler."""
    mouth, _, _ = await _talk(business, _wish(business), takes_s=FILLER_AFTER_S + 0.3, speaks_for_s=5.0)
    assert _fillers(business, mouth) == []


async def test_what_will_be_said_is_made_ready_while_the_caller_is_finishing(business: Business) -> None:
    service = next(iter(business.services))
    mouth, ear, _ = await _talk(business, CallerAct("wish", (Intent.BOOK,), service=service))
    answer = [text for text, *_ in mouth.said][-len(mouth.prepared) :]
    assert mouth.prepared
    assert mouth.prepared == answer, "the very words, so that none is made twice"
    assert ear.prompts[1] == " ".join(answer)


@pytest.mark.parametrize("shield_notice", [True, False])
async def test_only_the_first_sentence_is_shielded_and_only_if_the_owner_says_so(
    business: Business, shield_notice: bool
) -> None:
    mouth, _, _ = await _talk(business, CallerAct("hello", (Intent.BOOK,)), shield_notice=shield_notice)
    shields = [is_shielded for *_, is_shielded in mouth.said]
    assert shields[0] is shield_notice
    assert not any(shields[1:])
