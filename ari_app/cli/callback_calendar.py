"""The callbacks' calendar, for a command: connected for one thing, and what stands in the way as a line of text."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from ari_app.booking import callback_agreement
from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.callback_book import CallbackBook
from ari_app.config import Settings
from ari_app.errors import AppointmentChanged, CalendarUnavailable
from ari_app.store.database import Database


async def agree(settings: Settings, database: Database, *, now: datetime) -> str:
    """Bring store and calendar to agree.

    Returns why the calendar couldn't be asked; empty: it was.
    """
    try:
        async with _connected(settings) as book:
            await callback_agreement.agree(book, database, now=now)
    except (CalendarUnavailable, TimeoutError) as exc:
        return str(exc) or "the calendar gave no answer in time"
    return ""


async def complete(settings: Settings, uid: str, *, now: datetime) -> str:
    """Tick off the VTODO; returns why the calendar couldn't be told. One that isn't open there is no trouble."""
    try:
        async with _connected(settings) as book:
            await book.complete(uid, now=now)
    except AppointmentChanged:
        return ""
    except (CalendarUnavailable, TimeoutError) as exc:
        return str(exc) or "the calendar gave no answer in time"
    return ""


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[CallbackBook]:
    store = CaldavStore(settings.caldav)
    try:
        async with asyncio.timeout(2 * settings.caldav.timeout_s):
            await store.connect()
            yield CallbackBook(store, settings.callbacks.calendar)
    finally:
        await store.close()
