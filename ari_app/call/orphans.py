"""Channels and bridges of this application that no session holds: left by a dead worker, or by a clean-up that ARI
did not hear.

A caller's channel goes to [fallback], to a human. Our own (media legs, humans' phones, bridges) are ended, unless they
stand in one bridge with a caller who is being served, or two channels talk there without us: a hand-over that outlived
its worker, which the sentinel sees to its end.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ari_app.asterisk import ari_events
from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.ari_events import OWN_PREFIX, BridgeSnapshot
from ari_app.asterisk.handles import quietly
from ari_app.asterisk.media_leg import MEDIA_PREFIX
from ari_app.errors import ChannelGone
from ari_app.logs import get_logger

log = get_logger()

SETTLE_S = 45.0
"""After a reconnect, longer than a phone rings and is whispered to: nobody's before and after is an orphan."""


@dataclass(frozen=True, slots=True)
class Held:
    """What Asterisk says belongs to this application."""

    channels: frozenset[str]
    bridges: tuple[BridgeSnapshot, ...]


@dataclass(frozen=True, slots=True)
class Orphans:
    """One look at what is nobody's, and what is done about it."""

    ari: AriClient
    fallback_context: str

    async def settle(self, live: Callable[[], frozenset[str]], *, wait_s: float) -> int:
        """End or hand over what no session holds; `live` gives the callers' ids. The number of things settled."""
        before = await self._held()
        settled = await self._callers(before, live())
        if wait_s:
            await asyncio.sleep(wait_s)
        now = await self._held() if wait_s else before
        known = before.channels | {bridge.id for bridge in before.bridges}
        return settled + await self._own(now, known, live())

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


def _is_humans_only(bridge: BridgeSnapshot) -> bool:
    """Two talk there, and no media leg of ours is with them."""
    return len(bridge.channels) >= 2 and not any(each.startswith(MEDIA_PREFIX) for each in bridge.channels)


def _ids(value: object) -> frozenset[str]:
    return frozenset(str(each) for each in value) if isinstance(value, list) else frozenset()
