"""People at the desk during a race: they put, drag, retitle and delete events by plain caldav, ours among them."""

import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Thread

import caldav
import icalendar
from caldav.lib.error import DAVError

from ari_app.lab.bench.race_history import History
from ari_app.lab.bench.servers import CalendarServer

_MOST_EVENTS = 4


@dataclass(slots=True)
class Human:
    """One person with a calendar client."""

    name: str
    server: CalendarServer
    calendars: tuple[str, ...]
    times: tuple[datetime, ...]
    """Start times they know of."""
    history: History
    chance: random.Random
    stopping: Event = field(default_factory=Event)
    thread: Thread | None = None

    def start(self) -> None:
        self.thread = Thread(target=self._work, name=self.name)
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        if self.thread is not None:
            self.thread.join()

    def _work(self) -> None:
        with caldav.DAVClient(self.server.url, username=self.server.user, password=self.server.password) as client:
            while not self.stopping.wait(0.05 + self.chance.random() * 0.5):
                path = self.chance.choice(self.calendars)
                try:
                    self._act(client, f"{self.server.url}{path}")
                except (DAVError, OSError, ValueError) as exc:
                    self.history.tell("human_failed", error=type(exc).__name__, reason=str(exc)[:200])

    def _act(self, client: caldav.DAVClient, url: str) -> None:
        events = client.calendar(url=url).events()
        own = [event for event in events if "human-" in str(event.url)]
        verb = self.chance.choice(["put", "put", "drag", "drag", "retitle", "delete"])
        if verb == "put" and len(own) < _MOST_EVENTS:
            self._put(client, url)
        elif events:
            chosen = self.chance.choice(own if own and self.chance.random() < 0.6 else events)
            self._change(client, chosen, "delete" if verb == "put" else verb)

    def _put(self, client: caldav.DAVClient, url: str) -> None:
        start = self.chance.choice(self.times)
        uid = f"human-{uuid.uuid4()}"
        self._write(
            client, f"{url}{uid}.ics", _event(uid, start, start + timedelta(minutes=30)), {"If-None-Match": "*"}
        )

    def _change(self, client: caldav.DAVClient, event: caldav.Event, verb: str) -> None:
        url = str(event.url)
        there = client.request(url, "GET")
        if there.status != 200:
            return
        condition = {"If-Match": str(there.headers.get("ETag", "*"))}
        if verb == "delete":
            began = self._begins(event.url.path)
            status = client.request(url, "DELETE", "", condition).status
            self._answered(status, "human_deleted", href=event.url.path, began=began)
            return
        calendar = icalendar.Calendar.from_ical(there.raw)
        for component in calendar.walk("VEVENT"):
            if verb == "drag" and isinstance(component, icalendar.Event):
                start = self.chance.choice(self.times)
                component.DTSTART, component.DTEND = start, start + timedelta(minutes=30)
            else:
                component["SUMMARY"] = f"{component.get('SUMMARY', '')} (asked to come early)"
        self._write(client, url, calendar.to_ical().decode(), condition)

    def _write(self, client: caldav.DAVClient, url: str, data: str, condition: dict[str, str]) -> None:
        start, end = span_of(data)
        path = caldav.lib.url.URL.objectify(url).path
        began = self._begins(path)
        answer = client.request(url, "PUT", data, {"Content-Type": "text/calendar; charset=utf-8", **condition})
        self._answered(answer.status, "human_put", href=path, began=began, start=start, end=end)

    def _begins(self, path: str) -> float:
        began = time.time()
        self.history.tell("human_begins", href=path, began=began)
        return began

    def _answered(self, status: int, done: str, **fields: object) -> None:
        """Write down what came of it; an error of the server's own says nothing about that."""
        if status in {200, 201, 204}:
            self.history.tell(done, **fields)
        elif 400 <= status < 500:
            self.history.tell("human_refused", status=status, href=fields["href"], began=fields["began"])


def span_of(data: str) -> tuple[float, float]:
    """Start and end of the one event in an object, in epoch seconds."""
    for event in icalendar.Calendar.from_ical(data).walk("VEVENT"):
        start, end = (getattr(event.get(name), "dt", None) for name in ("DTSTART", "DTEND"))
        if isinstance(start, datetime) and isinstance(end, datetime):
            return start.timestamp(), end.timestamp()
    raise ValueError("no event with times")


def _event(uid: str, start: datetime, end: datetime) -> str:
    calendar = icalendar.Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//a person//EN")
    event = icalendar.Event()
    event.add("uid", uid)
    event.add("dtstamp", start)
    event.add("dtstart", start)
    event.add("dtend", end)
    event.add("summary", "Staff meeting")
    calendar.add_component(event)
    text: str = calendar.to_ical().decode()
    return text
