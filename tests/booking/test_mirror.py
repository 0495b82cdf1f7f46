"""The mirror says what the calendar holds, whatever is done to it from elsewhere."""

import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ari_app.booking.availability import Busy
from ari_app.booking.build import closed_pattern, diary_from
from ari_app.booking.busy import ObjectFacts, Reading
from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.calendar_store import Changes, ObjectExists, ObjectGone, StoredObject, SyncTokenExpired
from ari_app.booking.mirror import Mirror
from ari_app.booking.shelf import Kept, Shelf
from ari_app.config import Settings
from ari_app.errors import AppointmentChanged, CalendarUnavailable
from ari_app.lab.bench.servers import CalendarServer

EVENT = ("DTSTART:{0:%Y%m%dT%H%M%SZ}", "DTEND:{1:%Y%m%dT%H%M%SZ}", "SUMMARY:x")


@pytest.fixture
def settings(practice: Callable[..., Settings]) -> Settings:
    return practice()


@pytest.fixture
def anna(settings: Settings) -> str:
    return settings.resources[0].calendar


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[CaldavStore]:
    made = CaldavStore(settings.caldav)
    yield made
    await made.close()


def mirror_of(store: CaldavStore, settings: Settings, clock) -> Mirror:
    return Mirror(store, diary_from(settings), closed_pattern(settings.business), now=clock.now, poll_s=60)


def noon(clock, days: int) -> datetime:
    return datetime.combine(clock.now().date() + timedelta(days=days), time(12), UTC)


def event(start: datetime, *more: str) -> tuple[str, ...]:
    return (*(line.format(start, start + timedelta(hours=1)) for line in EVENT), *more)


def held(mirror: Mirror, clock) -> list[int]:
    now = int(clock.now().timestamp())
    return sorted(busy.start for busy in mirror.busy("anna", now - 86400, now + 60 * 86400))


async def test_it_follows_puts_drags_and_deletions_over_a_server(
    store: CaldavStore, settings: Settings, anna: str, desk, clock
) -> None:
    mirror, chance = mirror_of(store, settings, clock), random.Random(4)
    known: dict[str, datetime] = {}
    for step in range(25):
        verb = chance.choice(["put", "put", "drag", "delete"]) if known else "put"
        start = noon(clock, 1) + timedelta(hours=chance.randrange(500))
        if verb == "put":
            known[desk.put(anna, f"e{step}.ics", *event(start))] = start
        elif verb == "drag":
            href = chance.choice(sorted(known))
            desk.drag(href, start)
            known[href] = start
        else:
            href = chance.choice(sorted(known))
            desk.delete(href)
            del known[href]
        await mirror.refresh()
        assert held(mirror, clock) == sorted(int(at.timestamp()) for at in known.values())
    again = mirror_of(store, settings, clock)
    await again.refresh()
    assert held(again, clock) == held(mirror, clock)


async def test_what_our_own_steps_wrote_is_known_at_once_and_forgotten_when_it_is_gone(
    store: CaldavStore, settings: Settings, anna: str, desk, clock
) -> None:
    mirror = mirror_of(store, settings, clock)
    await mirror.refresh()
    href, start = store.href(anna, "ours.ics"), noon(clock, 2)
    data = ics(*event(start))
    mirror.enter("anna", StoredObject(href, await store.create(href, data), data))
    assert held(mirror, clock) == [int(start.timestamp())]
    desk.delete(href)
    await mirror.refresh()
    assert held(mirror, clock) == []


class ForgetfulStore(CaldavStore):
    """The real store of a server that forgets every token, or knows none."""

    knows_tokens = True

    async def changes(self, calendar: str, token: str) -> Changes:
        if token:
            raise SyncTokenExpired(calendar)
        found = await super().changes(calendar, token)
        return found if self.knows_tokens else Changes("", found.changed, frozenset())


@pytest.mark.parametrize("knows_tokens", [True, False])
async def test_an_expired_or_missing_token_means_a_whole_look(
    settings: Settings, anna: str, desk, clock, knows_tokens: bool
) -> None:
    store = ForgetfulStore(settings.caldav)
    store.knows_tokens = knows_tokens
    mirror, start = mirror_of(store, settings, clock), noon(clock, 1)
    first = desk.put(anna, "one.ics", *event(start))
    await mirror.refresh()
    desk.delete(first)
    desk.put(anna, "two.ics", *event(start + timedelta(hours=5)))
    await mirror.refresh()
    assert held(mirror, clock) == [int(start.timestamp()) + 5 * 3600]
    await store.close()


async def test_a_token_the_server_never_gave_is_answered_as_expired(store: CaldavStore, anna: str) -> None:
    try:
        found = await store.changes(anna, "http://example.invalid/never-issued")
    except SyncTokenExpired:
        return
    assert not found.token or not found.changed


