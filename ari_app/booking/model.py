"""Services, resources, openings and appointments, in RFC 5545's words."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta


@dataclass(frozen=True, slots=True)
class DaySpan:
    """A stretch of a local day; `end` time(0) is the day's end."""

    start: time
    end: time


Week = tuple[tuple[DaySpan, ...], ...]
"""Seven days, Monday first."""


@dataclass(frozen=True, slots=True)
class Service:
    """Something that can be booked."""

    id: str
    name: str
    duration: timedelta
    groups: tuple[tuple[str, ...], ...]
    """Resource ids needed together: one out of each group."""
    buffer_before: timedelta = timedelta()
    buffer_after: timedelta = timedelta()
    granularity: timedelta = timedelta(minutes=15)
    lead_time: timedelta = timedelta(hours=2)
    horizon: timedelta = timedelta(days=90)
    price: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """A person, room or chair with a CalDAV calendar of its own."""

    id: str
    name: str
    calendar: str
    """Calendar URL, absolute or below the account's base URL."""
    hours: Week
    breaks: Week
    capacity: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """Bookable time: when, and which resources it would take. `start`, `end` aware, in the business's zone."""

    start: datetime
    end: datetime
    service: str = field(compare=False)
    resources: tuple[str, ...] = field(compare=False)
    """One id of each of the service's groups, in their order; the first one is who is named to the caller."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller would like; openings are found by it."""

    service: str
    first_day: date
    last_day: date
    earliest: time | None = None
    latest: time | None = None
    """Bounds of the start's time of day, both included."""
    weekdays: frozenset[int] = frozenset()
    excluded: frozenset[date] = frozenset()
    resource: str | None = None
    near: datetime | None = None
    """Nearest to this first; None: earliest first."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a wish comes to."""

    fitting: tuple[Opening, ...]
    """Best first."""
    nearest: tuple[Opening, ...] = ()
    """Where nothing fits: other times that day, then other days, then other resources."""
    closed_reason: str = ""
    """Why the wished days have none at all: "closed", "holiday NAME", "past", "horizon", "hours"; empty: full."""
    is_wish_taken: bool = False
    """The very time wished for would be bookable but is taken."""


@dataclass(frozen=True, slots=True)
class AppointmentPart:
    """One resource's own event of an appointment."""

    resource: str
    href: str
    etag: str


@dataclass(frozen=True, slots=True)
class Appointment:
    """What the calendar holds; `href` and `etag` are the server's."""

    uid: str
    service: str | None
    """Service id; None where a human wrote or renamed the event beyond recognition."""
    start: datetime
    end: datetime
    resources: tuple[str, ...]
    number: str
    """Caller's E.164 number."""
    name: str = ""
    href: str = ""
    etag: str = ""
    title: str = ""
    parts: tuple[AppointmentPart, ...] = ()
    """Every event of it, the first resource's first; empty: only `href`."""


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """One wish to book one opening. `key` names the wish: the same key never makes two events."""

    key: str
    opening: Opening
    number: str
    name: str = ""
    call_id: str = ""
    sms_text: str = ""
    """Sent once the appointment is confirmed; empty: none."""


@dataclass(frozen=True, slots=True)
class KeptCallback:
    """A promised callback, kept as a VTODO."""

    uid: str
    number: str
    name: str
    about: str
    preferred: str
    """When the caller would like to be called, in their words."""
    due: datetime | None
    call_id: str = ""
    href: str = ""
    etag: str = ""
