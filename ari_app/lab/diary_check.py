"""What the calendar server really holds, asked by plain caldav and not by the code that wrote it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import caldav

from ari_app.config import Settings
from ari_app.lab.places import LOOPBACK
from ari_app.lab.runtime import CALENDAR_USER, Lab


@dataclass(frozen=True, slots=True)
class Entry:
    """One event with the caller's number in it, still to come."""

    start: datetime
    service: str
    title: str
    calendar: str

    def __str__(self) -> str:
        return f"{self.start:%A %d %B %Y %H:%M} {self.title} ({self.calendar})"


async def entries_of(lab: Lab, settings: Settings, number: str) -> list[Entry]:
    """Events on any resource's calendar that name `number`, soonest first."""
    return await asyncio.to_thread(_entries, lab, settings, number)


def _entries(lab: Lab, settings: Settings, number: str) -> list[Entry]:
    url = f"http://{LOOPBACK}:{lab.ports.caldav}/"
    found: list[Entry] = []
    with caldav.DAVClient(url, username=CALENDAR_USER, password=lab.credentials["caldav"]) as client:
        for resource in settings.resources:
            calendar = client.calendar(url=f"{url}{resource.calendar}")
            for item in calendar.events():
                event = item.icalendar_component
                start = event.start
                if number in item.data and isinstance(start, datetime):
                    local = start.astimezone(settings.business.zone)
                    service = str(event.get("X-ARI-APP-SERVICE", ""))
                    found.append(Entry(local, service, str(event.get("SUMMARY", "")), resource.id))
    return sorted(found, key=lambda entry: entry.start)
