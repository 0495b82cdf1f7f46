"""Channels and bridges of this application that no session holds: left by a dead worker, or by a clean-up that ARI
did not hear.

A caller is taken up again where the journal says how, else goes to [fallback], to a human. Our own (media legs, humans'
phones, bridges) are ended, unless they stand in one bridge with a caller who is being served, or two channels talk
there without us: a hand-over that outlived its worker, which the sentinel sees to its end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from ari_app.asterisk import ari_events
from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.ari_events import OWN_PREFIX, BridgeSnapshot
from ari_app.asterisk.handles import quietly
from ari_app.asterisk.media_leg import MEDIA_PREFIX
from ari_app.call.heartbeat_protocol import ChannelState, HeldChannel
from ari_app.call.journal import JournalUnreadable, Standing, from_json
from ari_app.errors import ChannelGone
from ari_app.logs import get_logger
from ari_app.store import call_log
from ari_app.store.call_log import CallRecord
from ari_app.store.database import Database
from ari_app.store.schema import CallState

log = get_logger()

SETTLE_S = 45.0
"""After a reconnect, longer than a phone rings and is whispered to: nobody's before and after is an orphan."""
START_SETTLE_S = 3.0
"""After a start: time for callers that are taken up again to be in their new bridges."""
RESUME_WITHIN_S = 30.0
"""A caller who has been with nobody for longer is brought to a human rather than asked to go on."""


@dataclass(frozen=True, slots=True)
class Held:
    """What Asterisk says belongs to this application."""

    channels: frozenset[str]
    bridges: tuple[BridgeSnapshot, ...]


@dataclass(slots=True)
class SentinelNews:
    """What the sentinel has told this worker, until `answering` takes note of it."""

    orphans: asyncio.Queue[tuple[HeldChannel, ...]] = field(default_factory=asyncio.Queue)
    taken: asyncio.Queue[tuple[str, ...]] = field(default_factory=asyncio.Queue)


@dataclass(frozen=True, slots=True)
class LostCall:
    """A call that its journal knows and nobody serves. `standing` None: nothing had been said yet."""

    record: CallRecord
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Orphans:
    """One look at what is nobody's, and what is done about it."""

    ari: AriClient
    fallback_context: str
    take_up: Callable[[str], Awaitable[bool]]
    """Serve this caller's channel again, if that can be done."""

    async def settle(self, live: Callable[[], frozenset[str]], *, wait_s: float) -> int:
        """Take up, end or hand over what no session holds; `live` gives the callers' ids. The number of things settled.

        Whoever is served again is in a new bridge after `wait_s`; what then still is nobody's is ended.
        """
        before = await self._held()
        settled = await self._callers(before, live())
        known = before.channels | {bridge.id for bridge in before.bridges}
        if not known:
            return settled
        await asyncio.sleep(wait_s)
        return settled + await self._own(await self._held(), known, live())

    async def end_ringing(self, orphans: tuple[HeldChannel, ...]) -> None:
        """Phones that a dead process had ring for its callers: they are rung anew, or not at all."""
        for orphan in orphans:
            if orphan.state is ChannelState.RINGING and orphan.linked is not None:
                await quietly(self.ari.hangup(orphan.linked), "orphans.stop_ringing")

    async def _held(self) -> Held:
        """By GET /applications/<name>: an application that Asterisk doesn't know yet holds nothing."""
        try:
            answer = await self.ari.request("GET", f"/applications/{self.ari.application}")
        except ChannelGone:
            return Held(frozenset(), ())
        fields = ari_events.parse_fields(answer)
        bridge_ids = _ids(fields.get("bridge_ids"))
        bridges = tuple(bridge for bridge in await self.ari.bridges() if bridge.id in bridge_ids)
        return Held(_ids(fields.get("channel_ids")), bridges)

    async def _callers(self, held: Held, live: frozenset[str]) -> int:
        talking = {channel for bridge in held.bridges if _is_humans_only(bridge) for channel in bridge.channels}
        callers = [each for each in held.channels if not each.startswith(OWN_PREFIX)]
        lost = [each for each in callers if each not in live and each not in talking]
        for channel in lost:
            if await self.take_up(channel):
                continue
            log.warning("orphans.caller_to_fallback", channel_id=channel)
            way = self.ari.continue_in_dialplan(channel, context=self.fallback_context, extension="s", priority=1)
            await quietly(way, "orphans.continue")
        return len(lost)

    async def _own(self, held: Held, known: frozenset[str] | set[str], live: frozenset[str]) -> int:
        kept = {
            each
            for bridge in held.bridges
            if live.intersection(bridge.channels) or _is_humans_only(bridge)
            for each in (bridge.id, *bridge.channels)
        }
        channels = [
            each for each in held.channels if each.startswith(OWN_PREFIX) and each in known and each not in kept
        ]
        bridges = [each.id for each in held.bridges if each.is_own and each.id in known and each.id not in kept]
        for channel in channels:
            await quietly(self.ari.hangup(channel), "orphans.hangup")
        for bridge in bridges:
            await quietly(self.ari.destroy_bridge(bridge), "orphans.destroy")
        if channels or bridges:
            log.warning("orphans.ended", channels=len(channels), bridges=len(bridges))
        return len(channels) + len(bridges)


async def lost_call(database: Database, *, worker: str, channel_id: str, now: datetime) -> LostCall | None:
    """What the journal knows of the call on this channel; None: nothing, or it is not to be taken up.

    Raises StoreUnavailable. A call that was with a human, or was left too long ago, goes to a human.
    """
    found = await database.read(partial(_resumable, worker=worker, channel_id=channel_id))
    if found is None or found.call.state is CallState.CONNECTED:
        return None
    last_at = max([found.call.started, *(turn.at for turn in found.turns)])
    if now - last_at > timedelta(seconds=RESUME_WITHIN_S):
        return None
    if found.state is None:
        return LostCall(found.call, None)
    try:
        return LostCall(found.call, from_json(found.state))
    except JournalUnreadable as exc:
        log.warning("orphans.journal_unreadable", reason=str(exc))
        return None


def _resumable(conn: Connection, *, worker: str, channel_id: str) -> call_log.Resumable | None:
    for record in reversed(call_log.unfinished(conn, worker)):
        if record.channel_id == channel_id:
            return call_log.resume(conn, record.call_id)
    return None


def _is_humans_only(bridge: BridgeSnapshot) -> bool:
    """Two talk there, and no media leg of ours is with them."""
    return len(bridge.channels) >= 2 and not any(each.startswith(MEDIA_PREFIX) for each in bridge.channels)


def _ids(value: object) -> frozenset[str]:
    return frozenset(str(each) for each in value) if isinstance(value, list) else frozenset()
