"""Each part tested for real: what works, and what to do about what doesn't."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from yarl import URL

from ari_app.app import build_gateway
from ari_app.asterisk.ami import Ami
from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.media_turn import end_media, media_turn
from ari_app.booking.caldav_store import CaldavStore
from ari_app.config import Settings
from ari_app.errors import AriAppError, BookingError
from ari_app.sms.http_gateway import HttpGateway
from ari_app.sms.sip_gateway import SipGateway
from ari_app.sms.smpp_gateway import SmppGateway
from ari_app.speech.factory import build_recogniser, build_synthesiser
from ari_app.store.database import Database
from ari_app.store.migrate import migrate

PART_S = 30.0
MODULES = {
    "chan_websocket.so": "the media socket",
    "res_ari_channels.so": "channels over ARI",
    "res_ari_bridges.so": "bridges over ARI",
    "bridge_softmix.so": "mixing bridges",
}
BROADCAST = "app_stasis_broadcast.so"
PROBE = "half past three"


@dataclass(frozen=True, slots=True)
class Result:
    """One part's test."""

    part: str
    is_ok: bool
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class _Trouble(Exception):
    found: str
    mend: str


Part = Callable[[Settings], Awaitable[str]]


async def check_all(settings: Settings, *, report: Callable[[Result], None] = lambda _result: None) -> list[Result]:
    """Test every part, one after the other, each within its own time; `report` gets each result as it comes."""
    results = []
    for name, (part, mend) in PARTS.items():
        result = await _tested(name, part, mend, settings)
        results.append(result)
        report(result)
    return results


async def _tested(name: str, part: Part, mend: str, settings: Settings) -> Result:
    try:
        async with asyncio.timeout(PART_S):
            return Result(name, True, await part(settings))
    except _Trouble as exc:
        return Result(name, False, exc.found, exc.mend)
    except TimeoutError:
        return Result(name, False, f"no answer within {PART_S:.0f} s", mend)
    except AriAppError as exc:
        return Result(name, False, str(exc), mend)


async def _business(settings: Settings) -> str:
    if not settings.services:
        raise _Trouble(
            "no [[services]]: nothing can be booked", "add a [[services]] section; docker/ari_app.toml shows one"
        )
    if not settings.business.hours and not any(resource.hours for resource in settings.resources):
        raise _Trouble("no opening hours", 'add [business.hours], such as mon = ["09:00-17:00"]')
    return f"{len(settings.services)} services, {len(settings.resources)} resources, {settings.business.timezone}"


async def _ari(settings: Settings) -> str:
    async with AriClient(settings.ari, application=f"check-{settings.worker.name}") as ari:
        await ari.wait_connected(settings.ari.request_timeout_s)
        info = await ari.info()
    system = info.get("system")
    version = system.get("version", "?") if isinstance(system, dict) else "?"
    return f"Asterisk {version} at {settings.ari.url}, event socket open"


async def _modules(settings: Settings) -> str:
    async with AriClient(settings.ari, application=f"check-{settings.worker.name}") as ari:
        loaded = await ari.modules()
        missing = [f"{name} ({what})" for name, what in MODULES.items() if name not in loaded]
        if missing:
            raise _Trouble(
                f"not loaded: {', '.join(missing)}", "load them in modules.conf; Asterisk 22.7 or newer has them"
            )
        channel_id = f"ari-app-media-check-{secrets.token_hex(4)}"
        async with media_turn(ari):
            await ari.external_media(channel_id=channel_id)
        await end_media(ari, channel_id, None)
    if BROADCAST not in loaded:
        return f"media channel made and ended; no {BROADCAST}: use [booking-plain] (one worker)"
    return "media channel made and ended"


async def _ami(settings: Settings) -> str:
    async with Ami(settings.ami) as ami:
        await ami.wait_connected(settings.ami.timeout_s + 1.0)
        extension, context = settings.handoff.extension, settings.handoff.context
        is_available = await ami.is_available(extension, context)
    state = "can be rung" if is_available else "can't be rung now: is its phone registered?"
    return f"logged in; extension {extension} {state}"


