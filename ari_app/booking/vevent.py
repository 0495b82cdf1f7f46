"""An appointment as a VEVENT, and back. Whatever a caller's name holds, the object stays well-formed.

What is written: DTSTART/DTEND in UTC, SUMMARY "service: name", DESCRIPTION with the caller's number for the desk, and
X-ARI-APP-* properties for us: KEY (the wish it answers), APPOINTMENT (one UID for all its resources' events),
SERVICE, RESOURCES, NUMBER, NAME, CALL; KEPT where a change that was cut short left it standing. A person may change any
of it from their own client.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid5

from icalendar import Calendar, Event, Todo

from ari_app.booking.ics_lines import Block
from ari_app.booking.model import Appointment, AppointmentPart, BookingRequest, KeptCallback, Service

PRODID = "-//ari_app//telephone booking//EN"
UID_HOST = "@ari-app"
_NAMESPACE = UUID("6e6f7e1a-5f0c-5a3e-9d0b-6172695f6170")
_LONGEST_NAME = 120
_LONGEST_FACT = 255
_LONGEST_ABOUT = 1000
_ESCAPED_IN_TEXT = re.compile(r'[%\\;,"]')
_ENCODED = re.compile(r"%(25|5C|3B|2C|22)")
_MARK = re.compile(r"(?mi)^X-ARI-APP-KEPT:.*\r?\n")
_END_OF_EVENT = re.compile(r"(?mi)^END:VEVENT")
_PHONE = re.compile(r"\+\d(?:[ ()./-]{0,2}\d){6,14}(?!\d)")


def appointment_uid(key: str) -> str:
    """The UID that the wish `key` gives its appointment: the same at every try."""
    return f"{uuid5(_NAMESPACE, key)}{UID_HOST}"


def part_uid(key: str, index: int) -> str:
    """The UID of the event on the `index`th resource; some servers refuse one UID in two calendars of an account."""
    return appointment_uid(key) if index == 0 else f"{uuid5(_NAMESPACE, f'{key}/{index}')}{UID_HOST}"


def to_ics(request: BookingRequest, service_name: str, index: int, *, now: datetime) -> str:
    """The calendar object of `request` on its `index`th resource."""
    opening = request.opening
    name = one_line(request.name)
    event = Event()
    event.add("uid", part_uid(request.key, index))
    event.add("dtstamp", now.astimezone(UTC))
    event.add("created", now.astimezone(UTC))
    event.add("dtstart", opening.start.astimezone(UTC))
    event.add("dtend", opening.end.astimezone(UTC))
    event.add("summary", summary(request, service_name))
    event.add("description", "\n".join(_for_the_desk(request, name)))
    event.add("status", "CONFIRMED")
    event.add("transp", "OPAQUE")
    event.add("sequence", 0)
    facts = {
        "key": request.key,
        "appointment": appointment_uid(request.key),
        "service": opening.service,
        "resources": " ".join(opening.resources),
        "number": request.number,
        "name": name,
        "call": request.call_id,
    }
    for fact, value in facts.items():
        if value:
            event.add(f"x-ari-app-{fact}", encoded(one_line(value, _LONGEST_FACT)))
    return _wrapped(event)


def summary(request: BookingRequest, service_name: str) -> str:
    """The title that we give an event."""
    return f"{one_line(service_name)}: {one_line(request.name) or one_line(request.number) or 'a caller'}"


def callback_to_ics(callback: KeptCallback, *, now: datetime) -> str:
    """A promised callback as a VTODO."""
    todo = Todo()
    todo.add("uid", callback.uid)
    todo.add("dtstamp", now.astimezone(UTC))
    todo.add("created", now.astimezone(UTC))
    if callback.due is not None:
        todo.add("due", callback.due.astimezone(UTC))
    who = one_line(callback.name) or one_line(callback.number) or "a caller without a number"
    todo.add("summary", f"Call back {who}")
    lines = [
        f"Telephone: {one_line(callback.number) or 'withheld'}",
        f"About: {one_line(callback.about, _LONGEST_ABOUT)}",
    ]
    if callback.preferred:
        lines.append(f"Would like to be called: {one_line(callback.preferred, _LONGEST_ABOUT)}")
    todo.add("description", "\n".join(lines))
    todo.add("status", "NEEDS-ACTION")
    for fact in ("number", "name", "about", "preferred"):
        if value := one_line(getattr(callback, fact), _LONGEST_ABOUT):
            todo.add(f"x-ari-app-{fact}", encoded(value))
    if callback.call_id:
        todo.add("x-ari-app-call", encoded(one_line(callback.call_id)))
    return _wrapped(todo)


def marked(data: str, mark: str) -> str:
    """The same object with a mark that changes nothing but its ETag, in place of an earlier one."""
    line_end = "\r\n" if "\r\n" in data else "\n"
    return _END_OF_EVENT.sub(f"X-ARI-APP-KEPT:{mark}{line_end}END:VEVENT", _MARK.sub("", data), count=1)


def is_ours(event: Block) -> bool:
    """Whether our own code wrote this event, whatever was changed since."""
    return event.value("UID").strip().endswith(UID_HOST) or bool(event.line("X-ARI-APP-KEY"))


def fact_of(event: Block, fact: str) -> str:
    """What we wrote as X-ARI-APP-`fact`; "" where it isn't there."""
    return decoded(event.text(f"X-ARI-APP-{fact}"))


