"""Days that callers name instead of dating them ("before christmas")."""

from collections.abc import Callable
from datetime import date, timedelta


def easter(year: int) -> date:
    """Western Easter Sunday (Gregorian computus, Meeus/Jones/Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    weekday_shift = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday_shift) // 451
    month, day = divmod(h + weekday_shift - 7 * m + 114, 31)
    return date(year, month, day + 1)


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    if n > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def _substitute(day: date, taken: date | None = None) -> date:
    """A bank holiday that falls on a weekend moves to the next weekday that isn't one already."""
    while day.weekday() > 4 or day == taken:
        day += timedelta(days=1)
    return day


_RULES: dict[str, Callable[[int], date]] = {
    "new_year": lambda year: date(year, 1, 1),
    "new_year_eve": lambda year: date(year, 12, 31),
    "epiphany": lambda year: date(year, 1, 6),
    "valentine": lambda year: date(year, 2, 14),
    "st_patrick": lambda year: date(year, 3, 17),
    "april_fool": lambda year: date(year, 4, 1),
    "labour_day": lambda year: date(year, 5, 1),
    "independence": lambda year: date(year, 7, 4),
    "german_unity": lambda year: date(year, 10, 3),
    "halloween": lambda year: date(year, 10, 31),
    "all_saints": lambda year: date(year, 11, 1),
    "bonfire": lambda year: date(year, 11, 5),
    "veterans": lambda year: date(year, 11, 11),
    "st_nicholas": lambda year: date(year, 12, 6),
    "christmas_eve": lambda year: date(year, 12, 24),
    "christmas": lambda year: date(year, 12, 25),
    "boxing": lambda year: date(year, 12, 26),
    "mlk": lambda year: _nth(year, 1, 0, 3),
    "presidents": lambda year: _nth(year, 2, 0, 3),
    "memorial": lambda year: _nth(year, 5, 0, -1),
    "us_mothers": lambda year: _nth(year, 5, 6, 2),
    "fathers": lambda year: _nth(year, 6, 6, 3),
    "us_labor_day": lambda year: _nth(year, 9, 0, 1),
    "columbus": lambda year: _nth(year, 10, 0, 2),
    "thanksgiving": lambda year: _nth(year, 11, 3, 4),
    "black_friday": lambda year: _nth(year, 11, 3, 4) + timedelta(days=1),
    "shrove_tuesday": lambda year: easter(year) - timedelta(days=47),
    "ash_wednesday": lambda year: easter(year) - timedelta(days=46),
    "uk_mothers": lambda year: easter(year) - timedelta(days=21),
    "palm_sunday": lambda year: easter(year) - timedelta(days=7),
    "good_friday": lambda year: easter(year) - timedelta(days=2),
    "easter": easter,
    "easter_monday": lambda year: easter(year) + timedelta(days=1),
    "may_day": lambda year: _nth(year, 5, 0, 1),
    "spring_bank": lambda year: _nth(year, 5, 0, -1),
    "summer_bank": lambda year: _nth(year, 8, 0, -1),
    "earth_day": lambda year: date(year, 4, 22),
    "st_george": lambda year: date(year, 4, 23),
    "st_andrew": lambda year: date(year, 11, 30),
    "st_david": lambda year: date(year, 3, 1),
    "canada_day": lambda year: date(year, 7, 1),
    "australia_day": lambda year: date(year, 1, 26),
    "remembrance_sunday": lambda year: _nth(year, 11, 6, 2),
    "cinco_de_mayo": lambda year: date(year, 5, 5),
    "juneteenth": lambda year: date(year, 6, 19),
    "groundhog": lambda year: date(year, 2, 2),
    "burns": lambda year: date(year, 1, 25),
    "cyber_monday": lambda year: _nth(year, 11, 3, 4) + timedelta(days=4),
    "ascension": lambda year: easter(year) + timedelta(days=39),
    "whit_monday": lambda year: easter(year) + timedelta(days=50),
}

NAMES = frozenset(_RULES) | {"bank_holiday"}


def bank_holidays(year: int) -> list[date]:
    """England's, in order, with the substitutes for those on a weekend."""
    christmas = _substitute(date(year, 12, 25))
    days = [
        _substitute(date(year, 1, 1)),
        *(_RULES[name](year) for name in ("good_friday", "easter_monday", "may_day", "spring_bank", "summer_bank")),
        *sorted((christmas, _substitute(date(year, 12, 26), christmas))),
    ]
    return sorted(days)


def holiday_date(name: str, year: int) -> date | None:
    """The day in `year`; None for an unknown name or a year outside the calendar."""
    rule = _RULES.get(name)
    return rule(year) if rule is not None and 1583 <= year <= 9000 else None
