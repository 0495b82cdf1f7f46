"""RFC 5545 content lines: only those that say when something is, whose it is and what it is called.

A calendar object may hold megabytes that say nothing about time (attachments, alarms, invitations). They are dropped
line by line, before anything is parsed, so that reading one object stays bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_BYTES = 20_000_000
_LONGEST_VALUE = 4000
_MOST_ZONE_LINES = 2000

_FOLD = re.compile(r"\r?\n[ \t]")
_LINE_END = re.compile(r"\r\n|\n|\r")
_KEPT = re.compile(
    r"(?i)(DTSTART|DTEND|DURATION|RRULE|RDATE|EXDATE|RECURRENCE-ID|UID|SEQUENCE|SUMMARY|DESCRIPTION|LOCATION|STATUS"
    r"|TRANSP|X-ARI-APP-[A-Z]+)[;:]"
)
_LISTS = ("RDATE", "EXDATE")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ZONE_RULE = re.compile(r"(?i)RRULE[;:].*FREQ=(SECONDLY|MINUTELY|HOURLY|DAILY|WEEKLY)")


class TooMuch(ValueError):
    """More than any person's calendar object holds."""


@dataclass(frozen=True, slots=True)
class Block:
    """One VEVENT's kept lines, unfolded."""

    lines: tuple[str, ...]

    def value(self, name: str) -> str:
        """The first value of this property as it stands, without its parameters; "" where there is none."""
        found = self.line(name)
        return _value_of(found) if found else ""

    def text(self, name: str) -> str:
        """A TEXT value, unescaped."""
        return unescaped(self.value(name))

    def line(self, name: str) -> str:
        """The first whole line of this property; "" where there is none."""
        for line in self.lines:
            if line[: len(name)].upper() == name and line[len(name) : len(name) + 1] in {":", ";"}:
                return line
        return ""


@dataclass(slots=True)
class ObjectLines:
    """What one calendar object says: its time zones' lines and its events'."""

    zones: list[str] = field(default_factory=list)
    events: list[Block] = field(default_factory=list)


def read_lines(data: str) -> ObjectLines:
    """Split one object; raises TooMuch. Lines that belong to nothing known are dropped."""
    if len(data) > MOST_BYTES:
        raise TooMuch(f"{len(data)} bytes")
    found = ObjectLines()
    stack: list[str] = []
    event: list[str] = []
    for line in _unfolded(data):
        head = line[:6].upper()
        if head == "BEGIN:":
            stack.append(line[6:].strip().upper())
            if len(stack) > 20:
                raise TooMuch("components within components")
            if stack[-1] == "VEVENT":
                event = []
        if "VTIMEZONE" in stack:
            _keep_zone_line(found.zones, line)
        elif stack and stack[-1] == "VEVENT" and _KEPT.match(line):
            event.append(_bounded(line))
        if line[:4].upper() == "END:" and stack and stack.pop() == "VEVENT":
            found.events.append(Block(tuple(event)))
    return found


def calendar_text(zones: list[str], events: list[Block]) -> str:
    """A whole VCALENDAR of those, for a parser."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//ari_app//reading//EN", *zones]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.lines, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def unescaped(value: str) -> str:
    """A TEXT value as it was meant (RFC 5545 3.3.11)."""
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def _unfolded(data: str) -> Iterator[str]:
    yield from _LINE_END.split(_FOLD.sub("", data.lstrip("\ufeff")))


def _keep_zone_line(zones: list[str], line: str) -> None:
    if len(zones) > _MOST_ZONE_LINES:
        raise TooMuch("time zones")
    if line and not _ZONE_RULE.match(line):
        zones.append(line)


def _bounded(line: str) -> str:
    if line[:6].upper().startswith(_LISTS):
        if line.count(",") > 20_000:
            raise TooMuch("dates in one list")
        return line
    return line[:_LONGEST_VALUE]


def _value_of(line: str) -> str:
    is_quoted = False
    for index, char in enumerate(line):
        if char == '"':
            is_quoted = not is_quoted
        elif char == ":" and not is_quoted:
            return line[index + 1 :]
    return ""
