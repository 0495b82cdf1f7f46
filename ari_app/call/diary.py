"""One call's diary: what was said, heard and done, to the registry at once and to the call log soon.

Writing never holds the call up: entries wait in a bounded queue (the oldest goes when the database can't keep up) and a
task of the call's own writes them, again and again while the database is away; state changes and the end are dropped
only if it is still away some seconds after the call.
"""

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ari_app.call.journal import Standing, to_json
from ari_app.call.registry import CallEvent, LiveCall, Registry
from ari_app.clock import Clock
from ari_app.dialogue import acts as a
from ari_app.dialogue.state import State
from ari_app.errors import StoreUnavailable
from ari_app.logs import get_logger
from ari_app.store import call_log
from ari_app.store.call_log import Json
from ari_app.store.database import Database
from ari_app.store.schema import CallState

log = get_logger()

WAITING = 400
RETRY_S = 0.5
LAST_TRIES_S = 5.0
"""After the call's end."""

_OUTCOMES: dict[type, str] = {
    a.Booked: "booked",
    a.Moved: "moved",
    a.CancelledAppointment: "cancelled",
    a.CallbackKept: "callback",
}

Write = Callable[[Connection], object]


@dataclass(frozen=True, slots=True)
class _Entry:
    write: Write
    is_kept: bool
    """Never dropped for want of room."""


@dataclass(slots=True)
class Diary:
    """`async with diary.writing():` around the call's life."""

    call: LiveCall
    registry: Registry
    database: Database
    clock: Clock
    worker: str
    outcome: str = ""
    reason: str = ""
    _waiting: deque[_Entry] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _is_writing: bool = False
    _is_ending: bool = False

    def begin(self, *, is_resumed: bool = False) -> None:
        """The call has been claimed, or taken up again where a former process left it."""
        now, call = self.clock.now(), self.call
        if is_resumed:
            self.note("note", "taken up again")
            return
        self._keep(
            lambda conn: call_log.begin(
                conn,
                call_id=call.call_id,
                worker=self.worker,
                channel_id=call.channel_id,
                number=call.number,
                now=now,
            )
        )
        self._publish("state", CallState.PENDING)

    def state(self, state: CallState) -> None:
        """The call has moved on."""
        self.call.state = state
        self.registry.changed()
        now, call_id = self.clock.now(), self.call.call_id
        self._keep(lambda conn: call_log.set_state(conn, call_id=call_id, state=state, now=now))
        log.info(f"call.{state.lower()}")
        self._publish("state", state)

    def note(self, kind: str, text: str, **data: str) -> None:
        """Something was said, heard, pressed or done."""
        now, call_id = self.clock.now(), self.call.call_id
        act: Json | None = dict(data) or None
        self._put(
            lambda conn: call_log.append_turn(
                conn, call_id=call_id, at=now, kind=kind, text_id=data.get("text_id", ""), pii_text=text, act=act
            ),
            is_kept=False,
        )
        log.info(f"call.{kind}", pii_text=text, **data)
        self._publish(kind, text, **data)

    def turn(self, state: State, event: a.Event, system_acts: tuple[a.SystemAct, ...]) -> None:
        """A step of the conversation: what it came to, and its state, from which a lost call is taken up again."""
        if (outcome := _OUTCOMES.get(type(event))) is not None:
            self.outcome = outcome
        now, call_id = self.clock.now(), self.call.call_id
        entry: Json = to_json(Standing(state, system_acts, self.call.keys))
        self._keep(lambda conn: call_log.append_turn(conn, call_id=call_id, at=now, kind="state", state=entry))

    def ended(self) -> None:
        """The call is over; `outcome` and `reason` as they stand."""
        self.call.state = CallState.DISCONNECTED
        self.registry.changed()
        now, call_id, outcome, reason = self.clock.now(), self.call.call_id, self.outcome, self.reason
        self._keep(lambda conn: call_log.finish(conn, call_id=call_id, outcome=outcome, reason=reason, now=now))
        log.info("call.disconnected", outcome=outcome, reason=reason)
        self._publish("state", CallState.DISCONNECTED, outcome=outcome, reason=reason)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write what comes until the block ends, then what is left, briefly."""
        task = asyncio.create_task(self._write_all(), name="diary")
        try:
            yield
        finally:
            self._is_ending = True
            self._wake.set()
            done, _ = await asyncio.wait({task}, timeout=LAST_TRIES_S)
            if not done:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                log.error("diary.lost", entries=len(self._waiting))

    @property
    def is_behind(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._waiting) or self._is_writing

    def _keep(self, write: Write) -> None:
        self._put(write, is_kept=True)

    def _put(self, write: Write, *, is_kept: bool) -> None:
        self._make_room()
        self._waiting.append(_Entry(write, is_kept))
        self._wake.set()

    def _make_room(self) -> None:
        if len(self._waiting) >= WAITING:
            droppable = next((entry for entry in self._waiting if not entry.is_kept), None)
            if droppable is not None:
                self._waiting.remove(droppable)

    async def _write_all(self) -> None:
        while True:
            while self._waiting:
                await self._write_waiting()
            if self._is_ending:
                return
            self._wake.clear()
            await self._wake.wait()

    async def _write_waiting(self) -> None:
        """Write what waits, in one transaction; what the database did not take waits again, in its order."""
        batch = list(self._waiting)
        self._waiting.clear()
        is_written, self._is_writing = False, True
        try:
            await self.database.run(functools.partial(_write_batch, batch))
            is_written = True
        except IntegrityError as exc:  # the call itself was purged or never begun: no entry can be written to it
            log.error("diary.refused", entries=len(batch), reason=type(exc.orig).__name__)
            is_written = True
        except StoreUnavailable as exc:
            log.warning("diary.unwritten", entries=len(batch), reason=str(exc))
        finally:
            self._is_writing = False
            if not is_written:
                self._waiting.extendleft(reversed(batch))
        if not is_written:
            await asyncio.sleep(RETRY_S)

    def _publish(self, kind: str, text: str, **data: str) -> None:
        now: datetime = self.clock.now()
        at_s = self.clock.monotonic_s() - self.call.arrived_s
        self.registry.publish(CallEvent(self.call.call_id, now, at_s, kind, str(text), tuple(data.items())))


def _write_batch(batch: list[_Entry], conn: Connection) -> None:
    for entry in batch:
        entry.write(conn)
