"""What is done in Asterisk for a dead worker's channels: redirect, hang up, and look whether it helped."""

import asyncio
from collections.abc import Callable

from ari_app.call.heartbeat_protocol import ChannelState, HeldChannel
from ari_app.config import AmiSettings
from ari_app.errors import AmiUnavailable, ChannelGone
from ari_app.logs import get_logger
from ari_app.sentinel.ami_link import AmiLink, LiveChannel
from ari_app.sentinel.ledger import Ledger, Owed

log = get_logger()

FALLBACK_EXTEN = "s"
TRY_AGAIN_S = 0.25
CHECK_AFTER_S = 0.3
"""After a redirect: time for the channel to leave Stasis before it is looked at."""
MOST_TRIES = 20


class Rescue:
    """Pays the ledger's debts over AMI. `on_change` is called when there may be more to do."""

    def __init__(self, ledger: Ledger, ami: AmiSettings, *, context: str, on_change: Callable[[], None]) -> None:
        self._ledger = ledger
        self._context = context
        self._on_change = on_change
        self._ami = AmiLink(ami, on_up=self.compare_soon, on_hangup=self._channel_hung_up)
        self._in_work: set[str] = set()
        self._must_compare = False
        self.redirects = 0
        """Callers brought to [fallback] since the start."""

    @property
    def is_ami_up(self) -> bool:
        return self._ami.is_connected

    async def keep_connected(self) -> None:
        """Hold the AMI session; ends only by cancellation."""
        await self._ami.keep_connected()

    def compare_soon(self) -> None:
        """Have the ledger compared with the channels that Asterisk has."""
        self._must_compare = True
        self._on_change()

    def _channel_hung_up(self, channel_id: str) -> None:
        self._ledger.hung_up(channel_id, _now())
        self._on_change()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin, in `group`, whatever is owed and isn't being done; callers first. Returns at once."""
        if not self._ami.is_connected:
            return
        if self._must_compare:
            self._must_compare = False
            group.create_task(self._compare(), name="compare")
        for owed in list(self._ledger.owed.values()):
            if owed.channel.id not in self._in_work:
                self._in_work.add(owed.channel.id)
                group.create_task(self._bring_to_human(owed), name=f"redirect-{owed.channel.id}")
        for channel_id in list(self._ledger.chores):
            if channel_id not in self._in_work:
                self._in_work.add(channel_id)
                group.create_task(self._hang_up(channel_id), name=f"hang-up-{channel_id}")

    async def _bring_to_human(self, owed: Owed) -> None:
        """Redirect, and look whether the channel went; ends when it did, is no more, or is held by a worker again."""
        channel = owed.channel
        fields = {"channel": channel.id, "channel_name": channel.name, "worker": owed.worker}
        try:
            for _ in range(MOST_TRIES):
                if self._ledger.owed.get(channel.id) is not owed:
                    return
                try:
                    is_needless = await self._is_in_dialplan(channel.id) or (
                        owed.is_restored and not await self._is_stranded(channel)
                    )
                    if is_needless:
                        log.info("sentinel.redirect_needless", **fields)
                        break
                    await self._ami.redirect(channel.id, context=self._context, extension=FALLBACK_EXTEN)
                    after_s = round(_now() - owed.since_s, 3)
                    await asyncio.sleep(CHECK_AFTER_S)
                    if not await self._is_in_stasis(channel.id):
                        self.redirects += 1
                        log.warning("sentinel.redirected", **fields, after_s=after_s, why=owed.why.value)
                        break
                    log.warning("sentinel.redirect_without_effect", **fields)
                except ChannelGone:
                    log.info("sentinel.caller_gone", **fields)
                    break
                except AmiUnavailable as exc:
                    log.warning("sentinel.redirect_failed", **fields, reason=str(exc))
                    if not self._ami.is_connected:
                        return
                    await asyncio.sleep(TRY_AGAIN_S)
            else:
                log.error("sentinel.redirect_given_up", **fields)
            if self._ledger.owed.get(channel.id) is owed:
                self._ledger.settled(channel.id)
        finally:
            self._in_work.discard(channel.id)

    async def _hang_up(self, channel_id: str) -> None:
        try:
            await self._ami.hangup(channel_id)
            self._ledger.settled(channel_id)
        except ChannelGone:
            self._ledger.settled(channel_id)
        except AmiUnavailable as exc:
            log.warning("sentinel.hang_up_failed", channel=channel_id, reason=str(exc))
            await asyncio.sleep(TRY_AGAIN_S)
        finally:
            self._in_work.discard(channel_id)

    async def _compare(self) -> None:
        """See which of the channels that matter have gone while nobody listened."""
        try:
            living = await self._ami.channels()
        except AmiUnavailable as exc:
            log.warning("sentinel.status_failed", reason=str(exc))
            self._must_compare = True
            await asyncio.sleep(TRY_AGAIN_S)
            return
        self._ledger.settle_with((each.id for each in living), _now())
        self._on_change()

    async def _is_in_stasis(self, channel_id: str) -> bool:
        return any(
            each.application == "Stasis" and each.context != self._context
            for each in await self._ami.channels(channel_id)
        )

    async def _is_in_dialplan(self, channel_id: str) -> bool:
        """Whether the dying worker sent the caller on itself: who rings a human or talks to one isn't torn away.

        A Status that fails says nothing; then the caller is redirected as if it had not been asked.
        """
        try:
            living = await self._ami.channels(channel_id)
        except AmiUnavailable:
            return False
        return any(each.application and not each.application.startswith("Stasis") for each in living)

    async def _is_stranded(self, channel: HeldChannel) -> bool:
        """Whether a caller known from before the sentinel's restart is still with nobody."""
        living = await self._ami.channels()
        mine = next((each for each in living if each.id == channel.id), None)
        if mine is None or mine.application != "Stasis":
            return False
        return channel.state is ChannelState.RINGING or not _is_with_other(mine, living)


def _is_with_other(mine: LiveChannel, living: tuple[LiveChannel, ...]) -> bool:
    """Whether another channel than a media leg is in the same bridge."""
    return bool(mine.bridge) and any(
        each.bridge == mine.bridge and each.id != mine.id and not each.name.startswith("WebSocket/") for each in living
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
