"""A desk with something on it, served over a real socket."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from ari_app.booking.model import Appointment
from ari_app.call.registry import CallEvent, LiveCall
from ari_app.config import ConsoleSettings
from ari_app.console.server import Console
from ari_app.console.views import DeskNames
from ari_app.errors import CalendarUnavailable
from ari_app.store.callbacks import Callback
from ari_app.store.outbox import OutboxMessage
from ari_app.store.schema import CallbackStatus, CallState, OutboxState

NOW = datetime(2026, 11, 23, 14, 20, tzinfo=ZoneInfo("Europe/London"))
HOSTILE = "<script>alert('x')</script>\" onload=\"alert(1)"
NAMES = DeskNames(
    "Harbour Dental", {"checkup": "Check-up", "clean": "Cleaning"}, {"anna": "Anna Weber", "ben": "Ben Okoro"}
)


@dataclass
class Desk:
    """DeskView with fixed contents; `fails` makes the calendar unavailable."""

    live: list[LiveCall] = field(default_factory=list)
    booked: list[Appointment] = field(default_factory=list)
    texts: list[OutboxMessage] = field(default_factory=list)
    promised: list[Callback] = field(default_factory=list)
    fails: bool = False

    def now(self) -> datetime:
        return NOW

    def calls(self) -> Sequence[LiveCall]:
        return self.live

    async def appointments(self) -> Sequence[Appointment]:
        if self.fails:
            raise CalendarUnavailable("http://127.0.0.1:5232/", "connection refused")
        return self.booked

    async def outbox(self) -> Sequence[OutboxMessage]:
        return self.texts

    async def callbacks(self) -> Sequence[Callback]:
        return self.promised

    async def callback_done(self, uid: str) -> bool:
        before = len(self.promised)
        self.promised = [each for each in self.promised if each.uid != uid]
        return len(self.promised) < before


def call(call_id: str, *said: tuple[str, str], name: str = "", state: CallState = CallState.ANSWERED) -> LiveCall:
    events = [
        CallEvent(call_id, NOW + timedelta(seconds=at), float(at), kind, text) for at, (kind, text) in enumerate(said)
    ]
    arrived = NOW - timedelta(seconds=74)
    return LiveCall(call_id, "+447700900123", f"chan-{call_id}", arrived, 0.0, name=name, state=state, events=events)


def appointment(uid: str, hours: float, *, name: str, service: str = "checkup", resource: str = "anna") -> Appointment:
    start = NOW.replace(hour=9, minute=0) + timedelta(hours=hours)
    return Appointment(uid, service, start, start + timedelta(minutes=30), (resource,), "+447700900456", name=name)


def text(number: int, state: OutboxState, words: str, *, reason: str = "", attempts: int = 1) -> OutboxMessage:
    at = NOW.astimezone(UTC) - timedelta(minutes=3 * number)
    ended = None if state in (OutboxState.HELD, OutboxState.DUE) else at
    return OutboxMessage(
        number, f"key-{number}", "+447700900456", words, state, at, at, attempts, "", None, ended, reason
    )


def callback(uid: str, due_min: int | None, *, name: str, about: str, preferred: str = "") -> Callback:
    due = None if due_min is None else NOW.astimezone(UTC) + timedelta(minutes=due_min)
    return Callback(
        1, uid, "c1", "+447700900789", name, about, preferred, due, CallbackStatus.OPEN, NOW, None, 0, "", None
    )


@pytest.fixture
def desk() -> Desk:
    return Desk(
        live=[
            call(
                "a1",
                ("agent", "Good afternoon, Harbour Dental. I'm the automated assistant. How can I help?"),
                ("caller", "hello i'd like a cleaning sometime next week preferably in the afternoon"),
                ("action", "looks for openings: Cleaning, 30 November to 4 December, from 12:00"),
                ("agent", "I have Tuesday at three or Friday at ten past four. Which suits you?"),
                ("caller", "the tuesday one please"),
                name="Jane Doe",
            ),
            call("a2", ("agent", "One moment, I'm putting you through."), state=CallState.CONNECTED),
        ],
        booked=[
            appointment("u1", 0, name="Omar Haddad"),
            appointment("u2", 6, name="Sofia Rossi", service="clean", resource="ben"),
            appointment("u3", 7.5, name="Liam O'Connor"),
            appointment("u4", 25, name="Priya Nair", service="clean", resource="ben"),
            appointment("u5", 76, name="Tom Berg"),
        ],
        texts=[
            text(1, OutboxState.DUE, "Harbour Dental: Cleaning, Tuesday 1 December at 15:00."),
            text(2, OutboxState.SENT, "Harbour Dental: Check-up, Monday 23 November at 16:30."),
            text(
                3,
                OutboxState.FAILED,
                "Harbour Dental: your appointment is cancelled.",
                reason="no such number",
                attempts=5,
            ),
        ],
        promised=[
            callback(
                "cb/1",
                -25,
                name="Ellen Marsh",
                about="Asked about a crown, wants to know the price",
                preferred="before five",
            ),
            callback("cb2", 95, name="", about="Nothing free on Friday"),
        ],
    )


async def works() -> None:
    """A part that is ready."""


@pytest.fixture
async def console(desk: Desk) -> AsyncIterator[Console]:
    async with Console(ConsoleSettings(port=0), desk, NAMES, {"ari": works, "calendar": works}) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
