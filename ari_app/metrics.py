"""What is counted and timed, in Prometheus' words; every name starts with `ari_app_`.

Import the metric that you feed: `metrics.TURN_GAP.labels("closed").observe(0.31)`. Labels take values of a closed
set only, named in the metric's comment: never a number, a name or a call id.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REGISTRY = CollectorRegistry()

_TURN_S = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0)
_SHORT_S = (0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
_BLOCK_S = (0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

TURN_GAP = Histogram(
    "ari_app_turn_gap_seconds",
    "From the end of the caller's speech to the first sound of the answer",
    ["kind"],  # closed | open
    buckets=_TURN_S,
    registry=REGISTRY,
)
STT_LAG = Histogram(
    "ari_app_stt_lag_seconds",
    "Age of the newest audio that the recogniser has taken in",
    buckets=_SHORT_S,
    registry=REGISTRY,
)
TTS_FIRST_AUDIO = Histogram(
    "ari_app_tts_first_audio_seconds",
    "From asking for a text to its first audio",
    ["source"],  # cache | made
    buckets=_SHORT_S,
    registry=REGISTRY,
)
BARGE_IN = Histogram(
    "ari_app_barge_in_seconds",
    "From the caller's first speech to the agent's silence",
    buckets=_SHORT_S,
    registry=REGISTRY,
)
PHRASE_CACHE = Counter(
    "ari_app_phrase_cache_total",
    "Clauses asked of the phrase cache",
    ["result"],  # hit | miss
    registry=REGISTRY,
)
MEDIA_XOFF = Counter(
    "ari_app_media_xoff_total", "Times that Asterisk's media queue asked for a stop", registry=REGISTRY
)
FRAMES_DROPPED = Counter(
    "ari_app_frames_dropped_total",
    "Audio frames lost on our side",
    ["direction"],  # from_caller | to_caller
    registry=REGISTRY,
)
LOOP_BLOCKED = Histogram(
    "ari_app_loop_blocked_seconds",
    "Stretches in which the event loop did nothing else",
    buckets=_BLOCK_S,
    registry=REGISTRY,
)
LOOP_BLOCKS = Counter("ari_app_loop_blocks_total", "Event loop blocked for more than 20 ms", registry=REGISTRY)
LOOP_OVERRUNS = Counter(
    "ari_app_loop_overruns_total",
    "Of these blocks, those in which the loop itself worked for more than 20 ms; the others waited for a core",
    registry=REGISTRY,
)
CALLS_LIVE = Gauge(
    "ari_app_calls_live",
    "Calls by state",
    ["state"],  # pending | answered | connected
    registry=REGISTRY,
)
CALLS = Counter(
    "ari_app_calls_total",
    "Ended calls by outcome",
    ["outcome"],  # booked | moved | cancelled | answered | human | callback | hung_up | failed
    registry=REGISTRY,
)
CALLS_NOT_CLAIMED = Counter(
    "ari_app_calls_not_claimed_total",
    "Calls that were offered to this worker and left to others",
    ["reason"],  # capacity | draining | lost_race | not_ready
    registry=REGISTRY,
)
BOOKINGS = Counter(
    "ari_app_bookings_total",
    "Booking steps",
    ["result"],  # booked | moved | cancelled | taken | changed | failed
    registry=REGISTRY,
)
CALENDAR_REQUEST = Histogram(
    "ari_app_calendar_request_seconds",
    "CalDAV requests",
    ["kind"],  # search | put | delete | sync
    registry=REGISTRY,
)
SMS = Counter(
    "ari_app_sms_total",
    "Text messages",
    ["result"],  # sent | retried | failed
    registry=REGISTRY,
)
OUTBOX_DUE = Gauge("ari_app_outbox_due", "Text messages that wait to be sent", registry=REGISTRY)
ARI_CONNECTED = Gauge("ari_app_ari_connected", "1 while the event socket is open", registry=REGISTRY)
ARI_RECONNECTS = Counter(
    "ari_app_ari_reconnects_total", "Times that the event socket was opened anew", registry=REGISTRY
)
SENTINEL_CONNECTED = Gauge("ari_app_sentinel_connected", "1 while the sentinel answers heartbeats", registry=REGISTRY)
SENTINEL_REDIRECTS = Gauge(
    "ari_app_sentinel_redirects", "Callers brought to [fallback] by the sentinel since it started", registry=REGISTRY
)
CALLBACKS_OPEN = Gauge("ari_app_callbacks_open", "Promised callbacks that are not done", registry=REGISTRY)
CALLBACKS_OVERDUE = Gauge("ari_app_callbacks_overdue", "Promised callbacks past their time", registry=REGISTRY)


def exposition() -> bytes:
    """Everything, in Prometheus' text format (CONTENT_TYPE)."""
    return generate_latest(REGISTRY)


@asynccontextmanager
async def loop_watched(*, tick_s: float = 0.01, blocked_s: float = 0.02) -> AsyncIterator[None]:
    """Time this event loop's blocks while the body runs.

    A tick is due every `tick_s`; one that comes late by more than `blocked_s` counts as a block of its lateness,
    so a block is measured short by at most `tick_s`.
    """
    watch = asyncio.create_task(_watch_loop(tick_s, blocked_s), name="loop-watch")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _watch_loop(tick_s: float, blocked_s: float) -> None:
    while True:
        started_s, worked_s = time.monotonic(), time.thread_time()
        await asyncio.sleep(tick_s)
        late_s = time.monotonic() - started_s - tick_s
        if late_s > blocked_s:
            LOOP_BLOCKED.observe(late_s)
            LOOP_BLOCKS.inc()
            if time.thread_time() - worked_s > blocked_s:
                LOOP_OVERRUNS.inc()
