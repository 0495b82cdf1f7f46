"""Claims calls, gives each a supervised session, and decides what becomes of channels that nobody holds.

One call's failure never reaches another: whatever goes wrong in a session, its caller is sent to [fallback], where the
dialplan brings them to a human.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from ari_app import metrics
from ari_app.asterisk.ari_events import AriConnected, AriDisconnected, CallBroadcast, ChannelSnapshot, StasisStart
from ari_app.asterisk.handles import Channel
from ari_app.call.diary import Diary
from ari_app.call.heartbeat_protocol import ChannelState
from ari_app.call.orphans import SETTLE_S, START_SETTLE_S, LostCall, Orphans, SentinelNews, lost_call
from ari_app.call.registry import LiveCall
from ari_app.call.session import Session, Switchboard
from ari_app.errors import CallEnded, CallerHungUp, PbxError, StoreUnavailable
from ari_app.logs import call_bound, get_logger
from ari_app.store.numbers import to_e164

log = get_logger()

CALLEE_VARIABLE = "BOOKING_CALLEE"
COMES_WITHIN_S = 3.0
"""A claimed call that isn't here by then has hung up on the way."""


@dataclass(slots=True)
class _Running:
    """A session under way."""

    session: Session
    task: asyncio.Task[None]


@dataclass(slots=True)
class Answering:
    """One worker's front door; it answers while `run` runs."""

    board: Switchboard
    worker: str
    news: SentinelNews = field(default_factory=SentinelNews)
    is_ready: Callable[[], bool] = lambda: True
    _sessions: dict[str, _Running] = field(default_factory=dict)

    async def run(self) -> None:
        """Answer calls until cancelled; running calls are cancelled then too, their callers sent to [fallback]."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mind_taken(), name="mind-taken")
            group.create_task(self._mind_orphans(), name="mind-orphans")
            with self.board.ari.subscribe(bound=4096) as events:
                if self.board.ari.is_connected:
                    group.create_task(self._reconcile(group, is_start=True), name="reconcile")
                async for event in events:
                    match event:
                        case CallBroadcast():
                            group.create_task(self._maybe_claim(event), name="claim")
                        case StasisStart() if not event.channel.is_own:
                            self._begin(group, event.channel, event.args[0] if event.args else "", None)
                        case AriConnected():
                            metrics.ARI_CONNECTED.set(1)
                            is_start = event.generation == 1
                            group.create_task(self._reconcile(group, is_start=is_start), name="reconcile")
                        case AriDisconnected():
                            metrics.ARI_CONNECTED.set(0)
                            metrics.ARI_RECONNECTS.inc()
                            log.warning("ari.disconnected", reason=event.reason)

    # What nobody holds

    async def _reconcile(self, group: asyncio.TaskGroup, *, is_start: bool) -> None:
        """After a start or a reconnect: lost callers are taken up again or go to a human, lost legs are ended."""

        async def take_up(channel_id: str) -> bool:
            return await self._take_up(group, channel_id)

        orphans = Orphans(self.board.ari, self.board.settings.sentinel.fallback_context, take_up)
        try:
            wait_s = START_SETTLE_S if is_start else SETTLE_S
            await orphans.settle(lambda: frozenset(self._sessions), wait_s=wait_s)
        except PbxError as exc:
            log.warning("orphans.unsettled", reason=str(exc))

    async def _take_up(self, group: asyncio.TaskGroup, channel_id: str) -> bool:
        """Serve again a caller whom the journal knows; whoever isn't known goes to a human."""
        board = self.board
        if board.registry.is_draining:
            return False
        try:
            lost = await lost_call(board.database, worker=self.worker, channel_id=channel_id, now=board.clock.now())
            if lost is None:
                return False
            snapshot = await board.ari.channel(channel_id)
            callee = await board.ari.variable(channel_id, CALLEE_VARIABLE)
        except (StoreUnavailable, PbxError) as exc:
            log.warning("orphans.not_taken_up", channel_id=channel_id, reason=str(exc))
            return False
        log.warning("orphans.taken_up", channel_id=channel_id, is_resumed=lost.standing is not None)
        self._begin(group, snapshot, callee, lost)
        return True

    async def _mind_taken(self) -> None:
        """Calls that the sentinel has brought to a human while this process stood still end here, quietly."""
        while True:
            for channel_id in await self.news.taken.get():
                if running := self._sessions.get(channel_id):
                    log.warning("call.taken", channel_id=channel_id)
                    running.session.is_taken = True
                    running.task.cancel()
                else:
                    self.board.heartbeat.gone(channel_id)

    async def _mind_orphans(self) -> None:
        orphans = Orphans(self.board.ari, self.board.settings.sentinel.fallback_context, _nobody)
        while True:
            await orphans.end_ringing(await self.news.orphans.get())

    # Calls

    async def _maybe_claim(self, event: CallBroadcast) -> None:
        if not self.is_ready():
            metrics.CALLS_NOT_CLAIMED.labels("not_ready").inc()
        elif not self.board.registry.has_room:
            reason = "draining" if self.board.registry.is_draining else "capacity"
            metrics.CALLS_NOT_CLAIMED.labels(reason).inc()
        else:
            await self._claim(event.channel)

    async def _claim(self, channel: ChannelSnapshot) -> None:
        """What was claimed the sentinel knows from then on, not only when it has come."""
        try:
            if not await self.board.ari.claim(channel.id):
                metrics.CALLS_NOT_CLAIMED.labels("lost_race").inc()
                return
        except PbxError as exc:
            log.warning("call.claim_failed", reason=str(exc))
            return
        if channel.id not in self._sessions:
            self.board.heartbeat.channel(channel.name, channel.id, state=ChannelState.AGENT)
            await asyncio.sleep(COMES_WITHIN_S)
            if channel.id not in self._sessions:
                self.board.heartbeat.gone(channel.id)

    def _begin(self, group: asyncio.TaskGroup, channel: ChannelSnapshot, callee: str, lost: LostCall | None) -> None:
        if channel.id in self._sessions:
            return
        session = self._session(channel, callee, lost)
        task = group.create_task(self._supervise(session, is_resumed=lost is not None), name=f"call-{channel.id}")
        self._sessions[channel.id] = _Running(session, task)
        task.add_done_callback(lambda _done: self._sessions.pop(channel.id, None))

    def _session(self, channel: ChannelSnapshot, callee: str, lost: LostCall | None) -> Session:
        board = self.board
        now, now_s = board.clock.now(), board.clock.monotonic_s()
        call = LiveCall(
            call_id=f"{now:%Y%m%d%H%M%S}-{secrets.token_hex(4)}",
            number=to_e164(channel.caller.number, board.settings.business.country),
            channel_id=channel.id,
            arrived=now,
            arrived_s=now_s,
        )
        standing = None
        if lost is not None:
            call.call_id, call.number, standing = lost.record.call_id, lost.record.number, lost.standing
            call.arrived = lost.record.started
            call.arrived_s = now_s - max(now - lost.record.started, timedelta()).total_seconds()
            call.keys = standing.keys if standing is not None else 0
        diary = Diary(call, board.registry, board.database, board.clock, self.worker)
        caller = Channel(board.ari, channel.id, is_caller=True)
        return Session(board, caller, channel.name, callee, diary, standing)

    async def _supervise(self, session: Session, *, is_resumed: bool) -> None:
        board, diary = self.board, session.diary
        call = diary.call
        board.registry.add(call)
        with call_bound(call_id=call.call_id):
            try:
                async with diary.writing():
                    diary.begin(is_resumed=is_resumed)
                    try:
                        await self._live(session)
                    finally:
                        if session.is_taken and not diary.outcome:
                            diary.outcome, diary.reason = "human", "taken by the sentinel"
                        diary.ended()
                        metrics.CALLS.labels(diary.outcome or "hung_up").inc()
            finally:
                board.registry.remove(call.call_id)
                if not session.is_left_talking:
                    board.heartbeat.gone(call.channel_id)

    async def _live(self, session: Session) -> None:
        diary = session.diary
        try:
            await session.run()
            diary.outcome = diary.outcome or "answered"
        except BaseException as exc:
            ending = ending_of(exc)
            if ending is None or (ending.is_cancelled and _is_being_cancelled()):
                raise
            diary.outcome, diary.reason = diary.outcome or ending.outcome, diary.reason or ending.reason
            if ending.outcome == "failed":
                diary.outcome, diary.reason = "failed", ending.reason
                log.error("call.failed", exc_info=exc)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session that raised has ended."""

    outcome: str
    reason: str = ""
    is_cancelled: bool = False
    """Nothing but cancellations: the worker's stop, or a task of the session's own that was lost."""


def ending_of(exc: BaseException) -> Ending | None:
    """What a session's exception, group or not, means for its call; None: nothing for a supervisor (exit, interrupt).

    A group that holds a cancellation must not leave the session: to the other calls' task group it would be an error.
    """
    group = exc if isinstance(exc, BaseExceptionGroup) else BaseExceptionGroup("call", [exc])
    ended, rest = group.split(CallEnded)
    failed, rest = rest.split(Exception) if rest is not None else (None, None)
    cancelled, rest = rest.split(asyncio.CancelledError) if rest is not None else (None, None)
    if rest is not None:
        return None
    if failed is not None:
        return Ending("failed", type(_first(failed)).__name__)
    if ended is not None:
        hung_up = ended.subgroup(CallerHungUp) is not None
        return Ending("hung_up") if hung_up else Ending("human", "taken over")
    return Ending("failed", "CancelledError", is_cancelled=cancelled is not None)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _nobody(_channel_id: str) -> bool:
    return False
