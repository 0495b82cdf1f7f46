"""The sentinel's line to Asterisk: which channels there are, and who has hung up."""

from collections.abc import Callable
from dataclasses import dataclass

from ari_app.asterisk.ami_session import AmiMessage, AmiSession
from ari_app.config import AmiSettings
from ari_app.errors import ChannelGone

PING_S = 1.0


@dataclass(frozen=True, slots=True)
class LiveChannel:
    """What Asterisk says of one channel (`Status`)."""

    id: str
    name: str
    context: str
    application: str
    bridge: str
    """Id of the bridge it is in; empty: none."""


class AmiLink(AmiSession):
    """The sentinel's AMI session, its rights no more than `call` and `reporting`.

    `on_up` and `on_hangup` (a channel's unique id) are called on the event loop and only take note.
    """

    def __init__(self, settings: AmiSettings, *, on_up: Callable[[], None], on_hangup: Callable[[str], None]) -> None:
        super().__init__(settings, events="call", ping_s=PING_S)
        self._on_up = on_up
        self._on_hangup = on_hangup

    async def channels(self, channel_id: str = "") -> tuple[LiveChannel, ...]:
        """All channels that Asterisk has now, or that one if it is still there; raises AmiUnavailable."""
        wanted = {"Channel": channel_id} if channel_id else {}
        try:
            answers = await self._on_channel({"Action": "Status", **wanted})
        except ChannelGone:
            return ()
        return tuple(
            LiveChannel(each.uniqueid, each.channel, each.context, each.application, each.bridgeid)
            for each in answers
            if each.event == "Status"
        )

    def _logged_in(self) -> None:
        self._on_up()

    def _take(self, message: AmiMessage) -> None:
        if message.event == "Hangup":
            self._on_hangup(message.uniqueid)
