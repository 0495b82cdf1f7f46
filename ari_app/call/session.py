"""One call from claim to end: PENDING -> ANSWERED -> DISCONNECTED, or over CONNECTED where a human took it.

Everything made for the call (bridge, media channel, human's channel) is made inside its own `async with`, so however
the call ends (hang-up, error, cancelling) nothing is left in Asterisk. One thing is left on purpose: two humans who
talk when the worker stops talk on, and the sentinel sees them to their end.
"""

import asyncio
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.ari_events import ChannelDtmfReceived
from ari_app.asterisk.handles import Bridge, Channel, Digits, open_bridge, quietly
from ari_app.asterisk.media_leg import MediaLeg
from ari_app.asterisk.subscriptions import Subscription
from ari_app.booking.model import Appointment
from ari_app.booking.service import BookingService
from ari_app.call.actions import Actions
from ari_app.call.bounds import BoundedStream, BoundedSynthesiser
from ari_app.call.conversation import Conversation
from ari_app.call.diary import Diary
from ari_app.call.handoff import HandOver, Lines, Reached, Unreachable
from ari_app.call.heartbeat import Heartbeat
from ari_app.call.heartbeat_protocol import ChannelState
from ari_app.call.journal import Standing
from ari_app.call.listening import Listening
from ari_app.call.registry import Registry
from ari_app.call.speaking import Speaking
from ari_app.call.understanding import Understanding
from ari_app.clock import Clock
from ari_app.config import Settings
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business, vocabulary_for
from ari_app.dialogue.policy import step
from ari_app.dialogue.state import State
from ari_app.errors import (
    AriAppError,
    BookingError,
    CallEnded,
    CallerHungUp,
    ChannelGone,
    MediaClosed,
    PbxError,
    StoreUnavailable,
)
from ari_app.logs import get_logger
from ari_app.speech.recogniser import Recogniser, RecogniserStream
from ari_app.speech.synthesiser import Synthesiser
from ari_app.store import customers
from ari_app.store.database import Database
from ari_app.store.schema import CallState

log = get_logger()

WHO_CALLS_S = 2.0
"""A caller isn't kept waiting for the greeting longer than this by a store or calendar that is slow."""
FALLBACK_S = 1.0
"""For each way to [fallback]."""
APOLOGY_S = 10.0
"""For the sentence that something has gone wrong, everything included."""
RESUMED_TEXT_ID = "resumed"
APOLOGY_TEXT_ID = "handoff.failure"

Resumed = tuple[State, tuple[a.SystemAct, ...]]


class GoneToVoicemail(CallEnded):
    """The dialplan has the caller now, to take down a message."""


@dataclass(frozen=True, slots=True)
class Switchboard:
    """What all calls of a worker share."""

    settings: Settings
    ari: AriClient
    lines: Lines
    booking: BookingService
    database: Database
    recogniser: Recogniser
    synthesiser: Synthesiser
    business: Business
    clock: Clock
    registry: Registry
    heartbeat: Heartbeat
    apology: bytes
    """What a caller hears when something has gone wrong and a human comes: made at the start, it needs no voice."""


