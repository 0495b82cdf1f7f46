"""Promised callbacks, seen to: calendar and store agree, what is overdue is told, and (where wanted) they are rung.

Rung are only those whose customer named no time, in opening hours, at numbers of the business's own country that cost
what a call costs: first the desk, which must press 1, then the customer.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import partial

import phonenumbers
from phonenumbers import PhoneNumberType

from ari_app import metrics
from ari_app.asterisk.handles import Channel, DialFailed, dial, open_bridge
from ari_app.call.bounds import BoundedSynthesiser
from ari_app.call.handoff import DECLINE, HandOver, Target, Unreachable, targets
from ari_app.call.heartbeat_protocol import ChannelState
from ari_app.call.session import Switchboard
from ari_app.errors import AriAppError, BookingError, PbxError, StoreUnavailable
from ari_app.logs import get_logger
from ari_app.store import callbacks
from ari_app.store.callbacks import Callback

log = get_logger()

SWEEP_S = 30.0
LOOK_S = 10.0
"""How often a free desk is looked for."""
LEASE = timedelta(minutes=10)
NOT_REACHED = timedelta(minutes=15)
DESK_DECLINED = timedelta(minutes=5)
_ORDINARY = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.VOIP,
    PhoneNumberType.TOLL_FREE,
}


@dataclass(slots=True)
class Callbacks:
    """One worker's share of the promises; works while `run` runs."""

    board: Switchboard
    worker: str
    _told_overdue: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Until cancelled; a customer who is being rung then is hung up."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep_always(), name="callbacks-sweep")
            if self.board.settings.callbacks.auto and not self.board.settings.callbacks.dial:
                log.error("callbacks.cannot_ring", reason="callbacks.dial is empty: there is no way to dial customers")
            elif self.board.settings.callbacks.auto:
                group.create_task(self._ring_always(), name="callbacks-ring")

    # Seeing to the promises

    async def _sweep_always(self) -> None:
        while True:
            try:
                await self.sweep()
            except (BookingError, StoreUnavailable) as exc:
                log.warning("callbacks.unswept", reason=str(exc))
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> None:
        """Count, tell what is overdue, bring the calendar to agree. Raises StoreUnavailable, CalendarUnavailable."""
        board, now = self.board, self.board.clock.now()
        found = await board.database.read(callbacks.listed)
        overdue = [each for each in found if each.is_overdue(now)]
        metrics.CALLBACKS_OPEN.set(len(found))
        metrics.CALLBACKS_OVERDUE.set(len(overdue))
        for each in overdue:
            if each.uid not in self._told_overdue:
                self._told_overdue.add(each.uid)
                log.error("callback.overdue", callback=each.id, due=each.due, pii_number=each.number)
        if written := await board.booking.agree_on_callbacks(board.database):
            log.info("callbacks.written_late", count=written)

    # Ringing

    async def _ring_always(self) -> None:
        while True:
            try:
                await self.ring_next()
            except AriAppError as exc:
                log.warning("callback.not_rung", reason=str(exc))
            await asyncio.sleep(LOOK_S)

    async def ring_next(self) -> bool:
        """Ring the most urgent promise that may be rung now; True where desk and customer were connected."""
        board, now = self.board, self.board.clock.now()
        desk = targets(board.settings.handoff, "")[0]
        if board.registry.is_draining or not self._is_open(now):
            return False
        if not await self._whisperer().is_available(desk):
            return False
        take = partial(callbacks.claim, worker=self.worker, now=now, lease=LEASE, is_any_time=True)
        callback = await board.database.run(take)
        if callback is None:
            return False
        again_at = now + NOT_REACHED
        try:
            endpoint = dial_string(board.settings.callbacks.dial, callback.number, board.settings.business.country)
            if endpoint:
                await self._connect(callback, desk, endpoint)
                return True
            log.warning("callback.number_not_dialled", callback=callback.id)
        except Unreachable as exc:
            log.info("callback.desk_not_reached", callback=callback.id, reason=exc.reason)
            again_at = now + DESK_DECLINED
        except (DialFailed, PbxError) as exc:
            log.info("callback.not_reached", callback=callback.id, reason=str(exc))
        put_back = partial(callbacks.put_back, callback=callback, next_at=again_at)
        await board.database.run(put_back)
        return False

    async def _connect(self, callback: Callback, desk: Target, endpoint: str) -> None:
        """Desk first, then the customer, then the two until either hangs up. Raises Unreachable, PbxError."""
        board = self.board
        ring_s = board.settings.handoff.ring_s
        async with open_bridge(board.ari) as bridge:
            try:
                async with dial(
                    board.ari,
                    desk.endpoint,
                    ring_s=ring_s,
                    caller_name=callback.name or "Callback",
                    caller_number=callback.number,
                    app_args="callback",
                ) as human:
                    with self._held(human):
                        if not await self._whisperer().whisper(human, self._words(callback), unasked=DECLINE):
                            raise Unreachable("declined")
                        await bridge.add(human)
                        await bridge.start_moh()
                        await self._ring_customer(callback, endpoint, bridge.id, human)
            except DialFailed as exc:
                raise Unreachable(exc.status) from exc

    async def _ring_customer(self, callback: Callback, endpoint: str, bridge_id: str, human: Channel) -> None:
        board = self.board
        gone = asyncio.ensure_future(human.until_gone())
        try:
            number = board.settings.callbacks.caller_id
            async with dial(board.ari, endpoint, ring_s=30.0, app_args="callback", caller_number=number) as customer:
                await board.ari.stop_bridge_moh(bridge_id)
                await board.ari.add_channel(bridge_id, customer.id)
                board.heartbeat.channel(customer.id, customer.id, state=ChannelState.HUMAN, linked=human.id)
                board.heartbeat.gone(human.id)
                try:
                    await self._made(callback)
                    left = asyncio.ensure_future(customer.until_gone())
                    try:
                        await asyncio.wait({gone, left}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        left.cancel()
                        await asyncio.gather(left, return_exceptions=True)
                finally:
                    board.heartbeat.gone(customer.id)
        except DialFailed as exc:
            raise PbxError(f"the customer: {exc.status}") from exc
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _made(self, callback: Callback) -> None:
        board = self.board
        log.info("callback.connected", callback=callback.id)
        try:
            now = board.clock.now()
            await board.database.run(partial(callbacks.done, callback_id=callback.id, now=now))
            await board.booking.complete_callback(callback.uid)
        except (BookingError, StoreUnavailable) as exc:
            log.warning("callback.not_ticked_off", callback=callback.id, reason=str(exc))

    def _whisperer(self) -> HandOver:
        board = self.board
        return HandOver(
            board.ari,
            board.lines,
            board.settings.handoff,
            BoundedSynthesiser(board.synthesiser),
            note=_no_note,
            on_ringing=_no_note,
            media_held=self._media_held,
        )

    def _words(self, callback: Callback) -> str:
        what = ". ".join(word for word in (callback.name, callback.about) if word)
        texts, now = self.board.business.texts, self.board.clock.now()
        return texts.render("callback_whisper", {"what": what or callback.number}, variant=0, now=now)

    @contextmanager
    def _held(self, human: Channel) -> Iterator[None]:
        """Alone, this phone talks to nobody but us: should the worker die, it is hung up."""
        with self._media_held(human.id):
            yield

    @contextmanager
    def _media_held(self, channel_id: str) -> Iterator[None]:
        self.board.heartbeat.channel(channel_id, channel_id, state=ChannelState.MEDIA)
        try:
            yield
        finally:
            self.board.heartbeat.gone(channel_id)

    def _is_open(self, now: datetime) -> bool:
        spans = self.board.business.hours[now.weekday()]
        return any(span.start <= now.time() and (now.time() < span.end or span.end == time(0)) for span in spans)


def dial_string(template: str, number: str, country: str) -> str:
    """How a customer's number is dialled; "" where it isn't to be: not of this country, or no ordinary number."""
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return ""
    is_ours = parsed.country_code == phonenumbers.country_code_for_region(country)
    if not template or not is_ours or not phonenumbers.is_valid_number(parsed):
        return ""
    if phonenumbers.number_type(parsed) not in _ORDINARY:
        return ""
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return template.replace("{number}", e164).replace("{digits}", e164.removeprefix("+"))


def _no_note(*_args: str, **_data: str) -> None:
    """A callback has no diary."""
