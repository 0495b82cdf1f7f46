"""ARI by aiohttp: typed REST, one event socket that reconnects, events fanned out to bounded queues.

Asterisk gives its event socket 100 ms for a write, so the reader only parses and enqueues.
`async with AriClient(settings.ari) as ari:` starts connecting at once and closes all.
"""

import asyncio
import random
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from ari_app.asterisk import ari_events
from ari_app.asterisk.ari_events import AriConnected, AriDisconnected, EventUnreadable
from ari_app.asterisk.ari_rest import AriRest
from ari_app.asterisk.link import Link, LinkLost
from ari_app.asterisk.subscriptions import Subscription, Subscriptions
from ari_app.config import AriSettings
from ari_app.errors import AriRefused, AriUnavailable
from ari_app.logs import get_logger

log = get_logger()

FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 2.0
PING_SHARE = 0.8
"""Of `ping_s`: a dead link is noticed within 3 x 0.8 s when ping_s is 1."""

REPLACED = "another client has connected with this application's name"
REPLACED_WAIT_S = 5.0
"""A one-off client of the same name gets its turn; of two workers with one name, neither stays deaf."""


class AriClient(AriRest):
    """One Stasis application's connection to one Asterisk."""

    def __init__(self, settings: AriSettings, *, application: str | None = None) -> None:
        super().__init__(settings, application=application)
        self.generation = 0
        """Event socket connections so far; 0: none yet."""
        self.unreadable = 0
        """Messages on the event socket that were no ARI events."""
        self.media_lock = asyncio.Lock()
        """See media_turn."""
        self._subscriptions = Subscriptions()
        self._events_task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._last_failure: AriUnavailable | AriRefused | None = None

    async def __aenter__(self) -> Self:
        self.open_session()
        self._events_task = asyncio.create_task(self._keep_connected(), name="ari-events")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            if self._events_task is not None:
                self._events_task.cancel()
                await asyncio.wait((self._events_task,))
        finally:
            await self.close_session()

    # Events

    @property
    def is_connected(self) -> bool:
        return self._up.is_set()

    async def wait_connected(self, timeout_s: float | None = None) -> int:
        """Wait for the event socket and return its generation.

        After `timeout_s` raises what stood in the way: AriUnavailable, or AriRefused (401: wrong password).
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError as exc:
            raise self._last_failure or AriUnavailable(self.url, "no answer yet") from exc
        return self.generation

    def subscribe(self, *subjects: str, bound: int = 256) -> Subscription:
        """Events of these channels, bridges or playbacks (none named: all), as `with ari.subscribe(id) as events`.

        When more than `bound` wait, the oldest goes, but never one that says that something ended.
        """
        return self._subscriptions.open(subjects, bound=bound)

    @property
    def subscription_count(self) -> int:
        """Open subscriptions; for tests and metrics."""
        return self._subscriptions.count

    # The event socket

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            connected_before = self.generation
            try:
                reason = await self._run_event_socket()
            except Exception as exc:  # the supervisor: a bug in reading costs one connection, not the worker
                log.exception("ari.reader_failed")
                reason = type(exc).__name__
            if self._up.is_set():
                self._up.clear()
                self._subscriptions.publish(AriDisconnected(self.generation, reason))
            failures = 0 if self.generation != connected_before else failures + 1
            wait_s = backoff_s(failures)
            if reason == REPLACED:
                wait_s = REPLACED_WAIT_S * random.uniform(0.8, 1.2)
                log.error("ari.application_replaced", application=self.application)
            log.warning("ari.disconnected", reason=reason, again_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)

    async def _run_event_socket(self) -> str:
        """One connection's life; returns why it ended."""
        url = URL(f"{self.url}/ari/events").with_query({"app": self.application})
        timeout = aiohttp.ClientWSTimeout(ws_close=1.0)
        try:
            async with asyncio.timeout(self.settings.request_timeout_s):
                socket = await self.session.ws_connect(
                    url, autoping=False, decode_text=False, max_msg_size=0, timeout=timeout
                )
        except aiohttp.WSServerHandshakeError as exc:
            self._last_failure = AriRefused("GET", "/events", exc.status, exc.message)
            return str(self._last_failure)
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            self._last_failure = AriUnavailable(self.url, type(exc).__name__)
            return str(self._last_failure)
        link = Link(socket, interval_s=self.settings.ping_s * PING_SHARE, write_s=self.settings.request_timeout_s)
        reason = "ended"
        try:
            self._now_connected()
            async with asyncio.TaskGroup() as group:
                group.create_task(link.keep_alive(), name="ari-pings")
                group.create_task(self._read_events(link), name="ari-reader")
        except* LinkLost as lost:
            reason = str(lost.exceptions[0])
        finally:
            await link.close()
        return reason

    def _now_connected(self) -> None:
        self.generation += 1
        self._last_failure = None
        self._up.set()
        self._subscriptions.publish(AriConnected(self.generation))
        log.info("ari.connected", generation=self.generation, application=self.application)

    async def _read_events(self, link: Link) -> None:
        async for message in link.messages():
            try:
                event = ari_events.parse_event(message)
            except EventUnreadable as exc:
                self.unreadable += 1
                log.warning("ari.event_unreadable", reason=exc.reason, total=self.unreadable)
                continue
            self._subscriptions.publish(event)
            if isinstance(event, ari_events.ApplicationReplaced):  # Asterisk leaves the socket open, and deaf
                raise LinkLost(REPLACED)


def backoff_s(failures: int) -> float:
    """Wait before the next try: doubled from 0.1 s, capped at 2 s, jittered down to its half."""
    longest: float = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)
