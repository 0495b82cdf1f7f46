"""Find, book, move, cancel: the one door to appointments, for callers, the desk and the command line.

The order of a booking (each step journalled, so that a kill -9 anywhere is finished or undone by the next worker):
hold in the store -> fresh look -> PUT with `If-None-Match: *` -> second look -> (a move: DELETE the old one with
`If-Match`) -> confirmed, hold and text released in one transaction. What is confirmed was told, or is told by text.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from ari_app.booking.availability import Diary, why_not
from ari_app.booking.calendar_store import CalendarStore
from ari_app.booking.callback_agreement import agree
from ari_app.booking.callback_book import CallbackBook
from ari_app.booking.finding import find, nearest_to
from ari_app.booking.journalled import Journalled
from ari_app.booking.mirror import Mirror
from ari_app.booking.model import Appointment, BookingRequest, Found, KeptCallback, Opening, Wish
from ari_app.booking.plan import Plan, from_payload, parts_of
from ari_app.booking.recovery import Recovery
from ari_app.booking.steps import CalendarSteps
from ari_app.booking.vevent import safe_number
from ari_app.errors import (
    AppointmentChanged,
    AriAppError,
    BookingError,
    CalendarUnavailable,
    OpeningInvalid,
    OpeningTaken,
    StoreUnavailable,
)
from ari_app.logs import get_logger
from ari_app.store.booking_journal import StepKind, StepState
from ari_app.store.database import Database

log = get_logger()

Step = Callable[[], Coroutine[None, None, Appointment | None]]

_SWEEP_S = 5.0
_FRESH_S = 5.0
_FRESH_WAIT_S = 0.3
_STEP_S = 30.0
_FORGET_AFTER = timedelta(days=2)


class BookingService:
    """Appointments over one CalDAV account. Use as `async with`, or start() and close() it."""

    def __init__(
        self,
        *,
        store: CalendarStore,
        diary: Diary,
        mirror: Mirror,
        journalled: Journalled,
        callbacks: CallbackBook,
        now: Callable[[], datetime],
        connect: Callable[[], Coroutine[None, None, None]],
        lookup_timeout_s: float,
        stale_after_s: float,
        first_load_s: float,
    ) -> None:
        self.diary = diary
        self._store, self._mirror, self._journalled, self._callbacks = store, mirror, journalled, callbacks
        self.now, self._connect = now, connect
        self._lookup_timeout_s, self._stale_after_s = lookup_timeout_s, stale_after_s
        self._first_load_s = first_load_s
        self._steps = CalendarSteps(store, diary, mirror)
        self._recovery = Recovery(self._steps, journalled)
        self._running: dict[str, asyncio.Future[Appointment | None]] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._closing = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the calendars, finish or undo what dead workers left, and keep both up; a calendar that is down is
        no error here: callers are handed over until it is back."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._runner = asyncio.create_task(self._run(ready), name="booking")
        await ready

    async def close(self) -> None:
        """Let running steps end, stop polling, give up connections."""
        self._closing.set()
        if self._runner is not None:
            await self._runner
        await self._store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def find(self, wish: Wish, now: datetime) -> Found:
        """Openings for a wish, from the mirror; raises OpeningInvalid, CalendarUnavailable."""
        await self._freshen()
        return find(self.diary, wish, self._mirror.busy, now=now)

    async def nearest(self, opening: Opening, now: datetime) -> tuple[Opening, ...]:
        """What is nearest to an opening that has just gone."""
        await self._freshen()
        return nearest_to(self.diary, opening, self._mirror.busy, now=now)

    async def book(self, request: BookingRequest, now: datetime) -> Appointment:
        """Book one opening; raises OpeningTaken, OpeningInvalid, CalendarUnavailable, StoreUnavailable.

        The same key again gives the same appointment. Cancelling gives up the wait only: the step runs on to its
        end, and a booking that then stands is told by its text.
        """
        return await self._booked(StepKind.BOOK, request, None, now)

    async def move(self, appointment: Appointment, request: BookingRequest, now: datetime) -> Appointment:
        """Book the new time, then delete the old event, both or neither; raises as book does, and AppointmentChanged
        where the old one isn't what it was when it was read: a person's edit stays."""
        return await self._booked(StepKind.MOVE, request, appointment, now)

    async def cancel(self, appointment: Appointment, *, sms_text: str = "", key: str) -> None:
        """Delete the appointment as it was read (`If-Match`); raises AppointmentChanged, CalendarUnavailable."""
        plan = Plan(StepKind.CANCEL, key, old=appointment, is_removing=True)
        await self._to_end(key, lambda: self._cancelled(plan, sms_text))

    async def appointments_of(self, number: str, now: datetime) -> tuple[Appointment, ...]:
        """Upcoming appointments of this number, soonest first, as the calendars hold them now.

        Without what isn't confirmed: it may yet be undone, or was so a moment ago and the mirror holds it still.
        Raises StoreUnavailable too.
        """
        if not number:
            return ()
        whose = safe_number(number)
        await self._unsettled(lambda plan: plan.request is not None and safe_number(plan.request.number) == whose)
        await self._freshen()
        found = _joined(self._mirror.appointments(whose), now)
        within = timedelta(seconds=2 * self._stale_after_s)
        unconfirmed = {plan.uid for plan in await self._journalled.unconfirmed(within=within)}
        return tuple(item for item in found if item.uid not in unconfirmed)

    async def appointments_between(self, start: datetime, end: datetime) -> tuple[Appointment, ...]:
        """Everybody's appointments that overlap start..end, for the desk."""
        await self._freshen()
        return tuple(item for item in _joined(self._mirror.all_appointments(), start) if item.start < end)

    async def keep_callback(
        self, number: str, name: str, about: str, preferred: str, due: datetime | None, call_id: str = ""
    ) -> str:
        """Keep a promised callback as a VTODO; its UID. The same call's same callback is kept once."""
        return await self._callbacks.keep(
            KeptCallback("", number, name, about, preferred, due, call_id), now=self.now()
        )

    async def callbacks(self) -> tuple[KeptCallback, ...]:
        """Callbacks that are still to be made, most urgent first."""
        return await self._callbacks.open()

    async def agree_on_callbacks(self, database: Database) -> int:
        """Bring promised callbacks and their VTODOs to agree; how many the calendar had missed."""
        return await agree(self._callbacks, database, now=self.now())

    async def complete_callback(self, uid: str) -> None:
        """Mark a callback as made; raises AppointmentChanged where there is no such one."""
        await self._callbacks.complete(uid, now=self.now())

    async def refresh(self) -> None:
        """Bring the mirror up to date now; raises CalendarUnavailable."""
        await self._mirror.refresh()

    async def recover(self) -> int:
        """Finish or undo what was left behind; how many steps are still in doubt."""
        return await self._recovery.sweep(frozenset(self._running))

    # --- steps ------------------------------------------------------------------------------------------------------

    async def _booked(
        self, kind: StepKind, request: BookingRequest, old: Appointment | None, now: datetime
    ) -> Appointment:
        service = self.diary.services.get(request.opening.service)
        if service is None:
            raise OpeningInvalid(f"there is no service {request.opening.service}")
        if any(name not in self.diary.resources for name in request.opening.resources):
            raise OpeningInvalid(f"there is no resource {', '.join(request.opening.resources)}")
        if reason := why_not(self.diary, service, request.opening, now=now):
            raise OpeningInvalid(f"{request.opening.start:%Y-%m-%d %H:%M} can't be booked: {reason}")
        parts = self._steps.places(request.opening.start, request.opening.resources)
        plan = Plan(kind, request.key, replace(request, sms_text=""), service.name, parts, old)
        made = await self._to_end(request.key, lambda: self._made(plan, request.sms_text))
        if made is None:
            raise CalendarUnavailable(request.key, "the key names a cancellation")
        return made

    async def _unsettled(self, concerns: Callable[[Plan], bool]) -> list[Plan]:
        """Steps that concern us and are neither done nor undone, once those of dead workers were seen to."""
        found = [plan for plan in await self._journalled.unfinished() if concerns(plan)]
        if any(plan.key not in self._running for plan in found):
            await self.recover()
            self._mirror.invalidate()
            found = [plan for plan in await self._journalled.unfinished() if concerns(plan)]
        return found

    async def _check_settled(self, plan: Plan, old: Appointment) -> None:
        """Whether no other step is just making or removing this appointment; raises AppointmentChanged."""

        def concerns(other: Plan) -> bool:
            is_removed = other.is_removing and other.old is not None and other.old.uid == old.uid
            return other.key != plan.key and (other.uid == old.uid or is_removed)

        if await self._unsettled(concerns):
            raise AppointmentChanged(f"{self._store.url(old.href)} is just being changed by another call")

    async def _made(self, plan: Plan, sms_text: str) -> Appointment | None:
        if plan.old is not None:
            await self._check_settled(plan, plan.old)
        known = await self._opened(plan, sms_text)
        if known is not None:
            return known.appointment() if known.request is not None else None
        work = _Work(plan)
        try:
            async with asyncio.timeout(_STEP_S):
                await self._on_calendar(work)
        except (CalendarUnavailable, StoreUnavailable, TimeoutError) as exc:
            await self._leave(work.plan)
            raise CalendarUnavailable(self._store.url(work.plan.parts[0].href), str(exc) or "too slow") from exc
        except BookingError:
            self._mirror.invalidate()
            await self._take_back(replace(work.plan, is_removing=False))
            raise
        return await self._confirmed(work.plan)

    async def _on_calendar(self, work: "_Work") -> None:
        if work.plan.old is not None:
            await self._steps.check_unchanged(work.plan.old_parts)
        await self._steps.check_free(work.plan)
        for index in range(len(work.plan.parts)):
            await self._put(work, index)
        work.plan = replace(work.plan, parts=await self._steps.verify(work.plan))
        if work.plan.old is not None:
            work.plan = replace(work.plan, is_removing=True)
            if not await self._journalled.note(work.plan):
                raise CalendarUnavailable(self._store.url(work.plan.parts[0].href), "it took too long")
            await self._steps.remove(work.plan.old_parts)

    async def _put(self, work: "_Work", index: int) -> None:
        for attempt in range(1, 100):
            if made := await self._steps.put(work.plan, index, now=self.now()):
                work.plan = work.plan.with_part(index, made)
                return
            place = self._steps.next_place(work.plan, index, attempt)
            if place is None:
                break
            elsewhere = work.plan.with_part(index, place)
            if not await self._journalled.note(elsewhere):
                break
            work.plan = elsewhere
        raise OpeningTaken(f"{work.plan.opening.start:%Y-%m-%d %H:%M}: no place left for an event")

    async def _confirmed(self, plan: Plan) -> Appointment:
        if not await self._journalled.done(plan):
            log.warning("booking.taken_over", key=plan.key)
            if plan.old is None:
                await self._steps.undo(plan)
            raise CalendarUnavailable(self._store.url(plan.parts[0].href), "it took too long")
        self._steps.enter(plan, now=self.now())
        log.info("booking.confirmed", kind=plan.kind.value, start=plan.opening.start.isoformat())
        return plan.appointment()

    async def _cancelled(self, plan: Plan, sms_text: str) -> None:
        number = plan.old.number if plan.old is not None else ""
        if plan.old is not None:
            await self._check_settled(plan, plan.old)
        if await self._opened(plan, sms_text, number=number) is not None:
            return
        try:
            async with asyncio.timeout(_STEP_S):
                await self._steps.check_unchanged(plan.old_parts)
                await self._steps.remove(plan.old_parts)
        except (CalendarUnavailable, StoreUnavailable, TimeoutError) as exc:
            await self._leave(plan)
            raise CalendarUnavailable(self._store.url(plan.old_parts[0].href), str(exc) or "too slow") from exc
        except BookingError:
            self._mirror.invalidate()
            await self._journalled.undone(plan)
            raise
        await self._journalled.done(plan)
        log.info("booking.cancelled")

    async def _opened(self, plan: Plan, sms_text: str, *, number: str | None = None) -> Plan | None:
        """Open the step in the journal; the plan that already stands under its key where there is one."""
        whose = (plan.request.number if plan.request is not None else "") if number is None else number
        for _ in range(15):
            known = await self._journalled.open(plan, number=whose, sms_text=sms_text)
            if known is None:
                return None
            if known.state is StepState.DONE:
                return from_payload(known.payload)
            await asyncio.sleep(0.2)
        raise CalendarUnavailable(plan.key, "an earlier try of the same is still being sorted out")

    async def _take_back(self, plan: Plan) -> None:
        """Undo what a lost race has made; where that can't be done now, the sweep does."""
        try:
            await self._steps.undo(plan)
            await self._journalled.undone(plan)
        except BookingError:
            await self._leave(plan)

    async def _leave(self, plan: Plan) -> None:
        """Leave a step of open outcome to the sweep; its hold stays."""
        doubtful = replace(plan, final_after=self._journalled.settled_at())
        try:
            await self._journalled.leave_undoing(doubtful, again_in=self._recovery.again_in)
        except StoreUnavailable as exc:
            log.warning("booking.left_to_lease", reason=str(exc))

    # --- running ----------------------------------------------------------------------------------------------------

    async def _to_end(
        self, key: str, step: Callable[[], Coroutine[None, None, Appointment | None]]
    ) -> Appointment | None:
        """Run a step in the service's own group, so that a caller's hanging up doesn't cut it in the middle."""
        if self._group is None or self._closing.is_set():
            raise CalendarUnavailable(self._store.url("/"), "booking is not running")
        outcome = self._running.get(key)
        if outcome is None:
            outcome = self._running[key] = asyncio.get_running_loop().create_future()
            outcome.add_done_callback(_retrieve)
            self._group.create_task(self._supervised(key, step, outcome), name=f"step {key}")
        return await asyncio.shield(outcome)

    async def _supervised(
        self,
        key: str,
        step: Step,
        outcome: "asyncio.Future[Appointment | None]",
    ) -> None:
        try:
            outcome.set_result(await step())
        except AriAppError as exc:
            outcome.set_exception(exc)
        except Exception as exc:
            log.exception("booking.step_failed", key=key)
            outcome.set_exception(CalendarUnavailable(key, f"{type(exc).__name__}"))
        finally:
            self._running.pop(key, None)
            if not outcome.done():
                outcome.cancel()

    async def _run(self, ready: "asyncio.Future[None]") -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self._prepare()
            finally:
                if not ready.done():
                    ready.set_result(None)
            keeping = [
                group.create_task(self._kept_up("poll", self._mirror.poll)),
                group.create_task(self._kept_up("sweep", self._sweep)),
            ]
            await self._closing.wait()
            if self._running:
                await asyncio.wait(list(self._running.values()), timeout=_STEP_S)
            self._group = None
            for task in [*keeping, *([self._refreshing] if self._refreshing else [])]:
                task.cancel()

    async def _prepare(self) -> None:
        try:
            await self._connect()
            await asyncio.wait_for(self.recover(), _STEP_S)
            await asyncio.wait_for(self._mirror.refresh(), self._first_load_s)
        except (BookingError, StoreUnavailable, TimeoutError) as exc:
            log.warning("booking.not_ready", reason=str(exc) or "the calendars are still being read")

    async def _kept_up(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Do a piece of upkeep for ever, whatever goes wrong in it."""
        while True:
            try:
                await work()
            except (BookingError, StoreUnavailable) as exc:
                log.warning("booking.upkeep_failed", work=name, reason=str(exc))
            except Exception:
                log.exception("booking.upkeep_failed", work=name)

    async def _sweep(self) -> None:
        await asyncio.sleep(_SWEEP_S)
        await self.recover()
        await self._journalled.forget(older_than=_FORGET_AFTER)

    async def _freshen(self) -> None:
        """See to a mirror that is at most seconds old; one that lags a little serves rather than a caller waits."""
        is_loaded = self._mirror.is_loaded()
        if self._mirror.is_stale() or self._mirror.age_s() > max(_FRESH_S, 5 * self._mirror.cost_s):
            is_needed = self._mirror.is_stale() or not is_loaded
            task = self._refresh_task()
            await asyncio.wait({task}, timeout=self._lookup_timeout_s if is_needed else _FRESH_WAIT_S)
        if not self._mirror.is_loaded() or self._mirror.age_s() > self._stale_after_s:
            raise CalendarUnavailable(self._store.url("/"), "its calendars can't be read")

    def _refresh_task(self) -> "asyncio.Task[None]":
        if self._group is None:
            raise CalendarUnavailable(self._store.url("/"), "booking is not running")
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = self._group.create_task(self._refreshed(), name="mirror refresh")
        return self._refreshing

    async def _refreshed(self) -> None:
        try:
            await self._mirror.refresh(max_age_s=_FRESH_S / 2)
        except BookingError as exc:
            log.warning("calendar.refresh_failed", reason=str(exc))
        except Exception:
            log.exception("calendar.refresh_failed")


@dataclass(slots=True)
class _Work:
    """A step under way: the plan as it is by now, whatever ends it."""

    plan: Plan


def _joined(found: list[Appointment], now: datetime) -> tuple[Appointment, ...]:
    """One appointment for all its resources' events, upcoming ones only, soonest first."""
    by_uid: dict[str, list[Appointment]] = {}
    for item in found:
        by_uid.setdefault(item.uid, []).append(item)
    whole = [_whole(items) for items in by_uid.values()]
    return tuple(sorted((item for item in whole if item.end > now), key=lambda item: (item.start, item.uid)))


def _whole(items: list[Appointment]) -> Appointment:
    order = items[0].resources
    ranked = sorted(items, key=lambda item: order.index(item.parts[0].resource))
    return replace(ranked[0], parts=tuple(part for item in ranked for part in parts_of(item)))


def _retrieve(outcome: "asyncio.Future[Appointment | None]") -> None:
    if not outcome.cancelled():
        outcome.exception()
