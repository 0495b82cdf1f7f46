"""The seam to a calendar server: objects in calendars, each with an href and an ETag.

An href is the object's absolute path on the server, percent-encoded. Every method may raise CalendarUnavailable.
Cancelling a write leaves its outcome open: read the object again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ari_app.errors import AppointmentChanged, BookingError


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One calendar object as the server holds it."""

    href: str
    etag: str
    data: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in a calendar since a sync-token (RFC 6578)."""

    token: str
    """Give it next time; empty: the server knows no tokens, and `changed` is everything there is."""
    changed: dict[str, str]
    """href -> ETag (may be empty) of what is new or different."""
    gone: frozenset[str]


@dataclass(frozen=True, slots=True)
class CalendarInfo:
    """One calendar of an account."""

    href: str
    name: str
    components: tuple[str, ...]
    """Which it may hold ("VEVENT", "VTODO"); empty: the server doesn't say."""


class ObjectExists(BookingError):
    """There already is an object at this href, or one with this UID in its calendar (412, 409)."""


class ObjectGone(AppointmentChanged):
    """There is no object at this href (404)."""


class SyncTokenExpired(BookingError):
    """The server no longer knows this sync-token: read everything again."""


class CalendarStore(Protocol):
    """What booking needs of a calendar server."""

    @property
    def is_create_guarded(self) -> bool:
        """Whether the server is known to honour `If-None-Match: *`."""

    @property
    def settle_s(self) -> float:
        """Seconds until a read is sure to show what was written before."""

    def href(self, calendar: str, name: str = "") -> str:
        """The href of an object called `name` in a calendar (an absolute URL, or a path below the account's)."""

    def url(self, href: str) -> str:
        """The whole URL, for people."""

    async def within(self, calendar: str, start: datetime, end: datetime) -> list[StoredObject]:
        """Objects with a VEVENT that overlaps start..end, recurrences included (RFC 4791 7.8)."""

    async def get(self, href: str) -> StoredObject | None:
        """One object; None where there is none."""

    async def create(self, href: str, data: str) -> str:
        """Store a new object and return its ETag ("" where the server gives none); raises ObjectExists."""

    async def replace(self, href: str, data: str, etag: str) -> str:
        """Store over the object with this ETag; raises AppointmentChanged."""

    async def delete(self, href: str, etag: str) -> None:
        """Delete the object with this ETag; raises AppointmentChanged, or ObjectGone where there is none."""

    async def changes(self, calendar: str, token: str) -> Changes:
        """What changed since `token` ("": all there is); raises SyncTokenExpired."""

    async def fetch(self, calendar: str, hrefs: Sequence[str]) -> list[StoredObject]:
        """These objects, in any order; one that is gone, or that the server can't give, is left out."""

    async def todos(self, calendar: str) -> list[StoredObject]:
        """Objects with a VTODO."""

    async def calendars(self) -> list[CalendarInfo]:
        """The calendars of the account."""

    async def make_calendar(self, calendar: str, name: str, components: Sequence[str] = ("VEVENT",)) -> bool:
        """Make a calendar; False where there is one already."""

    async def close(self) -> None:
        """Give up connections and threads."""
