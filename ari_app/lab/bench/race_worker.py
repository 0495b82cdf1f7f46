"""One worker of a race: a real booking service, and callers who book, move and cancel at random, until killed."""

import asyncio
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ari_app.booking.build import assemble
from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.calendar_store import StoredObject
from ari_app.booking.model import Appointment, BookingRequest, Opening, Wish
from ari_app.booking.service import BookingService
from ari_app.config import load_settings
from ari_app.errors import AppointmentChanged, BookingError, StoreUnavailable
from ari_app.lab.bench.race_history import History
from ari_app.store.database import Database

_MOST_EACH = 3


class RecordingStore(CaldavStore):
    """The real store, which also writes down when each PUT and each look began and ended."""

    history: History

    async def create(self, href: str, data: str) -> str:
        self.history.tell("put_begins", href=href)
        etag = await super().create(href, data)
        self.history.tell("put_ended", href=href)
        return etag

    async def within(self, calendar: str, start: datetime, end: datetime) -> list[StoredObject]:
        self.history.tell("look_begins", calendar=calendar)
        return await super().within(calendar, start, end)

    async def replace(self, href: str, data: str, etag: str) -> str:
        self.history.tell("replace_begins", href=href)
        etag = await super().replace(href, data, etag)
        self.history.tell("replace_ended", href=href)
        return etag

    async def delete(self, href: str, etag: str) -> None:
        self.history.tell("delete_begins", href=href)
        await super().delete(href, etag)
        self.history.tell("delete_ended", href=href)


@dataclass(slots=True)
class Caller:
    """Somebody with a telephone number who keeps changing their mind."""

    number: str
    booking: BookingService
    history: History
    chance: random.Random
    calls: int = 0

    async def talk(self, now: datetime) -> None:
        """One call: look at what one has, then book, move or cancel."""
        mine = await self.booking.appointments_of(self.number, now)
        for item in mine:
            self.history.tell("heard", uid=item.uid)
        verb = self.chance.choice(["book", "book", "move", "cancel"]) if mine else "book"
        if verb == "book" and len(mine) >= _MOST_EACH:
            verb = "move"
        if verb == "cancel":
            return await self._cancel(self.chance.choice(mine))
        opening = await self._opening(now)
        if opening is None:
            return None
        if verb == "move":
            return await self._move(self.chance.choice(mine), opening, now)
        return await self._book(opening, now)

    async def _opening(self, now: datetime) -> Opening | None:
        wish = Wish("visit", now.date(), now.date() + timedelta(days=30))
        found = (await self.booking.find(wish, now)).fitting
        return self.chance.choice(found) if found else None

    async def _book(self, opening: Opening, now: datetime) -> None:
        request = self._request(opening)
        made = await self.booking.book(request, now)
        self._told("booked", request.key, made)
        if self.chance.random() < 0.1:
            again = await self.booking.book(request, now)
            self.history.tell("retried", key=request.key, same=again.uid == made.uid)

    async def _move(self, old: Appointment, opening: Opening, now: datetime) -> None:
        request = self._request(opening)
        self.history.tell("leaving", uid=old.uid, key=request.key)
        made = await self.booking.move(old, request, now)
        self._told("moved", request.key, made)

    async def _cancel(self, old: Appointment) -> None:
        key = self._key()
        self.history.tell("leaving", uid=old.uid, key=key)
        await self.booking.cancel(old, sms_text=f"cancelled {key}", key=key)
        self.history.tell("cancelled", uid=old.uid, key=key)

    def _request(self, opening: Opening) -> BookingRequest:
        key = self._key()
        self.history.tell("asked", key=key, start=opening.start.isoformat(), resource=opening.resources[0])
        return BookingRequest(key, opening, self.number, f"Caller {self.number[-2:]}", key, f"booked {key}")

    def _told(self, what: str, key: str, made: Appointment) -> None:
        self.history.tell(
            what,
            key=key,
            uid=made.uid,
            href=made.href,
            resource=made.resources[0],
            start=made.start.timestamp(),
            end=made.end.timestamp(),
        )

    def _key(self) -> str:
        self.calls += 1
        return f"{self.number}-{time.time_ns()}-{self.calls}"


async def work(config: Path, folder: Path, name: str, numbers: Sequence[str], chance: random.Random) -> None:
    """Serve these callers until SIGTERM."""
    settings = load_settings(config)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    with History(folder, name) as history:
        store = RecordingStore(settings.caldav)
        store.history = history
        async with Database(settings.store.url) as database, assemble(settings, database, store) as booking:
            history.tell("up")
            async with asyncio.TaskGroup() as group:
                for number in numbers:
                    caller = Caller(number, booking, history, random.Random(chance.random()))
                    group.create_task(_call_again_and_again(caller, stopping))
        history.tell("down")


async def _call_again_and_again(caller: Caller, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            await caller.talk(caller.booking.now())
        except AppointmentChanged:
            caller.history.tell("changed")
        except (BookingError, StoreUnavailable) as exc:
            caller.history.tell("refused", error=type(exc).__name__, reason=str(exc)[:200])
        await asyncio.sleep(caller.chance.random() * 0.1)


def main() -> None:
    """CONFIG FOLDER NAME SEED NUMBER..."""
    config, folder, name, seed, *numbers = sys.argv[1:]
    asyncio.run(work(Path(config), Path(folder), name, numbers, random.Random(seed)))


if __name__ == "__main__":
    main()
