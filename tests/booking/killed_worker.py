"""A worker that does one step and kills itself with SIGKILL at a named point: VERB POINT SETTINGS REQUEST OLD.

A point is "before create 0", "after within 1", "after done" and so on: the moment, the request, and which one of it.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr, TypeAdapter

from ari_app.booking.build import assemble
from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.calendar_store import StoredObject
from ari_app.booking.model import Appointment, BookingRequest
from ari_app.config import CaldavSettings, Settings
from ari_app.store.database import Database


class DyingStore(CaldavStore):
    """The real store; the process ends at its point."""

    point = ""

    def __init__(self, settings: CaldavSettings) -> None:
        super().__init__(settings)
        self._reached: Counter[str] = Counter()

    def reach(self, moment: str) -> None:
        name = f"{moment} {self._reached[moment]}"
        self._reached[moment] += 1
        if name == self.point:
            os.kill(os.getpid(), signal.SIGKILL)

    async def within(self, calendar: str, start: datetime, end: datetime) -> list[StoredObject]:
        found = await super().within(calendar, start, end)
        self.reach("after within")
        return found

    async def create(self, href: str, data: str) -> str:
        self.reach("before create")
        etag = await super().create(href, data)
        self.reach("after create")
        return etag

    async def delete(self, href: str, etag: str) -> None:
        self.reach("before delete")
        await super().delete(href, etag)
        self.reach("after delete")


async def main(verb: str, point: str, settings: Settings, request: BookingRequest, old: Appointment) -> None:
    store = DyingStore(settings.caldav)
    async with Database(settings.store.url) as database, assemble(settings, database, store) as booking:
        store.point = point
        if verb == "book":
            await booking.book(request, booking.now())
        elif verb == "move":
            await booking.move(old, request, booking.now())
        else:
            await booking.cancel(old, sms_text=request.sms_text, key=request.key)
        if point == "after done":
            os.kill(os.getpid(), signal.SIGKILL)


def given() -> tuple[str, str, Settings, BookingRequest, Appointment]:
    verb, point, *files = sys.argv[1:]
    settings_text, request_text, old_text = (Path(file).read_text("utf-8") for file in files)
    settings = Settings.model_validate_json(settings_text)
    caldav = settings.caldav.model_copy(update={"password": SecretStr(os.environ["TEST_PASSWORD"])})
    request = TypeAdapter(BookingRequest).validate_json(request_text)
    old = TypeAdapter(Appointment).validate_json(old_text)
    return verb, point, settings.model_copy(update={"caldav": caldav}), request, old


if __name__ == "__main__":
    asyncio.run(main(*given()))
