"""What the pieces of a sentence stand for while it is being read."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import date, datetime, time

Value = Hashable
"""What a word or phrase stands for; each category of the grammar has its own kind."""

ALL_DAYS = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class DateValue:
    """Dates start..end, both included; None is open."""

    start: date | None
    end: date | None
    weekdays: frozenset[int] = frozenset()
    excluded: frozenset[date] = frozenset()
    grain: str = "day"
    """day, week, month, year, part (of a longer one), range, any."""
    weekday: int | None = None
    """A bare weekday was said ("tuesday"): another date in the sentence may say which one."""
    month_day: int | None = None
    """A bare day of the month was said ("the fourth")."""
    impossible: bool = False
    """The words name no date (31 February)."""
    has_year: bool = False

    @property
    def is_single(self) -> bool:
        return self.start is not None and self.start == self.end and not self.impossible


@dataclass(frozen=True, slots=True)
class Clock:
    """A time as said; `half` is "am", "pm", "24" (unambiguous), or empty where either may be meant."""

    hour: int
    minute: int = 0
    half: str = ""

    def candidates(self) -> tuple[time, ...]:
        """The times of day it can stand for, morning first."""
        match self.half:
            case "am":
                return (time(self.hour % 12, self.minute),)
            case "pm":
                return (time(self.hour % 12 + 12, self.minute),)
            case "24":
                return (time(self.hour % 24, self.minute),)
        if self.hour > 12 or self.hour == 0:
            return (time(self.hour % 24, self.minute),)
        return (time(self.hour % 12, self.minute), time(self.hour % 12 + 12, self.minute))


@dataclass(frozen=True, slots=True)
class TimeValue:
    """A time or span of the day. Clocks stay unresolved until the whole sentence is known."""

    kind: str
    """at, around, after, before, between, part, any, thereafter, therebefore (than what was said before)."""
    first: Clock | None = None
    second: Clock | None = None
    start: time | None = None
    end: time | None = None
    name: str = ""
    """The part of day's name, where one was said."""
    choices: tuple["TimeValue", ...] = ()
    """Alternatives ("ten or eleven")."""
    excludes_end: bool = False
    """ "Before ten": not at ten."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Words that say both a date and a time ("tonight", "in two hours")."""

    date: DateValue | None
    time: TimeValue | None


@dataclass(frozen=True, slots=True)
class Negated:
    """A date or time that is said not to be it."""

    value: DateValue | TimeValue


@dataclass(frozen=True, slots=True)
class ReadingContext:
    """All that a reading depends on besides the words."""

    now: datetime
    day_first: bool = True
    """4/3 is the fourth of March."""
    next_weekday: str = "following_week"
    """"next friday": following_week (of the next calendar week) or nearest."""
    opens: time = time(8)
    closes: time = time(18)
    about: DateValue | None = None
    """The date being talked about already."""
    about_time: time | None = None
    previous: date | None = None
    """The day of the appointment being moved, or of the last one."""
    parts: tuple[tuple[str, time, time], ...] = field(default=())
    """Parts of day by name."""

    @property
    def today(self) -> date:
        return self.now.date()

    def part(self, name: str) -> tuple[time, time]:
        for known, start, end in self.parts:
            if known == name:
                return start, end
        return self.opens, self.closes