@dataclass(slots=True)
class Session:
    """One caller's call."""

    board: Switchboard
    channel: Channel
    channel_name: str
    callee: str
    """The extension that was dialled, where the dialplan passes it."""
    diary: Diary
    standing: Standing | None = None
    """Where a former process of this worker had come to with this caller."""
    is_taken: bool = False
    """Somebody else has the caller now (the sentinel, voicemail): nothing is to be done to the channel any more."""
    is_left_talking: bool = False
    """The worker stops while caller and human talk: both channels and their bridge live on."""
    _reached: Reached | None = None
    """Who has joined the bridge."""

    @property
    def number(self) -> str:
        return self.diary.call.number

    async def run(self) -> None:
        """Live the call to its end. Raises CallerHungUp (in a group) when the caller ends it.

        Whatever else goes wrong, cancelling included, sends the caller to [fallback] before it is raised.
        """
        async with self.channel:
            try:
                await self._live()
                await quietly(self.channel.hangup(), "call.hangup")
            except BaseException as exc:
                is_seen_to = self.is_taken or self.is_left_talking or (_is_call_ended(exc) and await self._is_off())
                if not is_seen_to:
                    log.warning("call.to_fallback", reason=_reason(exc))
                    await self._to_fallback()
                raise

    async def _is_off(self) -> bool:
        """Whether the caller is gone or elsewhere: Asterisk refuses a verb for other reasons, too."""
        if self.channel.ending is not None:
            return True
        try:
            async with asyncio.timeout(FALLBACK_S):
                snapshot = await self.channel.snapshot()
        except CallerHungUp:
            return True
        except (PbxError, TimeoutError):
            return False
        return not snapshot.dialplan.app_name.startswith("Stasis")

    async def _to_fallback(self) -> None:
        """To [fallback] by ARI or, where ARI is gone, by AMI. That the caller has gone meanwhile is well."""
        self.is_taken = True
        by_ari = (self._continue_by_ari, "ARI")
        by_ami = (self._redirect_by_ami, "AMI")
        context = self.board.settings.sentinel.fallback_context
        for way, name in (by_ari, by_ami) if self.board.ari.is_connected else (by_ami, by_ari):
            try:
                async with asyncio.timeout(FALLBACK_S):
                    await way(context)
            except (CallerHungUp, ChannelGone):
                return
            except (PbxError, TimeoutError) as exc:
                log.warning("call.not_to_fallback", by=name, reason=str(exc) or "too slow")
            else:
                return
        log.error("call.fallback_failed", channel_id=self.channel.id)

    async def _continue_by_ari(self, context: str) -> None:
        await self.channel.continue_in_dialplan(context=context, extension="s", priority=1)

    async def _redirect_by_ami(self, context: str) -> None:
        await self.board.lines.redirect(self.channel.id, context=context, extension="s")

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self.channel.until_gone_raises(), name="caller-watch")
            known = group.create_task(self._who_calls(), name="who-calls")
            self._tell_sentinel(ChannelState.AGENT)
            await self.channel.answer()
            self.diary.state(CallState.ANSWERED)
            async with open_bridge(self.board.ari) as bridge:
                await bridge.add(self.channel)
                await self._talk(bridge, await known)
            watch.cancel()

    async def _talk(self, bridge: Bridge, started: a.CallStarted) -> None:
        resumed = None if self.standing is None else taken_up(self.standing)
        while True:
            try:
                state = await self._conversed(bridge, started, resumed)
                if self._reached is None or not await self._accompany(self._reached.human):
                    return
            except asyncio.CancelledError:
                self._leave_talking(bridge)
                raise
            finally:
                if self._reached is not None:
                    await self._reached.ending.aclose()
                    self._reached = None
            self._tell_sentinel(ChannelState.AGENT)
            self.diary.state(CallState.ANSWERED)
            resumed = step(self.board.business, state, a.ReturnedFromHuman(self.board.clock.now()))

    def _leave_talking(self, bridge: Bridge) -> None:
        """Where the worker stops while caller and human talk, they talk on."""
        is_stopping = self.board.registry.is_draining and self.channel.ending is None
        if self._reached is not None and is_stopping and self._reached.human.ending is None:
            self.is_left_talking = True
            self._reached.human.keep()
            bridge.keep()
            log.info("call.left_talking")

    async def _conversed(self, bridge: Bridge, started: a.CallStarted, resumed: Resumed | None) -> State:
        """As `_converse`; what fails in it is apologised for before it is raised."""
        try:
            return await self._converse(bridge, started, resumed)
        except (AriAppError, BaseExceptionGroup) as exc:
            if not self.is_taken and not _is_call_ended(exc):
                await self._apologise(bridge)
            raise

    async def _apologise(self, bridge: Bridge) -> None:
        """Say that something has gone wrong and a human comes, if there is still a line to say it on."""
        board = self.board
        try:
            async with asyncio.timeout(APOLOGY_S), MediaLeg.open(board.ari) as leg:
                with self._media_held(leg.channel_id):
                    await bridge.add(leg.channel_id)
                    self.diary.note("agent", apology_of(board.business), text_id=APOLOGY_TEXT_ID)
                    await leg.say([board.apology])
        except (AriAppError, TimeoutError) as exc:
            log.warning("call.no_apology", reason=str(exc) or "too slow")

    async def _who_calls(self) -> a.CallStarted:
        """The customer and their appointments; a failing store or calendar makes an unknown caller of them."""
        now, number = self.board.clock.now(), self.number
        customer: a.Customer | None = None
        appointments: tuple[Appointment, ...] = ()
        if number:
            try:
                async with asyncio.timeout(WHO_CALLS_S), asyncio.TaskGroup() as group:
                    found = group.create_task(self.board.database.read(lambda conn: customers.find(conn, number)))
                    booked = group.create_task(self.board.booking.appointments_of(number, now))
                row = found.result()
                customer = None if row is None else a.Customer(number, row.name, row.birth_year, row.pin)
                appointments = booked.result()
            except* (StoreUnavailable, BookingError, TimeoutError) as exc:
                log.warning("call.caller_unknown", reason=str(exc.exceptions[0]) or "too slow")
        if customer is not None:
            self.diary.call.name = customer.name
        return a.CallStarted(now, number, customer, appointments)

    async def _converse(self, bridge: Bridge, started: a.CallStarted, resumed: Resumed | None) -> State:
        """Talk with the caller over a media leg of its own; the leg is gone when this returns."""
        board = self.board
        async with MediaLeg.open(board.ari) as leg:
            with self._media_held(leg.channel_id):
                try:
                    return await self._over(leg, bridge, started, resumed)
                except* MediaClosed as exc:  # the line to Asterisk is lost: first the caller, then the cleaning up
                    log.warning("call.to_fallback", reason=_reason(exc))
                    if not self.is_taken:
                        await self._to_fallback()
                    raise

    async def _over(self, leg: MediaLeg, bridge: Bridge, started: a.CallStarted, resumed: Resumed | None) -> State:
        await bridge.add(leg.channel_id)
        stream = BoundedStream(self.board.recogniser.stream())
        try:
            async with asyncio.TaskGroup() as group:
                ear, mouth, conversation = self._organs(leg, stream, bridge, started)
                with self.channel.digits() as digits:
                    helpers = [
                        group.create_task(ear.run(), name="ear"),
                        group.create_task(mouth.run(), name="mouth"),
                        group.create_task(_pass_keys(digits, ear), name="keys"),
                    ]
                    state = await conversation.run(started, resumed)
                    for helper in helpers:
                        helper.cancel()
        finally:
            await stream.close()
        return state

    def _organs(
        self, leg: MediaLeg, stream: RecogniserStream, bridge: Bridge, started: a.CallStarted
    ) -> tuple[Listening, Speaking, Conversation]:
        board = self.board
        business = board.business
        understanding = Understanding(vocabulary_for(business, started.customer), business.locale)
        mouth = Speaking(BoundedSynthesiser(board.synthesiser), leg)
        ear = Listening(leg, stream, understanding, mouth, board.settings.turns, board.clock, self.diary.note)
        mouth.on_first_audio = ear.first_audio
        actions = Actions(
            call_id=self.diary.call.call_id,
            number=self.number,
            name=self.diary.call.name,
            database=board.database,
            booking=board.booking,
            catalogue=business.texts,
            clock=board.clock,
            callback_settings=board.settings.callbacks,
            hand_over=functools.partial(self._hand_over, bridge),
            note=self.diary.note,
            next_key=self._next_key,
        )
        conversation = Conversation(
            business=business,
            catalogue=business.texts,
            clock=board.clock,
            ear=ear,
            mouth=mouth,
            actor=actions,
            diary=self.diary,
            shield_notice=board.settings.turns.shield_notice,
        )
        return ear, mouth, conversation

    # To a human

    async def _hand_over(self, bridge: Bridge, act: a.HandOff) -> a.Event | None:
        """Connect the caller to a human: None; or nobody could be reached: HandOffFailed."""
        board, call = self.board, self.diary.call
        way = HandOver(
            board.ari,
            board.lines,
            board.settings.handoff,
            BoundedSynthesiser(board.synthesiser),
            note=self.diary.note,
            on_ringing=lambda human: self._tell_sentinel(ChannelState.RINGING, linked=human),
            media_held=self._media_held,
        )
        try:
            reached = await way.reach(
                self.channel, bridge, callee=self.callee, summary=act.summary, name=call.name, number=call.number
            )
        except Unreachable as exc:
            self._tell_sentinel(ChannelState.AGENT)
            if board.settings.handoff.voicemail_context:
                await self._to_voicemail(board.settings.handoff.voicemail_context)
            return a.HandOffFailed(exc.reason)
        self._reached = reached
        self._tell_sentinel(ChannelState.HUMAN, linked=reached.human.id)
        self.diary.outcome, self.diary.reason = "human", act.reason.value
        self.diary.state(CallState.CONNECTED)
        return None

    async def _accompany(self, human: Channel) -> bool:
        """The two talk on: until either hangs up (the other then is too), or the human sends the caller back: True."""
        with human.subscribe() as events:
            watch = asyncio.ensure_future(human.until_gone())
            back = asyncio.ensure_future(_return_key(events, self.board.settings.handoff.return_key))
            try:
                await asyncio.wait({watch, back}, return_when=asyncio.FIRST_COMPLETED)
                is_back = back.done() and not watch.done()
            finally:
                for task in (watch, back):
                    task.cancel()
                await asyncio.gather(watch, back, return_exceptions=True)
        self.diary.note("note", "the human sent the caller back" if is_back else "the human hung up")
        return is_back

    async def _to_voicemail(self, context: str) -> None:
        """The dialplan takes down a message; raises GoneToVoicemail."""
        self.diary.note("action", "to voicemail", context=context)
        await self.channel.continue_in_dialplan(context=context, extension="s", priority=1)
        self.diary.outcome, self.diary.reason = "callback", "voicemail"
        self.is_taken = True
        raise GoneToVoicemail(context)

    def _next_key(self) -> str:
        call = self.diary.call
        call.keys += 1
        return f"{call.call_id}-{call.keys}"

    @contextmanager
    def _media_held(self, channel_id: str) -> Iterator[None]:
        """The sentinel ends this media channel should the worker die."""
        self.board.heartbeat.channel(channel_id, channel_id, state=ChannelState.MEDIA)
        try:
            yield
        finally:
            self.board.heartbeat.gone(channel_id)

    def _tell_sentinel(self, state: ChannelState, *, linked: str | None = None) -> None:
        self.board.heartbeat.channel(self.channel_name, self.channel.id, state=state, linked=linked)


def apology_of(business: Business) -> str:
    """The sentence that something has gone wrong and a human comes."""
    return business.texts.render(APOLOGY_TEXT_ID, {}, variant=0)


def taken_up(standing: Standing) -> Resumed:
    """What to do first when a call is taken up again: an apology, then what was just being said and done."""
    return standing.state, (a.Say(RESUMED_TEXT_ID), *standing.system_acts)


def _is_call_ended(exc: BaseException) -> bool:
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(CallEnded)[1] is None
    return isinstance(exc, CallEnded)


def _reason(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return f"{type(exc).__name__}: {exc}"[:200]


async def _pass_keys(digits: Digits, ear: Listening) -> None:
    async for digit in digits:
        await ear.press(digit)


async def _return_key(events: Subscription, wanted: str) -> None:
    """Wait until the keys pressed end in `wanted`; forever where it is empty."""
    pressed = ""
    async for event in events:
        if isinstance(event, ChannelDtmfReceived):
            pressed = (pressed + event.digit)[-len(wanted) :]
            if wanted and pressed == wanted:
                return