async def test_time_that_comes_nearer_comes_into_the_mirror(
    store: CaldavStore, settings: Settings, anna: str, desk, clock
) -> None:
    mirror, far = mirror_of(store, settings, clock), noon(clock, 120)
    desk.put(anna, "far.ics", *event(far))
    desk.put(anna, "series.ics", *event(noon(clock, -30), "RRULE:FREQ=MONTHLY"))
    await mirror.refresh()
    clock.offset = timedelta(days=100)
    await mirror.roll()
    await mirror.refresh()
    now = int(clock.now().timestamp())
    found = mirror.busy("anna", now, now + 60 * 86400)
    assert int(far.timestamp()) in {busy.start for busy in found}
    assert len(found) in {2, 3}


async def test_an_object_that_does_not_parse_is_warned_of_by_its_url_and_the_rest_counts(
    store: CaldavStore, settings: Settings, anna: str, radicale: CalendarServer, clock, desk
) -> None:
    start = noon(clock, 1)
    desk.put(anna, "good.ics", *event(start))
    href = desk.put(anna, "bomb.ics", *event(start, "RRULE:FREQ=HOURLY;BYMONTH=2;BYHOUR=3,4"))
    with capture_logs() as logs:
        mirror = mirror_of(store, settings, clock)
        await mirror.refresh()
    assert held(mirror, clock) == [int(start.timestamp())]
    assert [(line["event"], line["url"]) for line in logs if line["log_level"] == "warning"] == [
        ("calendar.object_unreadable", store.url(href))
    ]


async def test_a_file_that_breaks_the_servers_own_answer_costs_only_itself(
    settings: Settings, anna: str, radicale: CalendarServer, clock, desk
) -> None:
    if desk.server.kind != "radicale":
        return
    start = noon(clock, 1)
    desk.put(anna, "good.ics", *event(start))
    folder = Path(radicale.folder, "collections", "collection-root", *anna.strip("/").split("/"))
    (folder / "latin.ics").write_bytes(ics(*event(start)).replace("SUMMARY:x", "SUMMARY:caf\u00e9").encode("latin-1"))
    bell = ics(*event(start + timedelta(hours=3))).replace("SUMMARY:x", "SUMMARY:\x07")
    (folder / "bell.ics").write_text(bell, "utf-8")
    store = CaldavStore(settings.caldav)
    mirror = mirror_of(store, settings, clock)
    await mirror.refresh()
    assert int(start.timestamp()) in held(mirror, clock)
    await store.close()


async def test_the_store_keeps_to_etags(store: CaldavStore, anna: str, clock) -> None:
    href, data = store.href(anna, "a.ics"), ics(*event(noon(clock, 1)))
    etag = await store.create(href, data)
    with pytest.raises(ObjectExists):
        await store.create(href, data)
    newer = await store.replace(href, data.replace("SUMMARY:x", "SUMMARY:y"), etag)
    with pytest.raises(AppointmentChanged):
        await store.delete(href, etag)
    with pytest.raises(AppointmentChanged):
        await store.replace(href, data, etag)
    await store.delete(href, newer)
    with pytest.raises(ObjectGone):
        await store.delete(href, newer)
    assert await store.get(href) is None


async def test_what_is_wrong_with_an_account_is_said_in_one_line(settings: Settings, store: CaldavStore) -> None:
    with pytest.raises(CalendarUnavailable, match="no such calendar"):
        await store.within("ari/never-made/", datetime.now(UTC), datetime.now(UTC) + timedelta(days=1))
    down = CaldavStore(settings.caldav.model_copy(update={"url": "http://127.0.0.1:9/"}))
    with pytest.raises(CalendarUnavailable, match=r"127\.0\.0\.1:9"):
        await down.get("/x.ics")
    await down.close()


# --- the shelf against a plain list -----------------------------------------------------------------------------------

_moments = st.integers(0, 40 * 86400)


@given(
    writes=st.lists(st.tuples(st.integers(0, 5), st.lists(st.tuples(_moments, st.integers(1, 3 * 86400)), max_size=3))),
    asked=st.tuples(_moments, st.integers(1, 9 * 86400)),
)
@hypothesis_settings(max_examples=200, deadline=None)
def test_a_shelf_finds_what_a_walk_over_everything_finds(
    writes: list[tuple[int, list[tuple[int, int]]]], asked: tuple[int, int]
) -> None:
    shelf, plain = Shelf("anna", Reading(ZoneInfo("UTC"), 0, 60 * 86400)), {}
    for name, spans in writes:
        href = f"/{name}.ics"
        items = tuple(Busy(start, start + length, href=href) for start, length in spans)
        plain[href] = items
        shelf.put(href, Kept("", ObjectFacts(items)))
        if name == 5:
            shelf.drop(href)
            plain.pop(href)
    start, end = asked[0], asked[0] + asked[1]
    walked = [item for items in plain.values() for item in items if item.start < end and start < item.end]
    assert sorted(shelf.busy(start, end), key=_order) == sorted(walked, key=_order)


def _order(item: Busy) -> tuple[int, int, str]:
    return item.start, item.end, item.href


def ics(*lines: str) -> str:
    event = ["BEGIN:VEVENT", f"UID:{uuid4()}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"]
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *event, "END:VCALENDAR", ""])
