"""The whole way of a booking on real servers: what is told is what the calendar holds."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from ari_app.booking.build import assemble, build_service
from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.model import Appointment, BookingRequest, Opening, Wish
from ari_app.booking.service import BookingService
from ari_app.config import CaldavSettings, Settings
from ari_app.errors import AppointmentChanged, CalendarUnavailable, OpeningInvalid, OpeningTaken
from ari_app.store.database import Database
from ari_app.store.holds import holds
from ari_app.store.schema import outbox

JANE = "+442079460123"


@pytest.fixture
def settings(practice: Callable[..., Settings]) -> Settings:
    return practice()


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with Database(settings.store.url) as opened:
        yield opened


@pytest.fixture
async def booking(settings: Settings, database: Database) -> AsyncIterator[BookingService]:
    async with build_service(settings, database) as service:
        yield service


def request(booking: BookingService, key: str, start: datetime, **fields: str) -> BookingRequest:
    service = booking.diary.services[fields.pop("service", "cleaning")]
    resources = tuple(fields.pop("resources", service.groups[0][0]).split())
    opening = Opening(start, start + service.duration, service.id, resources)
    return BookingRequest(key, opening, fields.pop("number", JANE), fields.pop("name", "Jane Doe"), **fields)


def tomorrow(booking: BookingService, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(booking.now().date() + timedelta(days=1), time(hour, minute), booking.diary.zone)


def path(settings: Settings, resource: str) -> str:
    return next(item.calendar for item in settings.resources if item.id == resource)


async def texts(database: Database) -> dict[str, str]:
    rows = await database.read(lambda conn: conn.execute(select(outbox.c.key, outbox.c.state)).all())
    return {row.key: row.state for row in rows}


async def booked(booking: BookingService, key: str, start: datetime, **fields: str) -> Appointment:
    return await booking.book(request(booking, key, start, **fields), booking.now())


async def free(booking: BookingService, day: date, service: str = "cleaning") -> list[str]:
    found = await booking.find(Wish(service, day, day), booking.now())
    return [f"{opening.start:%H:%M}" for opening in found.fitting]


async def test_a_booking_stands_in_the_calendar_and_its_text_may_go(
    booking: BookingService, settings: Settings, database: Database, desk
) -> None:
    start = tomorrow(booking, 10)
    made = await booked(booking, "call-1", start, sms_text="see you", call_id="call-1")
    (event,) = desk.events(path(settings, "anna"))
    component = event.icalendar_component
    assert component["DTSTART"].dt == start
    assert str(component["SUMMARY"]) == "dental cleaning: Jane Doe"
    assert JANE in str(component["DESCRIPTION"])
    assert (made.href, made.uid) == (event.url.path, str(component["UID"]))
    assert await texts(database) == {"call-1": "due"}
    assert await database.read(lambda conn: conn.execute(select(holds)).all()) == []
    assert "10:00" not in await free(booking, start.date())
    assert await booking.appointments_of(JANE, booking.now()) == (made,)


async def test_the_same_key_books_once(booking: BookingService, settings: Settings, desk) -> None:
    start = tomorrow(booking, 10)
    first, second = await asyncio.gather(booked(booking, "k", start), booked(booking, "k", start))
    assert first == second == await booked(booking, "k", start)
    assert len(desk.events(path(settings, "anna"))) == 1


async def test_of_many_callers_for_one_opening_one_gets_it(booking: BookingService, settings: Settings, desk) -> None:
    start = tomorrow(booking, 10)
    tries = [booked(booking, f"k{index}", start + timedelta(minutes=15 * (index % 2))) for index in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Appointment) for result in results) == 1
    assert sum(isinstance(result, OpeningTaken) for result in results) == 7
    assert len(desk.events(path(settings, "anna"))) == 1


async def test_a_persons_event_is_seen_although_the_mirror_is_older(
    booking: BookingService, settings: Settings, database: Database, desk
) -> None:
    start = tomorrow(booking, 10)
    assert "10:00" in await free(booking, start.date())
    desk.put(path(settings, "anna"), "lunch.ics", f"DTSTART:{utc(start)}", "DURATION:PT15M", "SUMMARY:Dentist")
    with pytest.raises(OpeningTaken):
        await booked(booking, "k", start, sms_text="see you")
    assert await texts(database) == {}
    assert len(desk.events(path(settings, "anna"))) == 1
    assert "10:00" not in await free(booking, start.date())


async def test_a_move_makes_the_new_and_takes_the_old(
    booking: BookingService, settings: Settings, database: Database, desk
) -> None:
    old = await booked(booking, "k1", tomorrow(booking, 10))
    later = tomorrow(booking, 10, 15)
    new = await booking.move(old, request(booking, "k2", later, sms_text="moved"), booking.now())
    assert new.start == later
    assert [event.icalendar_component["DTSTART"].dt for event in desk.events(path(settings, "anna"))] == [later]
    assert await booking.appointments_of(JANE, booking.now()) == (new,)
    assert await texts(database) == {"k2": "due"}


async def test_a_longer_service_may_take_the_same_start(booking: BookingService, settings: Settings, desk) -> None:
    old = await booked(booking, "k1", tomorrow(booking, 10))
    wish = request(booking, "k2", tomorrow(booking, 10), service="surgery", resources="anna room")
    new = await booking.move(old, wish, booking.now())
    assert (new.start, new.end) == (tomorrow(booking, 10), tomorrow(booking, 11))
    assert len(desk.events(path(settings, "anna"))) == len(desk.events(path(settings, "room"))) == 1


async def test_a_persons_edit_wins_over_a_move_and_a_cancellation(
    booking: BookingService, settings: Settings, database: Database, desk
) -> None:
    old = await booked(booking, "k1", tomorrow(booking, 10))
    desk.drag(old.href, tomorrow(booking, 16))
    with pytest.raises(AppointmentChanged):
        await booking.move(old, request(booking, "k2", tomorrow(booking, 11), sms_text="moved"), booking.now())
    with pytest.raises(AppointmentChanged):
        await booking.cancel(old, sms_text="cancelled", key="k3")
    (seen,) = await booking.appointments_of(JANE, booking.now())
    assert (seen.start, seen.service) == (tomorrow(booking, 16), "cleaning")
    assert await texts(database) == {}
    assert {"10:00", "11:00"} <= set(await free(booking, seen.start.date()))
    moved = await booking.move(seen, request(booking, "k4", tomorrow(booking, 11)), booking.now())
    assert [event.icalendar_component["DTSTART"].dt for event in desk.events(path(settings, "anna"))] == [moved.start]


async def test_an_opening_whose_event_was_dragged_away_can_be_booked_again(
    booking: BookingService, settings: Settings, desk
) -> None:
    old = await booked(booking, "k1", tomorrow(booking, 10))
    desk.drag(old.href, tomorrow(booking, 16))
    new = await booked(booking, "k2", tomorrow(booking, 10), number="+442079460999")
    assert new.href != old.href
    assert len(desk.events(path(settings, "anna"))) == 2


class OverwritingStore(CaldavStore):
    """The real server, talked to as to one that ignores `If-None-Match`: a PUT goes over whatever is there."""

    async def _put(self, href: str, data: str, condition: Mapping[str, str]) -> str:
        return await super()._put(href, data, {name: to for name, to in condition.items() if name != "If-None-Match"})


async def test_on_a_server_that_ignores_if_none_match_the_look_decides(
    settings: Settings, database: Database, desk
) -> None:
    account = settings.caldav.model_copy(update={"quirks": "sogo"})
    async with assemble(settings, database, OverwritingStore(account)) as booking:
        old = await booked(booking, "k1", tomorrow(booking, 10))
        with pytest.raises(OpeningTaken):
            await booked(booking, "k2", tomorrow(booking, 10))
        desk.drag(old.href, tomorrow(booking, 16))
        tries = (booked(booking, f"more-{n}", tomorrow(booking, 10)) for n in range(4))
        results = await asyncio.gather(*tries, return_exceptions=True)
        (new,) = [result for result in results if isinstance(result, Appointment)]
    assert {event.url.path for event in desk.events(path(settings, "anna"))} == {old.href, new.href}
    assert new.href != old.href


async def test_a_deleted_appointment_is_gone_for_its_caller(booking: BookingService, desk) -> None:
    old = await booked(booking, "k1", tomorrow(booking, 10))
    desk.delete(old.href)
    with pytest.raises(AppointmentChanged):
        await booking.cancel(old, key="k2")
    assert await booking.appointments_of(JANE, booking.now()) == ()


async def test_a_cancellation_takes_every_resources_event(booking: BookingService, settings: Settings, desk) -> None:
    made = await booked(booking, "k1", tomorrow(booking, 10), service="surgery", resources="ben room")
    assert [part.resource for part in made.parts] == ["ben", "room"]
    (seen,) = await booking.appointments_of(JANE, booking.now())
    assert seen == made
    await booking.cancel(seen, key="k2")
    assert desk.events(path(settings, "ben")) == desk.events(path(settings, "room")) == []


async def test_where_one_of_two_resources_is_taken_nothing_is_left_on_the_other(
    booking: BookingService, settings: Settings, desk
) -> None:
    start = tomorrow(booking, 10)
    desk.put(path(settings, "room"), "x.ics", f"DTSTART:{utc(start)}", "DURATION:PT1H", "SUMMARY:Repair")
    with pytest.raises(OpeningTaken):
        await booked(booking, "k1", start, service="surgery", resources="anna room")
    assert desk.events(path(settings, "anna")) == []


async def test_a_class_is_full_when_its_seats_are_taken(booking: BookingService, settings: Settings, desk) -> None:
    start = tomorrow(booking, 10)
    results = await asyncio.gather(
        *(booked(booking, f"k{n}", start, service="class", number=f"+4420794600{n:02}") for n in range(5)),
        return_exceptions=True,
    )
    made = [result for result in results if isinstance(result, Appointment)]
    while len(made) < 3:
        made.append(await booked(booking, f"again{len(made)}", start, service="class"))
    assert len({appointment.href for appointment in made}) == 3
    with pytest.raises(OpeningTaken):
        await booked(booking, "one too many", start, service="class")
    assert "10:00" not in await free(booking, start.date(), "class")


@pytest.mark.parametrize(
    ("change", "why"),
    [({"service": "nothing"}, "service"), ({"resources": ("nobody",)}, "resource"), ({"end": None}, "service")],
)
async def test_what_is_not_bookable_is_refused_before_anything_is_touched(
    booking: BookingService, change: dict[str, object], why: str
) -> None:
    wish = request(booking, "k", tomorrow(booking, 10))
    fields = {"end": wish.opening.end + timedelta(minutes=1)} if "end" in change else change
    with pytest.raises(OpeningInvalid, match=why):
        await booking.book(replace(wish, opening=replace(wish.opening, **fields)), booking.now())


async def test_a_callers_name_can_not_break_out_of_its_event(booking: BookingService, settings: Settings, desk) -> None:
    evil = ('Jane "Q" \\ O\'Doe;,:\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:x 😀\u2028\x07' * 8)[:300]
    made = await booked(booking, "k1", tomorrow(booking, 10), name=evil, number='+44"\r\nX:y' * 30)
    (event,) = desk.events(path(settings, "anna"))
    assert len(event.icalendar_instance.walk("VEVENT")) == 1
    assert all(line.isprintable() for line in event.data.split("\n"))
    assert str(event.icalendar_component["UID"]) == made.uid
    assert len(made.name) <= 120
    assert await booking.appointments_of('+44"\r\nX:y' * 30, booking.now()) == (made,)


async def test_a_caller_who_hangs_up_in_the_middle_has_booked_all_or_nothing(
    booking: BookingService, settings: Settings, database: Database, desk
) -> None:
    task = asyncio.create_task(booked(booking, "k1", tomorrow(booking, 10), sms_text="see you"))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await booking.close()
    assert len(desk.events(path(settings, "anna"))) == 1
    assert await texts(database) == {"k1": "due"}


async def test_a_calendar_that_hangs_is_told_within_its_time_and_nothing_is_half_done(
    settings: Settings, database: Database
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        hanging = settings.model_copy(
            update={"caldav": CaldavSettings(url=url, user="ari", password=SecretStr("x"), timeout_s=0.5)}
        )
        loop = asyncio.get_running_loop()
        async with build_service(hanging, database) as booking:
            began = loop.time()
            with pytest.raises(CalendarUnavailable):
                await booking.find(Wish("cleaning", date.max, date.max), booking.now())
            with pytest.raises(CalendarUnavailable):
                await booked(booking, "k", tomorrow(booking, 10), sms_text="x")
            assert loop.time() - began < 3
    assert "due" not in (await texts(database)).values()


async def test_callbacks_are_kept_as_tasks_until_they_are_made(booking: BookingService) -> None:
    due = tomorrow(booking, 12)
    late = await booking.keep_callback(
        JANE, "Jane", "a crown; urgent\nvery", "mornings", due + timedelta(hours=1), "c2"
    )
    first = await booking.keep_callback(JANE, "", "a bill", "", due, "c1")
    assert await booking.keep_callback(JANE, "", "a bill", "", due, "c1") == first
    assert [kept.uid for kept in await booking.callbacks()] == [first, late]
    assert (await booking.callbacks())[1].about == "a crown; urgent very"
    await booking.complete_callback(first)
    assert [kept.uid for kept in await booking.callbacks()] == [late]
    with pytest.raises(AppointmentChanged):
        await booking.complete_callback(first)


async def test_a_persons_own_event_with_a_number_is_an_appointment_of_that_number(
    booking: BookingService, settings: Settings, desk
) -> None:
    start = tomorrow(booking, 10)
    desk.put(
        path(settings, "anna"),
        "own.ics",
        f"DTSTART:{utc(start)}",
        "DURATION:PT30M",
        "SUMMARY:Dental cleaning Mrs Doe +44 20 7946 0123",
    )
    await booking.refresh()
    (seen,) = await booking.appointments_of(JANE, booking.now())
    assert (seen.start, seen.service) == (start, "cleaning")


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
