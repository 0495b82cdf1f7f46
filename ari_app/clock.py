"""Time, passed in: deciding code never asks the machine for it."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Where `now` comes from."""

    def now(self) -> datetime:
        """The present moment, aware, in the business's zone."""

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock, shifted by `offset` (zero but in the lab)."""

    zone: ZoneInfo
    offset: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(self.zone) + self.offset

    def monotonic_s(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still, for the text console and tests."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return time.monotonic()
