"""ARI's REST verbs, typed, over kept-alive HTTP; refusals become AriUnavailable, ChannelGone or AriRefused."""

from collections.abc import Mapping
from urllib.parse import quote

import aiohttp
from yarl import URL

from ari_app.asterisk import ari_events
from ari_app.asterisk.ari_events import (
    BridgeSnapshot,
    ChannelSnapshot,
    EndpointSnapshot,
    EventUnreadable,
    Playback,
)
from ari_app.config import AriSettings
from ari_app.errors import AriRefused, AriUnavailable, ChannelGone

Query = Mapping[str, str | int | float | bool | None]

IDLE_CONNECTION_S = 5.0
"""Below http.conf's `session_keep_alive` (15 s), so that no request meets a connection that Asterisk is closing."""

_GONE = {404, 409, 412}


class AriRest:
    """The verbs of one application on one Asterisk, between `open_session` and `close_session`."""

    def __init__(self, settings: AriSettings, *, application: str | None = None) -> None:
        self.settings = settings
        self.application = application or settings.application
        self.url = settings.url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    def open_session(self) -> None:
        """To be called on the event loop."""
        password = self.settings.password.get_secret_value()
        self._session = aiohttp.ClientSession(
            headers={"Authorization": aiohttp.encode_basic_auth(self.settings.user, password)},
            timeout=aiohttp.ClientTimeout(total=self.settings.request_timeout_s),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION_S),
        )

    async def close_session(self) -> None:
        """Close every connection; idempotent."""
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The HTTP session; event and media sockets are opened with it."""
        if self._session is None:
            raise RuntimeError("ARI is used outside its `async with`")
        return self._session

    # Applications and claims

    async def claim(self, channel_id: str) -> bool:
        """Claim a call that was offered by CallBroadcast; False: another application has it, or it is gone."""
        query = {"application": self.application, "channelId": channel_id}
        try:
            await self.request("POST", "/events/claim", query)
        except ChannelGone:
            return False
        return True

    async def ping(self) -> None:
        """Raises AriUnavailable or AriRefused."""
        await self.request("GET", "/asterisk/ping")

    async def modules(self) -> frozenset[str]:
        """Names of the loaded modules (`chan_websocket.so`, ...)."""
        rows = ari_events.parse_rows(await self.request("GET", "/asterisk/modules"))
        return frozenset(str(row.get("name", "")) for row in rows)

    async def info(self) -> dict[str, object]:
        """Asterisk's build, system and status."""
        return ari_events.parse_fields(await self.request("GET", "/asterisk/info"))

    # Channels

    async def channels(self) -> list[ChannelSnapshot]:
        return ari_events.parse_channels(await self.request("GET", "/channels"))

    async def channel(self, channel_id: str) -> ChannelSnapshot:
        """Raises ChannelGone."""
        return ari_events.parse_channel(await self.request("GET", f"/channels/{_segment(channel_id)}"))

    async def channel_exists(self, channel_id: str) -> bool:
        try:
            await self.channel(channel_id)
        except ChannelGone:
            return False
        return True

    async def originate(
        self,
        endpoint: str,
        *,
        channel_id: str,
        app_args: str = "",
        caller_id: str = "",
        timeout_s: int = 30,
        variables: Mapping[str, str] | None = None,
        originator: str = "",
        formats: str = "",
    ) -> ChannelSnapshot:
        """Dial `endpoint` ("PJSIP/200") into this application; its StasisStart comes when it answers."""
        query: Query = {
            "endpoint": endpoint,
            "app": self.application,
            "appArgs": app_args,
            "callerId": caller_id,
            "timeout": timeout_s,
            "originator": originator,
            "formats": formats,
        }
        answer = await self.request("POST", f"/channels/{_segment(channel_id)}", query, variables=variables)
        return ari_events.parse_channel(answer)

    async def external_media(self, *, channel_id: str, variables: Mapping[str, str] | None = None) -> ChannelSnapshot:
        """A media channel (chan_websocket, slin16, JSON control) that waits for our socket.

        The socket's address is /media/<id>, the id in its variable MEDIA_WEBSOCKET_CONNECTION_ID.
        """
        query = {
            "app": self.application,
            "channelId": channel_id,
            "external_host": "INCOMING",
            "transport": "websocket",
            "encapsulation": "none",
            "connection_type": "server",
            "format": "slin16",
            "transport_data": "f(json)",
        }
        answer = await self.request("POST", "/channels/externalMedia", query, variables=variables)
        return ari_events.parse_channel(answer)

    async def answer(self, channel_id: str) -> None:
        await self._on_channel("POST", channel_id, "answer")

    async def hangup(self, channel_id: str, reason: str = "normal") -> None:
        """`reason`: normal, busy, congestion, no_answer, ... Raises ChannelGone when it already is."""
        await self._on_channel("DELETE", channel_id, "", {"reason": reason})

    async def ring(self, channel_id: str) -> None:
        await self._on_channel("POST", channel_id, "ring")

    async def stop_ring(self, channel_id: str) -> None:
        await self._on_channel("DELETE", channel_id, "ring")

    async def start_moh(self, channel_id: str, moh_class: str = "") -> None:
        await self._on_channel("POST", channel_id, "moh", {"mohClass": moh_class})

    async def stop_moh(self, channel_id: str) -> None:
        await self._on_channel("DELETE", channel_id, "moh")

    async def send_dtmf(self, channel_id: str, digits: str, *, between_ms: int = 100, duration_ms: int = 100) -> None:
        """Queue `digits` to be sent to the channel."""
        query: Query = {"dtmf": digits, "between": between_ms, "duration": duration_ms}
        await self._on_channel("POST", channel_id, "dtmf", query)

    async def variable(self, channel_id: str, name: str) -> str:
        """A channel variable or function, "" when it isn't set; raises ChannelGone."""
        try:
            answer = await self._on_channel("GET", channel_id, "variable", {"variable": name})
        except ChannelGone as exc:
            if "variable" in exc.reason:  # "Provided variable was not found"; the channel is there
                return ""
            raise
        return str(ari_events.parse_fields(answer).get("value", ""))

    async def set_variable(self, channel_id: str, name: str, value: str) -> None:
        """Set a channel variable or function ("CONNECTEDLINE(name)"); control characters in `value` become spaces."""
        await self._on_channel("POST", channel_id, "variable", {"variable": name, "value": _one_line(value)})

    async def continue_in_dialplan(
        self, channel_id: str, *, context: str = "", extension: str = "", priority: int | None = None
    ) -> None:
        """Give the channel back to the dialplan; nothing named: after the Stasis line."""
        query: Query = {"context": context, "extension": extension, "priority": priority}
        await self._on_channel("POST", channel_id, "continue", query)

    async def redirect(self, channel_id: str, endpoint: str) -> None:
        """Have the phone call another endpoint itself (SIP 302 / REFER)."""
        await self._on_channel("POST", channel_id, "redirect", {"endpoint": endpoint})

    async def move(self, channel_id: str, application: str, app_args: str = "") -> None:
        """Give the channel to another Stasis application."""
        await self._on_channel("POST", channel_id, "move", {"app": application, "appArgs": app_args})

    async def play(self, channel_id: str, media: str, *, playback_id: str) -> Playback:
        """Have Asterisk play "sound:NAME" or "tone:NAME" itself."""
        path = f"play/{_segment(playback_id)}"
        return ari_events.parse_playback(await self._on_channel("POST", channel_id, path, {"media": media}))

    async def stop_playback(self, playback_id: str) -> None:
        await self.request("DELETE", f"/playbacks/{_segment(playback_id)}")

    # Bridges

    async def bridges(self) -> list[BridgeSnapshot]:
        return ari_events.parse_bridges(await self.request("GET", "/bridges"))

    async def bridge(self, bridge_id: str) -> BridgeSnapshot:
        """Raises ChannelGone."""
        return ari_events.parse_bridge(await self.request("GET", f"/bridges/{_segment(bridge_id)}"))

    async def create_bridge(self, *, bridge_id: str, kind: str = "mixing", name: str = "") -> BridgeSnapshot:
        query = {"type": kind, "name": name}
        return ari_events.parse_bridge(await self.request("POST", f"/bridges/{_segment(bridge_id)}", query))

    async def destroy_bridge(self, bridge_id: str) -> None:
        """Its channels stay, unbridged; raises ChannelGone when it already is."""
        await self.request("DELETE", f"/bridges/{_segment(bridge_id)}")

    async def add_channel(
        self, bridge_id: str, channel_id: str, *, inhibit_connected_line: bool = False, absorb_dtmf: bool = False
    ) -> None:
        """Raises ChannelGone when bridge or channel no longer is, or the channel has left Stasis."""
        query = {
            "channel": channel_id,
            "inhibitConnectedLineUpdates": inhibit_connected_line or None,
            "absorbDTMF": absorb_dtmf or None,
        }
        await self._on_bridge_member(bridge_id, "addChannel", query)

    async def remove_channel(self, bridge_id: str, channel_id: str) -> None:
        """Raises ChannelGone when it isn't in the bridge."""
        await self._on_bridge_member(bridge_id, "removeChannel", {"channel": channel_id})

    async def start_bridge_moh(self, bridge_id: str, moh_class: str = "") -> None:
        await self.request("POST", f"/bridges/{_segment(bridge_id)}/moh", {"mohClass": moh_class})

    async def stop_bridge_moh(self, bridge_id: str) -> None:
        await self.request("DELETE", f"/bridges/{_segment(bridge_id)}/moh")

    # Endpoints and messages

    async def endpoint(self, technology: str, resource: str) -> EndpointSnapshot:
        """Raises ChannelGone when there is none of that name."""
        path = f"/endpoints/{_segment(technology)}/{_segment(resource)}"
        return ari_events.parse_endpoint(await self.request("GET", path))

    async def send_message(
        self, *, to: str, sender: str, body: str, variables: Mapping[str, str] | None = None
    ) -> None:
        """SIP MESSAGE; `to` as "pjsip:ENDPOINT/sip:user@host:port" reaches one chosen contact."""
        query = {"to": _one_line(to), "from": _one_line(sender), "body": body}
        await self.request("PUT", "/endpoints/sendMessage", query, variables=variables)

    # The request itself

    async def request(
        self, method: str, path: str, query: Query | None = None, *, variables: Mapping[str, str] | None = None
    ) -> bytes:
        """One REST call below /ari; empty and None parameters are left out.

        What POST and PUT carry goes as a JSON body: Asterisk refuses a request line of more than 4 kB, and names stay
        out of addresses. Raises AriUnavailable (no answer within request_timeout_s), ChannelGone (404, 409, 412) or
        AriRefused. Cancelling may leave the call done or not done.
        """
        given = {key: value for key, value in (query or {}).items() if value not in (None, "")}
        body: dict[str, object] | None = None
        url = URL(f"{self.url}/ari{path}", encoded=True)
        if method in ("POST", "PUT"):
            lines = {key: _one_line(value) for key, value in (variables or {}).items()}
            body = {**given, **({"variables": lines} if lines else {})} or None
        else:
            url = url.with_query({key: _shown(value) for key, value in given.items()})
        try:
            async with self.session.request(method, url, json=body) as response:
                answer = await response.read()
                status, reason = response.status, response.reason or ""
        except TimeoutError as exc:
            raise AriUnavailable(self.url, f"{method} {path}: no answer in time") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise AriUnavailable(self.url, f"{method} {path}: {type(exc).__name__}") from exc
        if status < 400:
            return answer
        refusal = ChannelGone if status in _GONE else AriRefused
        raise refusal(method, path, status, _refusal_text(answer) or reason)

    async def _on_channel(self, method: str, channel_id: str, verb: str, query: Query | None = None) -> bytes:
        path = f"/channels/{_segment(channel_id)}" + (f"/{verb}" if verb else "")
        return await self.request(method, path, query)

    async def _on_bridge_member(self, bridge_id: str, verb: str, query: Query) -> None:
        path = f"/bridges/{_segment(bridge_id)}/{verb}"
        try:
            await self.request("POST", path, query)
        except ChannelGone:
            raise
        except AriRefused as exc:
            if exc.status in (400, 422):  # how bridges say that the channel is gone or not in Stasis
                raise ChannelGone(exc.method, exc.path, exc.status, exc.reason) from exc
            raise


def _segment(text: str) -> str:
    """One path segment, whatever is in it."""
    return quote(text, safe="")


def _shown(value: str | int | float | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_line(text: str) -> str:
    return "".join(" " if ord(char) < 32 or ord(char) == 127 else char for char in text)


def _refusal_text(answer: bytes) -> str:
    try:
        fields = ari_events.parse_fields(answer)
    except EventUnreadable:
        return ""
    return str(fields.get("message") or fields.get("error") or "")
