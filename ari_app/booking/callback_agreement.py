"""Promised callbacks in the store and their VTODOs, brought to agree: either may have been down alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from ari_app.booking.callback_book import CallbackBook
from ari_app.booking.model import KeptCallback
from ari_app.store import callbacks
from ari_app.store.callbacks import Callback
from ari_app.store.database import Database

WRITTEN_WITHIN = timedelta(days=1)
"""A VTODO that is missing later than this was taken out by a person."""


async def agree(book: CallbackBook, database: Database, *, now: datetime) -> int:
    """Tick off what was ticked off in the calendar, take up what only it knows, write there what it missed.

    A VTODO that is gone altogether ticks off nothing. Returns how many were written. Raises CalendarUnavailable,
    StoreUnavailable.
    """
    before = await database.read(callbacks.listed)
    open_ones, closed = await book.known()
    await database.run(partial(_bring, before=before, open_ones=open_ones, closed=closed, now=now))
    known = closed | {callback.uid for callback in open_ones}
    missed = [each for each in before if each.uid not in known and now - each.promised < WRITTEN_WITHIN]
    for each in missed:
        await book.keep(kept(each), now=now)
    return len(missed)


def kept(callback: Callback) -> KeptCallback:
    """The VTODO's side of a promise."""
    return KeptCallback(
        callback.uid,
        callback.number,
        callback.name,
        callback.about,
        callback.preferred,
        callback.due,
        callback.call_id,
    )


def _bring(
    conn: Connection,
    before: Sequence[Callback],
    open_ones: Sequence[KeptCallback],
    closed: frozenset[str],
    now: datetime,
) -> None:
    for callback in before:
        if callback.uid in closed:
            callbacks.done(conn, callback.id, now=now)
    for each in open_ones:
        if each.uid and each.number:
            callbacks.promise(
                conn,
                uid=each.uid,
                number=each.number,
                now=now,
                due=each.due,
                name=each.name,
                about=each.about,
                preferred=each.preferred,
                call_id=each.call_id,
            )
