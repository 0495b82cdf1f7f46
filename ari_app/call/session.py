"""One call from claim to end: PENDING -> ANSWERED -> DISCONNECTED, or over CONNECTED where a human took it.

Everything made for the call (bridge, media channel, human's channel) is made inside its own `async with`, so however
the call ends (hang-up, error, cancelling) nothing is left in Asterisk.
"""

import asyncio
import functools
from dataclasses import dataclass

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.ari_events import ChannelDtmfReceived
from ari_app.asterisk.handles import Bridge, Channel, Digits, open_bridge, quietly
from ari_app.asterisk.media_leg import MediaLeg
from ari_app.asterisk.subscriptions import Subscription
from ari_app.booking.model import Appointment
from ari_app.booking.service import BookingService
from ari_app.call.actions import Actions
from ari_app.call.conversation import Conversation
from ari_app.call.diary import Diary
from ari_app.call.handoff import HandOver, Lines, Reached, Unreachable
from ari_app.call.heartbeat import Heartbeat
from ari_app.call.heartbeat_protocol import ChannelState
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
from ari_app.errors import BookingError, CallEnded, StoreUnavailable
from ari_app.logs import get_logger
from ari_app.speech.recogniser import Recogniser, RecogniserStream
from ari_app.speech.synthesiser import Synthesiser
from ari_app.store import customers
from ari_app.store.database import Database
from ari_app.store.schema import CallState

log = get_logger()


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


@dataclass(slots=True)
class Session:
    """One caller's call."""

    board: Switchboard
    channel: Channel
    channel_name: str
    callee: str
    """The extension that was dialled, where the dialplan passes it."""
    diary: Diary
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
            except BaseException as exc:
                if not _is_call_ended(exc):
                    log.warning("call.to_fallback", reason=type(exc).__name__)
                    context = self.board.settings.sentinel.fallback_context
                    way = self.channel.continue_in_dialplan(context=context, extension="s", priority=1)
                    await quietly(way, "call.to_fallback")
                raise

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
        resumed: tuple[State, tuple[a.SystemAct, ...]] | None = None
        while True:
            try:
                state = await self._converse(bridge, started, resumed)
                if self._reached is None or not await self._accompany(self._reached.human):
                    return
            finally:
                if self._reached is not None:
                    await self._reached.ending.aclose()
                    self._reached = None
            self._tell_sentinel(ChannelState.AGENT)
            self.diary.state(CallState.ANSWERED)
            resumed = step(self.board.business, state, a.ReturnedFromHuman(self.board.clock.now()))

    async def _who_calls(self) -> a.CallStarted:
        """The customer and their appointments; a failing store or calendar makes an unknown caller of them."""
        now, number = self.board.clock.now(), self.number
        customer: a.Customer | None = None
        appointments: tuple[Appointment, ...] = ()
        if number:
            try:
                async with asyncio.TaskGroup() as group:
                    found = group.create_task(self.board.database.read(lambda conn: customers.find(conn, number)))
                    booked = group.create_task(self.board.booking.appointments_of(number, now))
                row = found.result()
                customer = None if row is None else a.Customer(number, row.name, row.birth_year, row.pin)
                appointments = booked.result()
            except* (StoreUnavailable, BookingError) as exc:
                log.warning("call.caller_unknown", reason=str(exc.exceptions[0]))
        if customer is not None:
            self.diary.call.name = customer.name
        return a.CallStarted(now, number, customer, appointments)

    async def _converse(
        self, bridge: Bridge, started: a.CallStarted, resumed: tuple[State, tuple[a.SystemAct, ...]] | None
    ) -> State:
        """Talk with the caller over a media leg of its own; the leg is gone when this returns."""
        board = self.board
        async with MediaLeg.open(board.ari) as leg:
            await bridge.add(leg.channel_id)
            stream = board.recogniser.stream()
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
        mouth = Speaking(board.synthesiser, leg)
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
            board.synthesiser,
            note=self.diary.note,
            on_ringing=lambda human: self._tell_sentinel(ChannelState.RINGING, linked=human),
        )
        try:
            reached = await way.reach(
                self.channel, bridge, callee=self.callee, summary=act.summary, name=call.name, number=call.number
            )
        except Unreachable as exc:
            self._tell_sentinel(ChannelState.AGENT)
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

    def _tell_sentinel(self, state: ChannelState, *, linked: str | None = None) -> None:
        self.board.heartbeat.channel(self.channel_name, self.channel.id, state=state, linked=linked)


def _is_call_ended(exc: BaseException) -> bool:
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(CallEnded)[1] is None
    return isinstance(exc, CallEnded)


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
