"""CalDAV by the caldav library, one client a thread, in thread pools of its own.

Two pools: one for what a caller waits for (bounded by `timeout_s`), one for reading whole calendars (`bulk_timeout_s`),
so that a slow full read never stands before a booking. Cancelling, or running out of time, gives up the wait; the
request itself ends in its thread at the same timeout.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar, cast
from urllib.parse import urljoin, urlsplit

from caldav import DAVClient
from caldav.lib.error import AuthorizationError, DAVError
from caldav.lib.http_sync import requests

from ari_app.booking import dav_xml
from ari_app.booking.calendar_store import (
    CalendarInfo,
    Changes,
    ObjectExists,
    ObjectGone,
    StoredObject,
    SyncTokenExpired,
)
from ari_app.booking.dav_xml import CALDAV, DAV, Answer, Element
from ari_app.config import CaldavSettings
from ari_app.errors import AppointmentChanged, CalendarUnavailable
from ari_app.logs import get_logger

log = get_logger()

T = TypeVar("T")

_BATCH = 200
_DELTA_S = 20.0
"""A list of changes since a token; a whole list may take a server minutes."""
_CLOSE_S = 2.0
_HINTS = {
    403: ": this user may not do that there",
    404: ": there is no such calendar",
    410: ": there is no such calendar",
    507: ": it has no space left",
}
_KNOWN_SERVERS = ("sogo", "zimbra", "xandikos", "davical", "cyrus", "icloud", "bedework", "ccs")
_ICS = {"Content-Type": "text/calendar; charset=utf-8"}


class CaldavStore:
    """A calendar account on a CalDAV server."""

    def __init__(self, settings: CaldavSettings, *, threads: int = 4, bulk_timeout_s: float = 120.0) -> None:
        self._settings = settings
        self._base = settings.url if settings.url.endswith("/") else settings.url + "/"
        self._quirks = settings.quirks
        self._quick = _Pool(settings, self._base, threads, settings.timeout_s, "caldav")
        self._bulk = _Pool(settings, self._base, 2, bulk_timeout_s, "caldav-bulk")

    @property
    def is_create_guarded(self) -> bool:
        return self._quick.supports("save.if-none-match")

    @property
    def settle_s(self) -> float:
        return self._quick.settle_s()

    def href(self, calendar: str, name: str = "") -> str:
        folder = urljoin(self._base, calendar if calendar.endswith("/") else calendar + "/")
        return dav_xml.path_of(folder + name)

    def url(self, href: str) -> str:
        return urljoin(self._base, href)

    async def connect(self) -> None:
        """Ask the server what it is, once, where the settings don't say; raises CalendarUnavailable."""
        if not self._quirks:
            answer = await self._ask(self._quick, "OPTIONS", dav_xml.path_of(self._base))
            words = " ".join(f"{name}: {value}" for name, value in answer.headers.items()).lower()
            self._quirks = next((name for name in _KNOWN_SERVERS if name in words), "")
            self._quick.use_quirks(self._quirks)
            self._bulk.use_quirks(self._quirks)
            log.info("calendar.connected", url=self._base, quirks=self._quirks or "none known")

    async def within(self, calendar: str, start: datetime, end: datetime) -> list[StoredObject]:
        body = dav_xml.events_within(start, end)
        return await self._objects(self._quick, self.href(calendar), body)

    async def get(self, href: str) -> StoredObject | None:
        answer = await self._ask(self._quick, "GET", href)
        if answer.status in {404, 410}:
            return None
        self._expect(answer, href, 200)
        return StoredObject(href, answer.headers.get("ETag", ""), _text(answer.raw))

    async def create(self, href: str, data: str) -> str:
        return await self._put(href, data, {"If-None-Match": "*"})

    async def replace(self, href: str, data: str, etag: str) -> str:
        try:
            return await self._put(href, data, {"If-Match": etag or "*"})
        except ObjectExists as exc:
            raise AppointmentChanged(f"{self.url(href)} isn't what it was when it was read") from exc

    async def delete(self, href: str, etag: str) -> None:
        answer = await self._ask(self._quick, "DELETE", href, headers={"If-Match": etag} if etag else {})
        if answer.status in {404, 410}:
            raise ObjectGone(f"{self.url(href)} is no longer there")
        if answer.status in {409, 412}:
            await self._explain_refusal(href)
        self._expect(answer, href, 200, 202, 204)

    async def changes(self, calendar: str, token: str) -> Changes:
        href = self.href(calendar)
        if not self._quick.supports("sync-token"):
            return await self._listing(href)
        timeout_s = _DELTA_S if token else None
        answer = await self._ask(self._bulk, "REPORT", href, dav_xml.sync_collection(token), timeout_s=timeout_s)
        if token and (answer.status in {409, 410, 412} or answer.names("valid-sync-token")):
            raise SyncTokenExpired(self.url(href))
        if answer.status in {400, 403, 405, 415, 422, 501}:
            return await self._listing(href)
        self._expect(answer, href, 207)
        found = dav_xml.answers(answer.tree)
        return Changes(
            dav_xml.sync_token(answer.tree),
            {item.href: item.text(f"{DAV}getetag") for item in found if _is_member(item, href)},
            frozenset(item.href for item in found if item.status == 404),
        )

    async def fetch(self, calendar: str, hrefs: Sequence[str]) -> list[StoredObject]:
        found: list[StoredObject] = []
        for first in range(0, len(hrefs), _BATCH):
            found += await self._fetch_batch(self.href(calendar), hrefs[first : first + _BATCH])
        return found

    async def todos(self, calendar: str) -> list[StoredObject]:
        return await self._objects(self._quick, self.href(calendar), dav_xml.all_todos())

    async def calendars(self) -> list[CalendarInfo]:
        return await self._run(self._bulk, _discovered)

    async def make_calendar(self, calendar: str, name: str, components: Sequence[str] = ("VEVENT",)) -> bool:
        href = self.href(calendar)
        answer = await self._ask(self._quick, "MKCALENDAR", href, dav_xml.mkcalendar(name, components))
        if answer.status in {403, 405, 409} and await self._is_calendar(href):
            return False
        self._expect(answer, href, 200, 201, 207)
        return True

    async def close(self) -> None:
        await asyncio.to_thread(self._quick.close)
        await asyncio.to_thread(self._bulk.close)

    async def _put(self, href: str, data: str, condition: Mapping[str, str]) -> str:
        answer = await self._ask(self._quick, "PUT", href, data, _ICS | dict(condition))
        if answer.status in {409, 412}:
            raise ObjectExists(f"{self.url(href)}: {answer.status}")
        self._expect(answer, href, 200, 201, 204)
        etag = str(answer.headers.get("ETag", ""))
        return "" if etag.startswith("W/") else etag

    async def _explain_refusal(self, href: str) -> None:
        if await self.get(href) is None:
            raise ObjectGone(f"{self.url(href)} is no longer there")
        raise AppointmentChanged(f"{self.url(href)} isn't what it was when it was read")

    async def _listing(self, href: str) -> Changes:
        answer = await self._ask(self._bulk, "PROPFIND", href, dav_xml.propfind("D:getetag"), {"Depth": "1"})
        self._expect(answer, href, 207)
        found = dav_xml.answers(answer.tree)
        return Changes(
            "", {item.href: item.text(f"{DAV}getetag") for item in found if _is_member(item, href)}, frozenset()
        )

    async def _fetch_batch(self, href: str, hrefs: Sequence[str]) -> list[StoredObject]:
        """One multiget; where the server stumbles over one object, the batch is halved until that one is found."""
        try:
            return await self._objects(self._bulk, href, dav_xml.multiget(hrefs))
        except CalendarUnavailable as exc:
            if len(hrefs) == 1:
                if await self._is_calendar(href):
                    log.warning("calendar.object_skipped", url=self.url(hrefs[0]), reason=str(exc)[:200])
                    return []
                raise
            if not isinstance(exc.__cause__, SyntaxError) and not await self._is_calendar(href):
                raise
        half = len(hrefs) // 2
        return [*await self._fetch_batch(href, hrefs[:half]), *await self._fetch_batch(href, hrefs[half:])]

    async def _objects(self, pool: "_Pool", href: str, body: str) -> list[StoredObject]:
        answer = await self._ask(pool, "REPORT", href, body, {"Depth": "1"})
        self._expect(answer, href, 207)
        data = f"{CALDAV}calendar-data"
        return [
            StoredObject(item.href, item.text(f"{DAV}getetag"), item.text(data))
            for item in dav_xml.answers(answer.tree)
            if data in item.props and item.text(data)
        ]

    async def _is_calendar(self, href: str) -> bool:
        answer = await self._ask(self._quick, "PROPFIND", href, dav_xml.propfind("D:resourcetype"), {"Depth": "0"})
        found = dav_xml.answers(answer.tree) if answer.status == 207 else []
        return any(f"{CALDAV}calendar" in {child.tag for child in kind} for kind in _props(found, f"{DAV}resourcetype"))

    async def _ask(
        self,
        pool: "_Pool",
        method: str,
        href: str,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> "_Reply":
        url = self.url(href)
        request = partial(_request, url=url, method=method, body=body, headers=dict(headers or {}))
        return await self._run(pool, request, timeout_s=timeout_s)

    async def _run(self, pool: "_Pool", fn: Callable[[DAVClient], T], *, timeout_s: float | None = None) -> T:
        limit_s = timeout_s or pool.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await pool.run(fn, limit_s)
        except TimeoutError as exc:
            raise CalendarUnavailable(self._base, f"no answer within {limit_s:g} s") from exc
        except requests.exceptions.RequestException as exc:
            raise CalendarUnavailable(self._base, _reason(exc)) from exc
        except DAVError as exc:
            raise CalendarUnavailable(self._base, _refusal(exc)) from exc
        except SyntaxError as exc:
            raise CalendarUnavailable(self._base, f"its answer isn't XML ({exc})") from exc

    def _expect(self, answer: "_Reply", href: str, *statuses: int) -> None:
        if answer.status not in statuses:
            raise CalendarUnavailable(self.url(href), f"it answered {answer.status}{_HINTS.get(answer.status, '')}")


@dataclass(frozen=True, slots=True)
class _Reply:
    """What an answer says, typed."""

    status: int
    headers: Mapping[str, str]
    tree: Element | None
    raw: str | bytes
    preconditions: tuple[str, ...] = ()

    def names(self, precondition: str) -> bool:
        """Whether the answer refuses for this reason (RFC 4918 16)."""
        return f"{DAV}{precondition}" in self.preconditions or dav_xml.has_precondition(self.tree, precondition)


class _Pool:
    """Threads with a client each; its connections are kept for the next request of the same thread.

    They are daemons: one that waits for a dead server never keeps the process from ending.
    """

    def __init__(self, settings: CaldavSettings, base: str, threads: int, timeout_s: float, name: str) -> None:
        self.timeout_s = timeout_s
        self._settings, self._base = settings, base
        self._features = self._client(settings.quirks).features
        self._jobs: SimpleQueue[Callable[[DAVClient], None] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, fn: Callable[[DAVClient], T], timeout_s: float) -> T:
        """Do `fn` in the next free thread; given up before it begins, it isn't done at all."""
        outcome: Future[T] = Future()

        def job(client: DAVClient) -> None:
            if not outcome.set_running_or_notify_cancel():
                return
            client.timeout = timeout_s
            try:
                outcome.set_result(fn(client))
            except BaseException as exc:  # noqa: BLE001 - carried to the waiter, as an executor does
                outcome.set_exception(exc)

        self._jobs.put(job)
        return await asyncio.wrap_future(outcome)

    def use_quirks(self, quirks: str) -> None:
        self._features = self._client(quirks).features

    def supports(self, feature: str) -> bool:
        return bool(self._features.is_supported(feature))

    def settle_s(self) -> float:
        facts = self._features.is_supported("synchronous-write", dict)
        return float(facts.get("delay", 0.0)) if isinstance(facts, dict) else 0.0

    def close(self) -> None:
        """Let what runs end, for a moment."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(_CLOSE_S / len(self._threads))

    def _work(self) -> None:
        client = self._client(self._settings.quirks)
        while (job := self._jobs.get()) is not None:
            job(client)
        client.close()

    def _client(self, quirks: str) -> DAVClient:
        client = DAVClient(
            url=self._base,
            username=self._settings.user or None,
            password=self._settings.password.get_secret_value() or None,
            timeout=self.timeout_s,
            features=quirks or None,
            enable_rfc6764=False,
        )
        client.session.trust_env = urlsplit(self._base).hostname not in {"127.0.0.1", "::1", "localhost"}
        return client


def _request(client: DAVClient, *, url: str, method: str, body: str, headers: dict[str, str]) -> _Reply:
    try:
        found = client.request(url, method, body, headers)
    except AuthorizationError as exc:
        if exc.status != 403:
            raise
        return _Reply(403, {}, None, "", tuple(exc.preconditions))
    tree = cast("Element | None", found.tree)
    return _Reply(int(found.status), cast(Mapping[str, str], found.headers), tree, cast("str | bytes", found._raw))


def _discovered(client: DAVClient) -> list[CalendarInfo]:
    found: list[CalendarInfo] = []
    for calendar in client.principal().get_calendars():
        name, components = "", tuple[str, ...]()
        with suppress(DAVError):
            name = str(calendar.get_display_name() or "")
            components = tuple(str(kind) for kind in calendar.get_supported_components())
        found.append(CalendarInfo(dav_xml.path_of(str(calendar.url)), name, components))
    return found


def _is_member(item: Answer, href: str) -> bool:
    """An object of the calendar, not the calendar itself nor a calendar within."""
    return item.status != 404 and item.href.rstrip("/") != href.rstrip("/") and not item.href.endswith("/")


def _props(found: Sequence[Answer], tag: str) -> list[Element]:
    return [item.props[tag] for item in found if tag in item.props]


def _text(raw: str | bytes) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw


def _reason(exc: Exception) -> str:
    return f"{type(exc).__name__}: {str(exc)[:150]}"


def _refusal(exc: DAVError) -> str:
    if exc.status == 401:
        return "it refuses the login: check caldav.user and ARI_APP_CALDAV__PASSWORD"
    return _reason(exc)
