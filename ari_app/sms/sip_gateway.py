"""SIP MESSAGE to the phones that are registered on the caller's own endpoint; nothing leaves the building."""

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from ari_app.errors import AriRefused, PbxError, SmsFailed

_SIP_URI = re.compile(r"sips?:[^\s<>\"\x00-\x1f]{1,250}")
_ENDPOINT = re.compile(r"[A-Za-z0-9_.+-]{1,80}")


class ContactFinder(Protocol):
    """Knows where an endpoint's phones are (AMI: PJSIPShowContacts; ARI doesn't tell)."""

    async def contacts(self, endpoint: str) -> Sequence[str]:
        """SIP URIs of the endpoint's reachable contacts, newest first; raises PbxError."""


class MessageSender(Protocol):
    """Sends one SIP MESSAGE (ARI: PUT /endpoints/sendMessage)."""

    async def send_message(self, *, to: str, sender: str, body: str) -> None:
        """`to`: "pjsip:ENDPOINT/sip:user@host:port"; returns once it is accepted, raises PbxError."""


class SipGateway:
    """Each registered phone of the endpoint gets the message; one that takes it is enough.

    The contact is named, as Asterisk else picks an endpoint's first one. Asterisk tells that it accepted a message, not
    that a phone showed it.
    """

    deduplicates = False

    def __init__(
        self,
        sender: MessageSender,
        contacts: ContactFinder,
        *,
        endpoint_of: Callable[[str], str | None],
        from_uri: str,
    ) -> None:
        """`endpoint_of`: E.164 number -> PJSIP endpoint, None where it has none; `from_uri`: "sip:booking@..."."""
        self._sender, self._contacts = sender, contacts
        self._endpoint_of, self._from_uri = endpoint_of, from_uri

    async def send(self, number: str, text: str, key: str) -> None:
        endpoint = self._endpoint_of(number)
        if endpoint is None or not _ENDPOINT.fullmatch(endpoint):
            raise SmsFailed("the number has no SIP endpoint here", is_permanent=True)
        uris = await self._registered(endpoint)
        refusals: list[str] = []
        for uri in uris:
            try:
                await self._sender.send_message(to=f"pjsip:{endpoint}/{uri}", sender=self._from_uri, body=text)
            except AriRefused as exc:
                refusals.append(f"{exc.status} {exc.reason}")
            except PbxError as exc:
                refusals.append(str(exc))
        if len(refusals) == len(uris):
            raise SmsFailed(f"Asterisk took the message for none of {len(uris)} phones: {refusals[0]}")

    async def close(self) -> None:
        """Nothing is held open."""

    async def _registered(self, endpoint: str) -> list[str]:
        try:
            found = await self._contacts.contacts(endpoint)
        except PbxError as exc:
            raise SmsFailed(f"the phones of {endpoint} can't be asked for: {exc}") from exc
        uris = [uri for uri in dict.fromkeys(found) if _SIP_URI.fullmatch(uri)]
        if not uris:
            raise SmsFailed(f"no phone is registered on {endpoint}")
        return uris


def endpoint_by_template(template: str, known: dict[str, str] | None = None) -> Callable[[str], str | None]:
    """Number -> endpoint: by `known` first, then `template` with {number} (+44...) or {digits} (44...) filled in.

    An empty template knows no other numbers.
    """

    def endpoint_of(number: str) -> str | None:
        if known and number in known:
            return known[number]
        return template.replace("{number}", number).replace("{digits}", number.lstrip("+")) or None

    return endpoint_of
