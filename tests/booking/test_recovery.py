"""kill -9 at every step: the next worker finishes or undoes it, and nothing is left that nobody was told."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select

from ari_app.booking.build import build_service
from ari_app.booking.model import Appointment, BookingRequest, Opening
from ari_app.booking.service import BookingService
from ari_app.config import Settings
from ari_app.lab.bench.servers import CalendarServer
from ari_app.store.booking_journal import unfinished
from ari_app.store.database import Database
from ari_app.store.holds import holds
from ari_app.store.schema import outbox

OLD, NEW = time(10), time(14)


@dataclass
class Scene:
    """A practice with one appointment at ten, and a worker that will die while it books, moves or cancels."""

    settings: Settings
    folder: Path
    clock: object
    desk: object

    async def old(self) -> Appointment:
        async with Database(self.settings.store.url) as database, self.service(database) as booking:
            return await booking.book(self.request(booking, "old", OLD, text=""), booking.now())

    def service(self, database: Database) -> BookingService:
        return build_service(self.settings, database, self.clock)

    def request(self, booking: BookingService, key: str, at: time, *, text: str = "see you") -> BookingRequest:
        start = datetime.combine(booking.now().date() + timedelta(days=1), at, booking.diary.zone)
        opening = Opening(start, start + timedelta(hours=1), "surgery", ("anna", "room"))
        return BookingRequest(key, opening, "+442079460123", "Jane Doe", "", text)

    async def die(self, verb: str, point: str, old: Appointment, server: CalendarServer) -> None:
        """Do `verb` in a process that is killed at `point`."""
        async with Database(self.settings.store.url) as database:
            request = self.request(self.service(database), "new", NEW)
        files = {"settings": self.settings.model_dump_json(), "request": _json(request), "old": _json(old)}
        for name, text in files.items():
            (self.folder / name).write_text(text, "utf-8")
        script = str(Path(__file__).with_name("killed_worker.py"))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, script, verb, point, *(str(self.folder / name) for name in files)),
            env=os.environ | {"TEST_PASSWORD": server.password, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert await asyncio.wait_for(process.wait(), 60) == -9, "it was to be killed, and wasn't"

    async def recover(self) -> dict[str, str]:
        """Let the next worker sweep up, now and once no request can be under way; the texts' states."""
        async with Database(self.settings.store.url) as database:
            for _ in range(2):
                self.clock.offset += timedelta(seconds=70)
                async with self.service(database) as booking:
                    await booking.recover()
            assert await database.read(unfinished) == []
            assert await database.read(lambda conn: conn.execute(select(holds)).all()) == []
            rows = await database.read(lambda conn: conn.execute(select(outbox.c.key, outbox.c.state)).all())
            return {row.key: row.state for row in rows}

    def standing(self) -> list[tuple[str, time]]:
        """What the calendars hold: resource and start."""
        found = []
        for resource in self.settings.resources:
            for event in self.desk.events(resource.calendar):
                start = event.icalendar_component["DTSTART"].dt.astimezone(self.settings.business.zone)
                found.append((resource.id, start.time()))
        return sorted(found)


@pytest.fixture
def scene(practice: Callable[..., Settings], tmp_path: Path, clock, desk) -> Scene:
    return Scene(practice(), tmp_path, clock, desk)


@pytest.fixture(params=["radicale"])
def server(request: pytest.FixtureRequest) -> CalendarServer:
    found: CalendarServer = request.getfixturevalue(request.param)
    return found


BOTH_OLD = [("anna", OLD), ("room", OLD)]
BOTH_NEW = [("anna", NEW), ("room", NEW)]


@pytest.mark.parametrize(
    "point",
    ["after within 0", "before create 0", "after create 0", "after create 1", "after within 2", "after within 3"],
)
async def test_a_booking_that_was_not_confirmed_leaves_nothing(
    scene: Scene, point: str, server: CalendarServer
) -> None:
    old = await scene.old()
    await scene.die("book", point, old, server)
    assert await scene.recover() == {}
    assert scene.standing() == BOTH_OLD


async def test_a_booking_that_was_confirmed_stands_and_is_told(scene: Scene, server: CalendarServer) -> None:
    old = await scene.old()
    await scene.die("book", "after done", old, server)
    assert await scene.recover() == {"new": "due"}
    assert scene.standing() == sorted(BOTH_OLD + BOTH_NEW)


@pytest.mark.parametrize("point", ["after create 0", "after within 3", "before delete 0"])
async def test_a_move_whose_old_event_still_stands_is_undone(scene: Scene, point: str, server: CalendarServer) -> None:
    await scene.die("move", point, await scene.old(), server)
    assert await scene.recover() == {}
    assert scene.standing() == BOTH_OLD


