"""From settings to a booking service: services, resources, closed days, the CalDAV store and the mirror."""

import re
from collections.abc import Callable
from datetime import date, timedelta

import holidays

from ari_app.booking.availability import Diary
from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.callback_book import CallbackBook
from ari_app.booking.journalled import Journalled
from ari_app.booking.mirror import Mirror
from ari_app.booking.model import DaySpan, Resource, Service, Week
from ari_app.booking.service import BookingService
from ari_app.clock import Clock, SystemClock
from ari_app.config import WEEKDAYS, BusinessSettings, Settings
from ari_app.config import Week as WeekSettings
from ari_app.errors import ConfigInvalid
from ari_app.store.database import Database


def build_service(settings: Settings, database: Database, clock: Clock | None = None) -> BookingService:
    """The booking service of these settings, not yet started; raises ConfigInvalid.

    The database stays the caller's: it must be migrated, and is closed after the service.
    """
    try:
        store = CaldavStore(settings.caldav)
    except ValueError as exc:
        raise ConfigInvalid("ari_app.toml", "caldav.quirks", str(exc)) from exc
    return assemble(settings, database, store, clock)


def assemble(
    settings: Settings,
    database: Database,
    store: CaldavStore,
    clock: Clock | None = None,
    *,
    first_load_s: float = 60.0,
) -> BookingService:
    """The same over a store that is there already; the service closes it."""
    offset = timedelta(days=settings.lab.clock_offset_days)
    now = (clock or SystemClock(settings.business.zone, offset)).now
    diary = diary_from(settings)
    mirror = Mirror(store, diary, closed_pattern(settings.business), now=now, poll_s=settings.caldav.poll_s)
    settled = timedelta(seconds=4 * settings.caldav.timeout_s)
    return BookingService(
        store=store,
        diary=diary,
        mirror=mirror,
        journalled=Journalled(database, diary, now=now, settled=settled),
        callbacks=CallbackBook(store, settings.callbacks.calendar),
        now=now,
        connect=store.connect,
        lookup_timeout_s=settings.caldav.timeout_s,
        stale_after_s=max(60.0, 4 * settings.caldav.poll_s),
        first_load_s=first_load_s,
    )


def diary_from(settings: Settings) -> Diary:
    """What the business offers, and when."""
    return Diary(
        settings.business.zone, services_from(settings), resources_from(settings), closed_days(settings.business)
    )


def services_from(settings: Settings) -> dict[str, Service]:
    """Service id -> service, in the settings' order."""
    return {
        item.id: Service(
            id=item.id,
            name=item.name,
            duration=timedelta(minutes=item.duration_min),
            groups=item.resources,
            buffer_before=timedelta(minutes=item.buffer_before_min),
            buffer_after=timedelta(minutes=item.buffer_after_min),
            granularity=timedelta(minutes=item.granularity_min),
            lead_time=timedelta(minutes=item.lead_time_min),
            horizon=timedelta(days=item.horizon_days),
            price=item.price,
        )
        for item in settings.services
    }


def resources_from(settings: Settings) -> dict[str, Resource]:
    """Resource id -> resource, in the settings' order; without hours of its own it keeps the business's."""
    return {
        item.id: Resource(
            id=item.id,
            name=item.name,
            calendar=item.calendar,
            hours=_week(settings.business.hours if item.hours is None else item.hours),
            breaks=_week(item.breaks),
            capacity=item.capacity,
        )
        for item in settings.resources
    }


def closed_days(business: BusinessSettings) -> Callable[[date], str]:
    """Why a day is closed: own closures, then public holidays of country and subdivision; raises ConfigInvalid."""
    own = frozenset(business.closed_on)
    public = _public_holidays(business)

    def reason(day: date) -> str:
        if day in own:
            return "closed"
        name = public.get(day) if public is not None else None
        return f"holiday {name}" if name else ""

    return reason


def closed_pattern(business: BusinessSettings) -> re.Pattern[str]:
    """The pattern of titles that close a calendar."""
    return re.compile(business.closed_events)


def _public_holidays(business: BusinessSettings) -> holidays.HolidayBase | None:
    if not business.observe_holidays:
        return None
    try:
        return holidays.country_holidays(business.country, subdiv=business.subdivision)
    except NotImplementedError as exc:
        raise ConfigInvalid("ari_app.toml", "business.country", f"no public holidays are known: {exc}") from exc


def _week(week: WeekSettings) -> Week:
    return tuple(tuple(DaySpan(span.start, span.end) for span in week.get(day, ())) for day in WEEKDAYS)
