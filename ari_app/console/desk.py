"""The running worker as the front desk sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ari_app.booking.model import Appointment
from ari_app.booking.service import BookingService
from ari_app.call.registry import LiveCall, Registry
from ari_app.clock import Clock
from ari_app.store import callbacks, outbox
from ari_app.store.callbacks import Callback
from ari_app.store.database import Database
from ari_app.store.outbox import OutboxMessage

AHEAD_DAYS = 60


@dataclass(frozen=True, slots=True)
class Desk:
    """DeskView over this worker's calls, the calendar and the store."""

    clock: Clock
    registry: Registry
    booking: BookingService
    database: Database

    def now(self) -> datetime:
        return self.clock.now()

    def calls(self) -> Sequence[LiveCall]:
        return sorted(self.registry.calls.values(), key=lambda call: call.arrived_s)

    async def appointments(self) -> Sequence[Appointment]:
        today = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        return await self.booking.appointments_between(today, today + timedelta(days=AHEAD_DAYS))

    async def outbox(self) -> Sequence[OutboxMessage]:
        return await self.database.read(lambda conn: outbox.latest(conn, limit=100))

    async def callbacks(self) -> Sequence[Callback]:
        return await self.database.read(lambda conn: callbacks.listed(conn))

    async def callback_done(self, uid: str) -> bool:
        open_ones = await self.callbacks()
        found = next((each for each in open_ones if each.uid == uid), None)
        if found is None:
            return False
        now = self.clock.now()
        return await self.database.run(lambda conn: callbacks.done(conn, found.id, now=now))
