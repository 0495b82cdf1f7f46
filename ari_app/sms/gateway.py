"""Where a text message goes; implementations: `sip_gateway`, `http_gateway`, `smpp_gateway`."""

from typing import Protocol


class SmsGateway(Protocol):
    """Takes one text message at a time off our hands."""

    @property
    def deduplicates(self) -> bool:
        """A repeat with the same key reaches the phone once, so that a message in doubt may be sent again."""

    async def send(self, number: str, text: str, key: str) -> None:
        """Hand `text` over for `number` (E.164); return once it was accepted.

        Raises SmsFailed: permanent (trying again can't help), in doubt (it may have been accepted), or else
        certainly not accepted. Cut off by cancellation the message is in doubt.
        """

    async def close(self) -> None:
        """Let go of connections."""
