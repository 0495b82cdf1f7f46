"""Promised callbacks in the store, brought to agree with their VTODOs: people tick those off in their own calendar."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.calendar_store import StoredObject
from ari_app.booking.callback_book import CallbackBook
from ari_app.booking.ics_todo import read_callback
from ari_app.booking.model import KeptCallback
from ari_app.config import Settings
from ari_app.errors import AppointmentChanged, CalendarUnavailable
from ari_app.store import callbacks
from ari_app.store.callbacks import Callback
from ari_app.store.database import Database


async def agree(settings: Settings, database: Database, *, now: datetime) -> str:
    """Tick off what was ticked off in the calendar, and take up what only the calendar knows.

    Returns why the calendar couldn't be asked; empty: it was. A VTODO that is gone altogether ticks off nothing.
    """
    before = await database.read(callbacks.listed)
    try:
        async with _connected(settings) as store:
            found = await store.todos(settings.callbacks.calendar)
    except (CalendarUnavailable, TimeoutError) as exc:
        return str(exc) or "the calendar gave no answer in time"
    open_ones = [callback for callback in map(read_callback, found) if callback is not None]
    closed = {_uid(item) for item in found} - {callback.uid for callback in open_ones}
    await database.run(partial(_bring, before=before, open_ones=open_ones, closed=closed, now=now))
    return ""


async def complete(settings: Settings, uid: str, *, now: datetime) -> str:
    """Tick off the VTODO; returns why the calendar couldn't be told. One that isn't open there is no trouble."""
    try:
        async with _connected(settings) as store:
            await CallbackBook(store, settings.callbacks.calendar).complete(uid, now=now)
    except AppointmentChanged:
        return ""
    except (CalendarUnavailable, TimeoutError) as exc:
        return str(exc) or "the calendar gave no answer in time"
    return ""


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[CaldavStore]:
    store = CaldavStore(settings.caldav)
    try:
        async with asyncio.timeout(2 * settings.caldav.timeout_s):
            await store.connect()
            yield store
    finally:
        await store.close()


def _bring(
    conn: Connection, before: Sequence[Callback], open_ones: Sequence[KeptCallback], closed: set[str], now: datetime
) -> None:
    for callback in before:
        if callback.uid in closed:
            callbacks.done(conn, callback.id, now=now)
    for kept in open_ones:
        if kept.uid and kept.number:
            callbacks.promise(
                conn,
                uid=kept.uid,
                number=kept.number,
                now=now,
                due=kept.due,
                name=kept.name,
                about=kept.about,
                preferred=kept.preferred,
                call_id=kept.call_id,
            )


def _uid(item: StoredObject) -> str:
    unfolded = re.sub(r"\r?\n[ \t]", "", item.data)
    line = re.search(r"(?im)^UID(?:;[^:\r\n]*)?:(.+?)\s*$", unfolded)
    return line[1] if line else ""
