"""Dates, times, digits and numbers as words, without a digit left in them.

Each is understood back: what `understanding` reads out of these words is the value they were made of.
"""

import re
from datetime import date, datetime, time

from ari_app.prompts.words import ClockWords, SpokenWords, language_of, spoken_words

_DIGIT_GROUP = 3


def spoken_date(day: date, locale: str, *, now: datetime | None = None) -> str:
    """Weekday, day and month; the year too where `day` isn't the next one of its name after `now`."""
    words = spoken_words(language_of(locale))
    table = words.locale(locale)
    pattern = table.date_with_year if now is not None and _needs_year(day, now.date()) else table.date
    return pattern.format(
        weekday=words.weekdays[day.weekday()],
        ordinal=words.ordinals[day.day - 1],
        month=words.months[day.month - 1],
        year=_year(day.year, words),
    )


def spoken_time(t: time, locale: str, *, clock: int | None = None) -> str:
    """Time of day with its part of day: "half past three in the afternoon"; `clock` 12 or 24, None: the locale's."""
    words = spoken_words(language_of(locale))
    table = words.clock(clock or words.locale(locale).clock, locale)
    if t.minute == 0 and t.hour == 12 and table.noon:
        return table.noon
    if t.minute == 0 and t.hour == 0 and table.midnight:
        return table.midnight
    part = table.parts[max(hour for hour in table.parts if hour <= t.hour)]
    return table.with_part.format(time=_clock_time(t, table, words, is_12=bool(table.noon)), part=part)


def spoken_moment(moment: datetime, locale: str, now: datetime | None = None) -> str:
    """Weekday, date, time and part of day, as a read-back says them; two clauses."""
    table = spoken_words(language_of(locale)).locale(locale)
    return table.moment.format(
        date=spoken_date(moment.date(), locale, now=now), time=spoken_time(moment.time(), locale)
    )


def written_moment(moment: datetime, locale: str) -> str:
    """A moment as a text message has it, with digits: "Tuesday 24 November 2026 at 15:30"."""
    words = spoken_words(language_of(locale))
    return words.locale(locale).written.format(
        weekday=words.weekdays[moment.weekday()],
        day=moment.day,
        month=words.months[moment.month - 1],
        year=moment.year,
        hour=moment.hour,
        hour12=moment.hour % 12 or 12,
        minute=moment.minute,
        meridiem="AM" if moment.hour < 12 else "PM",
    )


def spoken_number(number: int, locale: str) -> str:
    """A count from -999,999 to 999,999 in words; beyond that digit by digit."""
    words = spoken_words(language_of(locale))
    if abs(number) > 999_999:
        return spoken_digits(str(number), locale, group=0)
    return _cardinal(abs(number), words) if number >= 0 else f"{words.minus} {_cardinal(-number, words)}"


def spoken_year(year: int, locale: str) -> str:
    """A year: "nineteen eighty four", "two thousand and five", "twenty twenty seven"."""
    return _year(year, spoken_words(language_of(locale)))


def spoken_digits(digits: str, locale: str, *, group: int = _DIGIT_GROUP) -> str:
    """Digit by digit, in groups with a pause between, a rest of one joined to the group before; 0: no groups."""
    words = spoken_words(language_of(locale))
    named = [words.plus if sign == "+" else words.units[int(sign)] for sign in digits if sign in "+0123456789"]
    if group <= 0 or len(named) <= group:
        return " ".join(named)
    cuts = list(range(0, len(named), group))
    if len(named) - cuts[-1] == 1:
        cuts.pop()
    ends = [*cuts[1:], len(named)]
    return ", ".join(" ".join(named[start:end]) for start, end in zip(cuts, ends, strict=True))


def spoken_text(text: str, locale: str) -> str:
    """Free text of the settings with its times, prices, numbers and signs as words."""
    words = spoken_words(language_of(locale))

    def clock_time(match: re.Match[str]) -> str:
        return spoken_time(time(int(match[1]), int(match[2])), locale)

    def price(match: re.Match[str]) -> str:
        sign = match["before"] or match["after"]
        one, many = words.currencies[sign]
        whole, cents = int(match["whole"].replace(",", "")), int(match["cents"] or 0)
        name = one if whole == 1 else many
        amount = words.unit_in_compound if whole == 1 else spoken_number(whole, locale)
        return f"{amount} {name}" + (f" {spoken_number(cents, locale)}" if cents else "")

    def number(match: re.Match[str]) -> str:
        digits = match[0]
        if len(digits) > 6 or (len(digits) > 1 and digits.startswith("0")):
            return spoken_digits(digits, locale)
        return spoken_number(int(digits), locale)

    signs = "".join(map(re.escape, words.currencies))
    amount = r"(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:[.,](?P<cents>\d\d)(?!\d))?"
    text = re.sub(r"\b([01]?\d|2[0-3]):([0-5]\d)\b", clock_time, text)
    text = re.sub(rf"(?P<before>[{signs}])\s?{amount}(?P<after>)", price, text)
    text = re.sub(rf"(?P<before>){amount}\s?(?P<after>[{signs}])", price, text)
    text = re.sub(r"\d+", number, text)
    for sign, name in words.symbols.items():
        text = text.replace(sign, f" {name} ")
    return " ".join(text.split())


def _needs_year(day: date, today: date) -> bool:
    if day < today:
        return True
    return (day.year - today.year, day.month, day.day) >= (1, today.month, today.day)


def _clock_time(t: time, table: ClockWords, words: SpokenWords, *, is_12: bool) -> str:
    def counted(hour: int) -> str:
        return _cardinal(hour % 12 or 12 if is_12 else hour % 24, words)

    bare = counted(t.hour)
    hour = table.hour_one if table.hour_one and bare == words.units[1] else bare
    pattern = table.minutes.get(t.minute) or (table.small if t.minute < 10 else table.other)
    return pattern.format(hour=hour, bare=bare, next=counted(t.hour + 1), minute=_cardinal(t.minute, words))


def _year(year: int, words: SpokenWords) -> str:
    century, rest = divmod(year, 100)
    if not (1100 <= year < 2000 or year >= words.year_pairs_from):
        return _cardinal(year, words)
    named = _cardinal(century, words)
    if rest == 0:
        return words.year_century.format(century=named)
    pattern = words.year_pair_small if rest < 10 else words.year_pair
    return pattern.format(century=named, rest=_cardinal(rest, words))


def _cardinal(number: int, words: SpokenWords) -> str:
    if number < 20:
        return words.units[number]
    if number < 100:
        tens, unit = divmod(number, 10)
        if unit == 0:
            return words.tens[tens]
        if words.units_first:
            first = words.unit_in_compound if unit == 1 else words.units[unit]
            return f"{first}{words.joiner}{words.tens[tens]}"
        return f"{words.tens[tens]}{words.joiner}{words.units[unit]}"
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        named = words.hundred.format(count=_counting(hundreds, words))
        return words.hundred_and.format(hundreds=named, rest=_cardinal(rest, words)) if rest else named
    thousands, rest = divmod(number, 1000)
    named = words.thousand.format(count=_counting(thousands, words))
    if rest == 0:
        return named
    pattern = words.thousand_small if rest < 100 else words.thousand_and
    return pattern.format(thousands=named, rest=_cardinal(rest, words))


def _counting(number: int, words: SpokenWords) -> str:
    return words.unit_in_compound if number == 1 else _cardinal(number, words)
