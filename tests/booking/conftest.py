"""Booking on real calendar servers (Radicale and Xandikos) and real databases."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import caldav
import pytest
from pydantic import SecretStr

from ari_app.config import (
    BusinessSettings,
    CaldavSettings,
    CallbackSettings,
    ResourceSettings,
    ServiceSettings,
    Settings,
    StoreSettings,
)
from ari_app.lab.bench.servers import CalendarServer, calendar_server
from ari_app.store.migrate import migrate

LONDON = ZoneInfo("Europe/London")


@dataclass
class MovableClock:
    """The machine's clock, shifted by what a test says."""

    zone: ZoneInfo = LONDON
    offset: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(self.zone) + self.offset

    def monotonic_s(self) -> float:
        return self.now().timestamp()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="session")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CalendarServer]:
    with calendar_server("radicale", tmp_path_factory.mktemp("radicale")) as server:
        yield server


@pytest.fixture(scope="session")
def xandikos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CalendarServer]:
    with calendar_server("xandikos", tmp_path_factory.mktemp("xandikos")) as server:
        yield server


@pytest.fixture(params=["radicale", "xandikos"])
def server(request: pytest.FixtureRequest) -> CalendarServer:
    """Each calendar server in turn."""
    found: CalendarServer = request.getfixturevalue(request.param)
    return found


@dataclass(frozen=True)
class Desk:
    """The front desk's own calendar client: plain caldav, none of our code."""

    server: CalendarServer
    client: caldav.DAVClient

    def calendar(self, path: str) -> caldav.Calendar:
        return self.client.calendar(url=f"{self.server.url}{path}")

    def events(self, path: str) -> list[caldav.Event]:
        return list(self.calendar(path).events())

    def put(self, path: str, name: str, *lines: str) -> str:
        """Write an event over whatever is there; its href."""
        body = ics(*lines) if lines and not lines[0].startswith("BEGIN:VCALENDAR") else lines[0]
        answer = self.client.put(f"{self.server.url}{path}{name}", body, {"Content-Type": "text/calendar"})
        assert answer.status in {200, 201, 204}, answer.raw
        return f"/{path}{name}"

    def drag(self, href: str, to: datetime) -> None:
        """Move an event to another time, keeping its length."""
        event = self.client.calendar(url=f"{self.server.url}{href.rpartition('/')[0][1:]}/").event_by_url(href)
        component = event.icalendar_component
        length = component["DTEND"].dt - component["DTSTART"].dt
        for name, value in (("DTSTART", to), ("DTEND", to + length)):
            component.pop(name)
            component.add(name, value)
        event.save()

    def delete(self, href: str) -> None:
        assert self.client.delete(f"{self.server.url}{href[1:]}").status in {200, 204}


def ics(*lines: str) -> str:
    """A calendar object with one event of these lines."""
    uid = () if any(line.startswith("UID:") for line in lines) else (f"UID:{uuid4()}",)
    event = ["BEGIN:VEVENT", *uid, "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"]
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *event, "END:VCALENDAR", ""])


@pytest.fixture
def desk(server: CalendarServer) -> Iterator[Desk]:
    with caldav.DAVClient(server.url, username=server.user, password=server.password) as client:
        yield Desk(server, client)


Practice = Callable[..., Settings]


@pytest.fixture
def practice(server: CalendarServer, desk: Desk, tmp_path: Path) -> Practice:
    """Settings of a practice whose calendars are new and empty; keyword arguments replace sections."""

    def make(*, store_url: str = "", **sections: object) -> Settings:
        home = f"{server.user}/{uuid4().hex[:8]}"
        url = store_url or f"sqlite:///{tmp_path / uuid4().hex}.db"
        migrate(url)
        every_day = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), ("08:00-20:00",))
        made: dict[str, object] = {
            "business": BusinessSettings(hours=every_day, observe_holidays=False),
            "services": (
                ServiceSettings(id="cleaning", name="dental cleaning", resources=(("anna",),), lead_time_min=0),
                ServiceSettings(
                    id="surgery",
                    name="surgery",
                    duration_min=60,
                    resources=(("anna", "ben"), ("room",)),
                    lead_time_min=0,
                ),
                ServiceSettings(id="class", name="back class", resources=(("gym",),), lead_time_min=0),
            ),
            "resources": tuple(
                ResourceSettings(id=name, name=name, calendar=f"{home}-{name}/", capacity=3 if name == "gym" else 1)
                for name in ("anna", "ben", "room", "gym")
            ),
            "caldav": CaldavSettings(
                url=server.url, user=server.user, password=SecretStr(server.password), timeout_s=5.0, poll_s=60.0
            ),
            "store": StoreSettings(url=url),
            "callbacks": CallbackSettings(calendar=f"{home}-callbacks/"),
        }
        settings = Settings.model_validate(made | sections)
        for resource in settings.resources:
            desk.client.mkcalendar(f"{server.url}{resource.calendar}")
        return settings

    return make
