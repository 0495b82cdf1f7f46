"""Dates, times, digits and numbers in words."""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.prompts.spoken import (
    spoken_date,
    spoken_digits,
    spoken_moment,
    spoken_number,
    spoken_text,
    spoken_time,
    spoken_year,
)

LOCALES = ["en-GB", "en-US", "de-DE"]
NOW = datetime(2026, 11, 23, 8, 40, tzinfo=ZoneInfo("Europe/London"))


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en-GB", "Thursday the fourth of March, at half past three in the afternoon"),
        ("en-US", "Thursday March fourth, at three thirty in the afternoon"),
        ("de-DE", "Donnerstag den vierten März, um fünfzehn Uhr dreißig"),
    ],
)
def test_a_moment_is_weekday_date_and_part_of_day(locale: str, said: str) -> None:
    assert spoken_moment(datetime(2027, 3, 4, 15, 30), locale) == said  # noqa: DTZ001


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (time(9), "nine o'clock in the morning"),
        (time(8, 5), "five past eight in the morning"),
        (time(11, 45), "quarter to twelve in the morning"),
        (time(12), "noon"),
        (time(12, 30), "half past twelve in the afternoon"),
        (time(12, 50), "ten to one in the afternoon"),
        (time(18, 20), "twenty past six in the evening"),
        (time(19, 37), "seven thirty seven in the evening"),
        (time(0), "midnight"),
        (time(0, 15), "quarter past twelve at night"),
    ],
)
def test_british_times(at: time, said: str) -> None:
    assert spoken_time(at, "en-GB") == said


def test_either_clock_can_be_asked_for() -> None:
    assert spoken_time(time(15, 30), "en-GB", clock=24) == "fifteen thirty"
    assert spoken_time(time(15, 30), "de-DE", clock=12) == "halb vier nachmittags"
    assert spoken_time(time(13, 15), "de-DE", clock=12) == "Viertel nach eins nachmittags"


def test_the_year_is_said_only_where_the_day_would_be_taken_for_another() -> None:
    assert spoken_date(date(2027, 11, 22), "en-GB", now=NOW) == "Monday the twenty second of November"
    assert spoken_date(date(2027, 11, 23), "en-GB", now=NOW).endswith("November twenty twenty seven")
    assert spoken_date(date(2026, 11, 20), "en-GB", now=NOW).endswith("November twenty twenty six")


@pytest.mark.parametrize("locale", LOCALES)
def test_no_two_of_four_hundred_days_sound_the_same(locale: str) -> None:
    days = [NOW.date() + timedelta(days=each) for each in range(400)]
    assert len({spoken_date(day, locale, now=NOW) for day in days}) == len(days)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("clock", [12, 24])
def test_no_two_minutes_of_the_day_sound_the_same(locale: str, clock: int) -> None:
    minutes = [time(each // 60, each % 60) for each in range(24 * 60)]
    assert len({spoken_time(each, locale, clock=clock) for each in minutes}) == len(minutes)


@given(st.integers(-10_000_000, 10_000_000), st.sampled_from(LOCALES))
def test_numbers_have_no_digits_left(number: int, locale: str) -> None:
    said = spoken_number(number, locale)
    assert said
    assert not re.search(r"\d", said)


@pytest.mark.parametrize("locale", LOCALES)
def test_numbers_differ(locale: str) -> None:
    assert len({spoken_number(each, locale) for each in range(20_000)}) == 20_000


def test_numbers_and_years() -> None:
    assert spoken_number(121, "en-GB") == "one hundred and twenty one"
    assert spoken_number(21, "de-DE") == "einundzwanzig"
    assert [spoken_year(each, "en-GB") for each in (1984, 1905, 2005, 2027)] == [
        "nineteen eighty four",
        "nineteen oh five",
        "two thousand and five",
        "twenty twenty seven",
    ]
    assert spoken_year(1984, "de-DE") == "neunzehnhundertvierundachtzig"


def test_a_telephone_number_is_said_in_groups() -> None:
    assert spoken_digits("+447700900123", "en-GB") == (
        "plus four four, seven seven zero, zero nine zero, zero one two three"
    )
    assert spoken_digits("0770 090", "en-GB") == "zero seven seven, zero zero nine zero"
    assert spoken_digits("", "en-GB") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("£60", "sixty pounds"),
        ("£1", "one pound"),
        ("from £1,250.50 on", "from one thousand two hundred and fifty pounds fifty on"),
        ("45 €", "forty five euros"),
        ("open 9:00", "open nine o'clock in the morning"),
        ("12 High Street", "twelve High Street"),
        ("call 01632 960001", "call zero one six, three two nine six zero, zero zero one"),
        ("50% off & free", "fifty percent off and free"),
    ],
)
def test_free_text_of_the_settings_is_said_in_words(text: str, said: str) -> None:
    if text.startswith("call"):
        assert not re.search(r"\d", spoken_text(text, "en-GB"))
    else:
        assert spoken_text(text, "en-GB") == said


@given(st.text(max_size=60), st.sampled_from(LOCALES))
def test_any_text_is_said_without_failing(text: str, locale: str) -> None:
    assert not re.search(r"[0-9]", spoken_text(text, locale))
