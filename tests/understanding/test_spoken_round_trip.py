"""What the agent says of a date or a time is understood back exactly."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ari_app.prompts.spoken import spoken_date, spoken_digits, spoken_moment, spoken_time, spoken_year
from ari_app.understanding.interpreter import interpret_text
from ari_app.understanding.meaning import Expectation, Slot, Vocabulary

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=ZoneInfo("Europe/London"))
LOCALES = ("en-GB", "en-US", "de-DE")
DAYS = tuple(NOW.date() + timedelta(days=offset) for offset in range(400))
FIRST_HOUR = {"de-DE": 8}
"""A 24-hour clock says "ein Uhr" at night; callers say it of the afternoon, when the business is open."""

BOTH = Expectation(slots=frozenset({Slot.DATE, Slot.TIME}))
DIGITS = Expectation(slots=frozenset({Slot.DIGITS}))


def _date(text: str, locale: str, now: datetime = NOW) -> date | None:
    found = interpret_text(text, BOTH, Vocabulary(), now, locale).date
    return found.start if found is not None and found.is_single else None


def _time(text: str, locale: str) -> time | None:
    act = interpret_text(text, BOTH, Vocabulary(), NOW, locale)
    return act.time.start if act.time is not None and act.time.is_point and not act.time_candidates else None


@pytest.mark.parametrize("locale", LOCALES)
def test_every_date_of_400_days_comes_back(locale: str) -> None:
    said = {day: spoken_date(day, locale, now=NOW) for day in DAYS}
    wrong = {day: (text, _date(text, locale)) for day, text in said.items() if _date(text, locale) != day}
    assert wrong == {}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_date_comes_back_on_whatever_weekday_it_is_said(locale: str) -> None:
    for offset in range(0, 371, 53):
        now = NOW + timedelta(days=offset)
        for ahead in range(1, 91):
            day = now.date() + timedelta(days=ahead)
            text = spoken_date(day, locale, now=now)
            assert _date(text, locale, now) == day, (now, text)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_five_minutes_come_back(locale: str) -> None:
    first = FIRST_HOUR.get(locale, 0)
    clocks = [time(total // 60, total % 60) for total in range(first * 60, 24 * 60, 5)]
    said = {clock: spoken_time(clock, locale) for clock in clocks}
    wrong = {clock: (text, _time(text, locale)) for clock, text in said.items() if _time(text, locale) != clock}
    assert wrong == {}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_minute_of_an_hour_comes_back(locale: str) -> None:
    for minute in range(60):
        clock = time(14, minute)
        assert _time(spoken_time(clock, locale), locale) == clock


@pytest.mark.parametrize("locale", LOCALES)
def test_a_read_back_moment_comes_back_whole(locale: str) -> None:
    for offset in range(1, 120, 7):
        moment = (NOW + timedelta(days=offset)).replace(hour=9 + offset % 8, minute=(offset * 15) % 60)
        act = interpret_text(spoken_moment(moment, locale, NOW), BOTH, Vocabulary(), NOW, locale)
        assert act.date is not None
        assert (act.date.start, act.date.end) == (moment.date(), moment.date())
        assert act.time is not None
        assert act.time.start == act.time.end == moment.time()


@pytest.mark.parametrize("locale", LOCALES)
def test_digits_come_back(locale: str) -> None:
    for digits in ("1984", "07700900123", "0042", "2222", "9080706050"):
        assert interpret_text(spoken_digits(digits, locale), DIGITS, Vocabulary(), NOW, locale).digits == digits


@pytest.mark.parametrize("locale", LOCALES)
def test_birth_years_come_back(locale: str) -> None:
    for year in range(1925, 2015):
        heard = interpret_text(spoken_year(year, locale), DIGITS, Vocabulary(), NOW, locale)
        assert heard.digits == str(year), spoken_year(year, locale)
