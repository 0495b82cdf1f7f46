"""Media channels of one PBX are made and ended one at a time.

chan_websocket looks its channels up without a lock (channels/chan_websocket.c). Where one is being looked up while
another goes, its list may stay locked for good: no media channel can be made any more until Asterisk is restarted. Seen
with Asterisk 22.10.1 once in some thousands, six made and ended at once on a busy machine; never one at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.ari_events import ChannelDestroyed
from ari_app.asterisk.handles import quietly_hang_up

TURN_S = 0.5
"""Nobody waits longer for another's channel: the call goes first."""
GONE_S = 0.25


@asynccontextmanager
async def media_turn(ari: AriClient) -> AsyncIterator[None]:
    """While no other media channel of this client is made or ended, or after TURN_S all the same."""
    is_ours = False
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(TURN_S):
                is_ours = await ari.media_lock.acquire()
        yield
    finally:
        if is_ours:
            ari.media_lock.release()


async def end_media(ari: AriClient, channel_id: str, close: Callable[[], Awaitable[object]] | None) -> None:
    """End a media channel and its socket (`close`), and see it gone. Errors are only logged."""
    async with media_turn(ari):
        with ari.subscribe(channel_id, bound=16) as events:
            try:
                if close is not None:
                    await close()
            finally:
                await quietly_hang_up(ari, channel_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(GONE_S):
                    while not isinstance(await events.get(), ChannelDestroyed):
                        pass