def key_of(event: Block) -> str:
    """The wish that this event answers; "" where it isn't ours."""
    return fact_of(event, "KEY")


def uid_of(event: Block) -> str:
    """The appointment that this event belongs to: its own UID where it isn't ours."""
    return fact_of(event, "APPOINTMENT") or event.value("UID").strip()


def service_of(event: Block, services: Mapping[str, Service]) -> str | None:
    """The service it is for: as written by us, else the one whose name its title holds."""
    written = fact_of(event, "SERVICE")
    if written in services:
        return written
    title = event.text("SUMMARY").casefold()
    named = [service for service in services.values() if service.name.casefold() in title]
    return max(named, key=lambda service: len(service.name)).id if named else None


def number_of(event: Block) -> str:
    """The caller's number: as written by us, else the first international one in its texts; "" where there is none."""
    if written := fact_of(event, "NUMBER"):
        return written
    for name in ("SUMMARY", "LOCATION", "DESCRIPTION"):
        if found := _PHONE.search(event.text(name)):
            return "+" + re.sub(r"\D", "", found[0])
    return ""


def to_appointment(
    event: Block,
    *,
    start: datetime,
    end: datetime,
    resource: str,
    href: str,
    etag: str,
    services: Mapping[str, Service],
) -> Appointment | None:
    """What this event says about an appointment on `resource`; None where it names no caller and isn't ours."""
    number = number_of(event)
    if not number and not is_ours(event):
        return None
    resources = tuple(fact_of(event, "RESOURCES").split()) or (resource,)
    return Appointment(
        uid=uid_of(event),
        service=service_of(event, services),
        start=start,
        end=end,
        resources=resources if resource in resources else (resource,),
        number=number,
        name=fact_of(event, "NAME"),
        href=href,
        etag=etag,
        title=event.text("SUMMARY"),
        parts=(AppointmentPart(resource, href, etag),),
    )


def safe_number(number: str) -> str:
    """A caller's number as an event holds it; caller ids come from anybody."""
    return one_line(number, _LONGEST_FACT)


def encoded(value: str) -> str:
    """A value for an X- property, percent-encoded where TEXT would be escaped: servers escape unknown properties
    once, twice or not at all."""
    return _ESCAPED_IN_TEXT.sub(lambda found: f"%{ord(found[0]):02X}", value)


def decoded(value: str) -> str:
    """The value that was encoded."""
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), value)


def one_line(text: str, longest: int = _LONGEST_NAME) -> str:
    """Text from outside, made safe for one line: no control characters, no lone surrogates, bounded."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    visible = "".join(" " if _is_control(char) else char for char in whole[: 10 * longest])
    return " ".join(visible.split())[:longest].strip()


def _is_control(char: str) -> bool:
    return (
        unicodedata.category(char) in {"Cc", "Zl", "Zp", "Cn"} or char in "\u202a\u202b\u202c\u202d\u202e\ufffe\uffff"
    )


def _for_the_desk(request: BookingRequest, name: str) -> list[str]:
    lines = [f"Telephone: {one_line(request.number) or 'withheld'}"]
    if name:
        lines.append(f"Name: {name}")
    return [*lines, "Booked by telephone."]


def _wrapped(component: Event | Todo) -> str:
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODID)
    calendar.add_component(component)
    text: str = calendar.to_ical().decode("utf-8")
    return text