@pytest.mark.parametrize("point", ["after delete 0", "after delete 1"])
async def test_a_move_whose_old_event_is_gone_is_finished(scene: Scene, point: str, server: CalendarServer) -> None:
    await scene.die("move", point, await scene.old(), server)
    assert await scene.recover() == {"new": "due"}
    assert scene.standing() == BOTH_NEW


async def test_a_cancellation_that_did_not_happen_is_undone(scene: Scene, server: CalendarServer) -> None:
    await scene.die("cancel", "before delete 0", await scene.old(), server)
    assert await scene.recover() == {}
    assert scene.standing() == BOTH_OLD


@pytest.mark.parametrize("point", ["after delete 0", "after delete 1"])
async def test_a_cancellation_that_happened_is_finished(scene: Scene, point: str, server: CalendarServer) -> None:
    await scene.die("cancel", point, await scene.old(), server)
    assert await scene.recover() == {"new": "due"}
    assert scene.standing() == []


@pytest.mark.parametrize(("verb", "left"), [("move", {}), ("cancel", {})])
async def test_a_delete_that_lands_late_takes_nothing(
    scene: Scene, verb: str, left: dict[str, str], server: CalendarServer
) -> None:
    old = await scene.old()
    await scene.die(verb, "before delete 0", old, server)
    async with Database(scene.settings.store.url) as database, scene.service(database) as booking:
        await booking.recover()
    late = scene.desk.client.request(f"{server.url}{old.href[1:]}", "DELETE", "", {"If-Match": old.etag})
    assert late.status == 412
    assert await scene.recover() == left
    assert scene.standing() == BOTH_OLD


async def test_an_appointment_kept_so_can_still_be_moved(scene: Scene, server: CalendarServer) -> None:
    await scene.die("move", "before delete 0", await scene.old(), server)
    assert await scene.recover() == {}
    async with Database(scene.settings.store.url) as database, scene.service(database) as booking:
        (seen,) = await booking.appointments_of("+442079460123", booking.now())
        await booking.move(seen, scene.request(booking, "again", NEW), booking.now())
    assert scene.standing() == BOTH_NEW


async def test_a_caller_who_rings_again_before_it_is_swept_up_finds_a_finished_move(
    scene: Scene, server: CalendarServer
) -> None:
    old = await scene.old()
    async with Database(scene.settings.store.url) as database, scene.service(database) as booking:
        await scene.die("move", "after delete 1", old, server)
        (seen,) = await booking.appointments_of("+442079460123", booking.now())
        await booking.cancel(seen, sms_text="gone", key="cancelled")
    assert await scene.recover() == {"new": "due", "cancelled": "due"}
    assert scene.standing() == []


async def test_what_was_not_confirmed_is_not_read_out(scene: Scene, server: CalendarServer) -> None:
    old = await scene.old()
    async with Database(scene.settings.store.url) as database, scene.service(database) as booking:
        await scene.die("book", "after create 1", old, server)
        await booking.refresh()
        assert await booking.appointments_of("+442079460123", booking.now()) == (old,)
    assert await scene.recover() == {}


async def test_what_was_undone_is_not_read_out_from_a_mirror_that_lags(scene: Scene, server: CalendarServer) -> None:
    old = await scene.old()
    async with Database(scene.settings.store.url) as database, scene.service(database) as booking:
        await scene.die("book", "after create 1", old, server)
        await booking.refresh()
        assert await scene.recover() == {}
        assert await booking.appointments_of("+442079460123", booking.now()) == (old,)


async def test_an_event_that_a_person_touched_meanwhile_is_theirs(scene: Scene, server: CalendarServer) -> None:
    old = await scene.old()
    await scene.die("book", "after create 1", old, server)
    anna = next(item.calendar for item in scene.settings.resources if item.id == "anna")
    (new,) = [event for event in scene.desk.events(anna) if event.url.path != old.href]
    start = new.icalendar_component["DTSTART"].dt
    scene.desk.drag(new.url.path, start + timedelta(hours=2))
    assert await scene.recover() == {}
    assert scene.standing() == sorted([*BOTH_OLD, ("anna", time(16))])


async def test_an_href_used_again_is_not_mistaken_for_the_old_event(scene: Scene, server: CalendarServer) -> None:
    old = await scene.old()
    await scene.die("cancel", "after delete 1", old, server)
    async with Database(scene.settings.store.url) as database, scene.service(database) as booking:
        other = await booking.book(scene.request(booking, "other", OLD), booking.now())
    assert {part.href for part in other.parts} == {part.href for part in old.parts}
    assert await scene.recover() == {"new": "due", "other": "due"}
    assert scene.standing() == BOTH_OLD


def _json(value: object) -> str:
    return TypeAdapter(type(value)).dump_json(value).decode()