async def _caldav(settings: Settings) -> str:
    store = CaldavStore(settings.caldav)
    try:
        await store.connect()
        calendars = {resource.calendar for resource in settings.resources} | {settings.callbacks.calendar}
        for calendar in sorted(calendars):
            await _write_probe(store, calendar)
    except BookingError as exc:
        raise _Trouble(
            str(exc), "check caldav.url, caldav.user, ARI_APP_CALDAV__PASSWORD and each `calendar` path"
        ) from exc
    finally:
        await store.close()
    return f"wrote and deleted an event in {len(calendars)} calendars at {settings.caldav.url}"


async def _write_probe(store: CaldavStore, calendar: str) -> None:
    name = f"ari-app-check-{secrets.token_hex(6)}"
    href = store.href(calendar, f"{name}.ics")
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//ari_app//check//EN", "BEGIN:VTODO", f"UID:{name}@ari-app",
        f"DTSTAMP:{stamp}", "SUMMARY:ari-app check", "END:VTODO", "END:VCALENDAR", "",
    ]  # fmt: skip
    if "callback" not in calendar:
        lines[3:8] = [
            "BEGIN:VEVENT", f"UID:{name}@ari-app", f"DTSTAMP:{stamp}", "DTSTART:20000101T000000Z",
            "DTEND:20000101T000100Z", "TRANSP:TRANSPARENT", "SUMMARY:ari-app check", "END:VEVENT",
        ]  # fmt: skip
    etag = await store.create(href, "\r\n".join(lines))
    with suppress(BookingError):
        found = await store.get(href)
        etag = found.etag if found else etag
    await store.delete(href, etag)


async def _models(settings: Settings) -> str:
    recogniser, synthesiser = await asyncio.gather(
        asyncio.to_thread(build_recogniser, settings), asyncio.to_thread(build_synthesiser, settings)
    )
    try:
        audio = await synthesiser.render(PROBE)
        stream = recogniser.stream()
        await stream.begin()
        stream.feed(audio)
        transcript = await stream.finish()
        await stream.close()
    finally:
        recogniser.close()
        synthesiser.close()
    note = "; lab models are for tests, never for people" if "lab" in settings.speech.recogniser else ""
    return f'"{PROBE}" spoken by {settings.speech.voice}, heard as "{transcript.text}"{note}'


async def _store(settings: Settings) -> str:
    revision = await asyncio.to_thread(migrate, settings.store.url)
    async with Database(settings.store.url) as database:
        await database.run(lambda conn: None)
        return f"{database.url.render_as_string(hide_password=True)}, schema {revision}"


async def _sms(settings: Settings) -> str:
    if settings.sms.gateway == "none":
        return "none configured: no text messages are sent"
    async with AriClient(settings.ari) as ari, Ami(settings.ami) as ami:
        gateway = build_gateway(settings, ari, ami)
        match gateway:
            case SipGateway():
                return "SIP MESSAGE by ARI"
            case HttpGateway() | SmppGateway():
                return await _reachable(settings)
            case _:
                raise _Trouble(f"unknown gateway {settings.sms.gateway}", "sms.gateway is sip, http, smpp or none")


async def _reachable(settings: Settings) -> str:
    """Whether the gateway's port answers; nothing is sent."""
    url = URL(settings.sms.url)
    host, port = (settings.sms.host, settings.sms.port) if settings.sms.gateway == "smpp" else (url.host, url.port)
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as exc:
        raise _Trouble(f"{host}:{port} can't be reached: {exc}", "check sms.url, sms.host and sms.port") from exc
    writer.close()
    return f"{settings.sms.gateway} gateway {host}:{port} answers"


PARTS: dict[str, tuple[Part, str]] = {
    "business": (_business, "mend the settings file"),
    "ARI": (_ari, "is Asterisk up? check ari.url, ari.user, ARI_APP_ARI__PASSWORD and http.conf"),
    "media module": (
        _modules,
        "mend ARI first; then load chan_websocket.so (Asterisk 22.7 or newer); no answer to it: restart Asterisk",
    ),
    "AMI": (_ami, "check ami.host, ami.port, ami.user, ARI_APP_AMI__PASSWORD and manager.conf"),
    "CalDAV": (_caldav, "check caldav.url, caldav.user and ARI_APP_CALDAV__PASSWORD"),
    "models": (_models, "ari-app models list, ari-app models pull NAME"),
    "database": (_store, "check store.url"),
    "text messages": (_sms, "check [sms]"),
}
