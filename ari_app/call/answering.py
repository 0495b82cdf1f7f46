"""Claims calls, gives each a supervised session, and decides what becomes of channels that nobody holds.

One call's failure never reaches another: whatever goes wrong in a session, its caller is sent to [fallback], where the
dialplan brings them to a human.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from ari_app import metrics
from ari_app.asterisk.ari_events import AriConnected, AriDisconnected, CallBroadcast, ChannelSnapshot, StasisStart
from ari_app.asterisk.handles import Channel
from ari_app.call.diary import Diary
from ari_app.call.orphans import SETTLE_S, Orphans
from ari_app.call.registry import LiveCall
from ari_app.call.session import Session, Switchboard
from ari_app.errors import AriAppError, CallEnded, CallerHungUp, PbxError
from ari_app.logs import call_bound, get_logger
from ari_app.store.numbers import to_e164

log = get_logger()


@dataclass(slots=True)
class Answering:
    """One worker's front door; it answers while `run` runs."""

    board: Switchboard
    worker: str
    is_ready: Callable[[], bool] = lambda: True
    _sessions: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Answer calls until cancelled; running calls are cancelled then too, their callers sent to [fallback]."""
        async with asyncio.TaskGroup() as group:
            with self.board.ari.subscribe(bound=4096) as events:
                if self.board.ari.is_connected:
                    group.create_task(self._reconcile(is_start=True), name="reconcile")
                async for event in events:
                    match event:
                        case CallBroadcast():
                            group.create_task(self._maybe_claim(event), name="claim")
                        case StasisStart() if not event.channel.is_own:
                            self._begin(group, event.channel, event.args)
                        case AriConnected():
                            metrics.ARI_CONNECTED.set(1)
                            group.create_task(self._reconcile(is_start=event.generation == 1), name="reconcile")
                        case AriDisconnected():
                            metrics.ARI_CONNECTED.set(0)
                            metrics.ARI_RECONNECTS.inc()
                            log.warning("ari.disconnected", reason=event.reason)

    async def _reconcile(self, *, is_start: bool) -> None:
        """Nobody's callers go to a human, nobody's legs are ended: after a start or a reconnect."""
        orphans = Orphans(self.board.ari, self.board.settings.sentinel.fallback_context)
        try:
            await orphans.settle(lambda: frozenset(self._sessions), wait_s=0.0 if is_start else SETTLE_S)
        except PbxError as exc:
            log.warning("orphans.unsettled", reason=str(exc))

    async def _maybe_claim(self, event: CallBroadcast) -> None:
        if not self.is_ready():
            metrics.CALLS_NOT_CLAIMED.labels("not_ready").inc()
        elif not self.board.registry.has_room:
            reason = "draining" if self.board.registry.is_draining else "capacity"
            metrics.CALLS_NOT_CLAIMED.labels(reason).inc()
        else:
            try:
                if not await self.board.ari.claim(event.channel.id):
                    metrics.CALLS_NOT_CLAIMED.labels("lost_race").inc()
            except PbxError as exc:
                log.warning("call.claim_failed", reason=str(exc))

    def _begin(self, group: asyncio.TaskGroup, channel: ChannelSnapshot, args: tuple[str, ...]) -> None:
        if channel.id in self._sessions:
            return
        task = group.create_task(self._supervise(channel, args[0] if args else ""), name=f"call-{channel.id}")
        self._sessions[channel.id] = task
        task.add_done_callback(lambda _done: self._sessions.pop(channel.id, None))

    async def _supervise(self, channel: ChannelSnapshot, callee: str) -> None:
        board = self.board
        number = to_e164(channel.caller.number, board.settings.business.country)
        call = LiveCall(
            call_id=f"{board.clock.now():%Y%m%d%H%M%S}-{secrets.token_hex(4)}",
            number=number,
            channel_id=channel.id,
            arrived=board.clock.now(),
            arrived_s=board.clock.monotonic_s(),
        )
        board.registry.add(call)
        diary = Diary(call, board.registry, board.database, board.clock, self.worker)
        with call_bound(call_id=call.call_id):
            try:
                async with diary.writing():
                    diary.begin()
                    try:
                        await self._live(channel, callee, diary)
                    finally:
                        diary.ended()
                        metrics.CALLS.labels(diary.outcome or "hung_up").inc()
            finally:
                board.registry.remove(call.call_id)
                board.heartbeat.gone(channel.id)

    async def _live(self, snapshot: ChannelSnapshot, callee: str, diary: Diary) -> None:
        channel = Channel(self.board.ari, snapshot.id, is_caller=True, hang_up_on_exit=True)
        session = Session(self.board, channel, snapshot.name, callee, diary)
        try:
            await session.run()
            diary.outcome = diary.outcome or "answered"
        except* CallerHungUp:
            diary.outcome = diary.outcome or "hung_up"
        except* CallEnded:
            diary.outcome = diary.outcome or "human"
            diary.reason = diary.reason or "taken over"
        except* asyncio.CancelledError:
            raise
        except* AriAppError as group:
            self._failed(diary, group)
        except* Exception as group:  # noqa: BLE001 - the supervisor: one call's bug must not reach the others
            self._failed(diary, group)

    def _failed(self, diary: Diary, error: BaseExceptionGroup[BaseException]) -> None:
        diary.outcome, diary.reason = "failed", type(error.exceptions[0]).__name__
        log.error("call.failed", exc_info=error)
