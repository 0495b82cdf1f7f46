"""Calendar objects as people and programs write them, and as nobody should."""

import re
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ari_app.booking.availability import Busy
from ari_app.booking.busy import Reading, UnreadableObject, read_object
from ari_app.booking.model import Service

LONDON = ZoneInfo("Europe/London")
START, END = datetime(2026, 3, 1, tzinfo=LONDON), datetime(2026, 4, 15, tzinfo=LONDON)
READING = Reading(LONDON, int(START.timestamp()), int(END.timestamp()))
CALENDARS = Path(__file__).with_name("calendars")

EXPECTED = {
    "weekly_with_exception": ["02 09:00-10:00", "17 14:00-14:30", "30 09:00-10:00"],
    "across_clock_change": ["27 09:00-09:30", "28 09:00-09:30", "29 09:00-09:30", "30 09:00-09:30"],
    "own_time_zone": ["03 09:00-10:00"],
    "rdate_periods": ["04 10:00-10:30", "05 11:00-11:30", "06 12:00-12:30", "07 10:00-12:00"],
    "all_day_yearly": ["10 00:00-00:00"],
    "not_busy": [],
}


def ics(*lines: str, before: str = "") -> str:
    event = "\r\n".join(["BEGIN:VEVENT", "UID:x", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"])
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{before}{event}\r\nEND:VCALENDAR\r\n"


def busy(*lines: str, before: str = "", reading: Reading = READING) -> tuple[Busy, ...]:
    return read_object(ics(*lines, before=before), reading, resource="anna", href="/x.ics").busy


def shown(found: tuple[Busy, ...]) -> list[str]:
    local = [(datetime.fromtimestamp(item.start, LONDON), datetime.fromtimestamp(item.end, LONDON)) for item in found]
    return [f"{start:%d %H:%M}-{end:%H:%M}" for start, end in sorted(local)]


def reversed_components(text: str) -> str:
    """The same object with its components in the opposite order."""
    parts = re.findall(r"BEGIN:V(?:EVENT|TIMEZONE).*?END:V(?:EVENT|TIMEZONE)\r\n", text, re.DOTALL)
    head = text[: text.index(parts[0])]
    return head + "".join(reversed(parts)) + "END:VCALENDAR\r\n"


@pytest.mark.parametrize("order", [str, reversed_components], ids=["as written", "reversed"])
@pytest.mark.parametrize("name", EXPECTED)
def test_recurring_events_are_busy_when_they_take_place(name: str, order: type[str]) -> None:
    text = order((CALENDARS / f"{name}.ics").read_bytes().decode())
    assert shown(read_object(text, READING, resource="anna", href="/x.ics").busy) == EXPECTED[name]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("DTSTART:20260303T100000Z", "DTEND:20260303T110000Z"), ["03 10:00-11:00"]),
        (("DTSTART:20260303T100000", "DTEND:20260303T110000"), ["03 10:00-11:00"]),
        (("DTSTART;VALUE=DATE:20260303",), ["03 00:00-00:00"]),
        (("DTSTART;VALUE=DATE:20260329", "DURATION:P1D"), ["29 00:00-00:00"]),
        (("DTSTART;TZID=Europe/Vienna:20260303T100000", "DURATION:PT90M"), ["03 09:00-10:30"]),
        (("DTSTART;TZID=W. Europe Standard Time:20260303T100000", "DURATION:PT1H"), ["03 09:00-10:00"]),
        (
            ("DTSTART;TZID=Nowhere/At All:20260303T100000", "DTEND;TZID=Nowhere/At All:20260303T110000"),
            ["03 10:00-11:00"],
        ),
        (("DTSTART;TZID=Europe/London:20260328T120000", "DURATION:P1D"), ["28 12:00-12:00"]),
        (("DTSTART:20260303T100000Z",), []),
        (("DTSTART:20260303T100000Z", "DTEND:20260303T110000Z", "STATUS:CANCELLED"), []),
        (("DTSTART:20260303T100000Z", "DTEND:20260303T110000Z", "STATUS:TENTATIVE"), ["03 10:00-11:00"]),
        (("DTSTART:20260303T100000Z", "DTEND:20260303T110000Z", "TRANSP:TRANSPARENT"), []),
        (("DTSTART;VALUE=DATE:20260303", "TRANSP:TRANSPARENT", "SUMMARY:Out of office"), ["03 00:00-00:00"]),
        (("DTSTART;VALUE=DATE:20260303", "TRANSP:TRANSPARENT", "SUMMARY:closed for repair"), ["03 00:00-00:00"]),
        (
            ("DTSTART:20260303T100000Z", "DTEND:20260303T110000Z", "RRULE:FREQ=DAILY;COUNT=2"),
            ["03 10:00-11:00", "04 10:00-11:00"],
        ),
        (("DTSTART:20200101T100000Z", "DTEND:20200101T110000Z"), []),
    ],
)
def test_what_counts_as_busy(lines: tuple[str, ...], expected: list[str]) -> None:
    assert shown(busy(*lines)) == expected


def test_a_closure_is_told_from_an_appointment() -> None:
    closure, meeting = (busy("DTSTART;VALUE=DATE:20260303", f"SUMMARY:{title}")[0] for title in ("Closed", "Meeting"))
    assert closure.is_closure
    assert not meeting.is_closure


def test_our_own_event_takes_one_seat_and_its_services_buffers() -> None:
    service = Service("s", "s", timedelta(hours=1), (("anna",),), timedelta(minutes=5), timedelta(minutes=10))
    reading = Reading(LONDON, READING.start, READING.end, services={"s": service})
    ours = ("X-ARI-APP-KEY:k", "X-ARI-APP-SERVICE:s", "DTSTART:20260303T100000Z", "DTEND:20260303T110000Z")
    (item,) = busy(*ours, reading=reading)
    assert (shown((item,)), item.seats) == (["03 09:55-11:10"], 1)


# --- objects that nobody should write ---------------------------------------------------------------------------------

TEN = "DTSTART:20260303T100000Z", "DTEND:20260303T110000Z"
EXCEPTION = "\r\n".join(
    [
        "BEGIN:VEVENT",
        "UID:x",
        "RECURRENCE-ID:{0:%Y%m%dT%H%M%SZ}",
        "DTSTART:{1:%Y%m%dT%H%M%SZ}",
        "DTEND:{2:%Y%m%dT%H%M%SZ}",
        "END:VEVENT",
        "",
    ]
)
MAD_ZONE = "\r\n".join(
    [
        "BEGIN:VTIMEZONE",
        "TZID:Mad",
        "BEGIN:STANDARD",
        "DTSTART:16010101T000000",
        "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0100",
        "RRULE:FREQ=SECONDLY",
        "END:STANDARD",
        "END:VTIMEZONE",
        "",
    ]
)
MINUTE = timedelta(minutes=1)
SINCE_2010 = "DTSTART:20100101T100000Z", "DTEND:20100101T110000Z", "RRULE:FREQ=DAILY"
DAYS_SINCE_2010 = [datetime(2010, 1, 1, 10, tzinfo=UTC) + timedelta(days=n) for n in range(10_000)]
EVERY_MINUTE = f"BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}"


def exceptions(count: int, first: datetime, every: timedelta) -> str:
    starts = [first + number * every for number in range(count)]
    return "".join(EXCEPTION.format(at, at + timedelta(hours=1), at + timedelta(hours=2)) for at in starts)


READABLE = {
    "5 MB of attachment": (ics(*TEN, "ATTACH;ENCODING=BASE64;VALUE=BINARY:" + "\r\n ".join(["QUJD" * 18] * 70_000)), 1),
    "5 MB of alarms": (ics(*TEN, *["BEGIN:VALARM", "TRIGGER:-PT15M", "ACTION:DISPLAY", "END:VALARM"] * 90_000), 1),
    "10,000 exceptions over 27 years": (
        ics(
            "DTSTART:20100101T100000Z",
            "DTEND:20100101T110000Z",
            "RRULE:FREQ=DAILY",
            before=exceptions(10_000, datetime(2010, 1, 1, 10, tzinfo=UTC), timedelta(days=1)),
        ),
        45,
    ),
    "10,000 EXDATEs": (ics(*SINCE_2010, "EXDATE:" + ",".join(f"{day:%Y%m%dT%H%M%SZ}" for day in DAYS_SINCE_2010)), 0),
    "an event from 1601": (ics("DTSTART:16010101T100000Z", "DTEND:16010101T110000Z"), 0),
    "an event from 1601 until 9999": (ics("DTSTART:16010101T100000Z", "DTEND:99991231T110000Z"), 1),
    "every day since 1601": (ics("DTSTART:16010101T100000Z", "DTEND:16010101T110000Z", "RRULE:FREQ=DAILY"), 45),
    "seconds with an end": (ics(*TEN, "RRULE:FREQ=SECONDLY;COUNT=3"), 3),
    "a zone with a rule every second": (ics("DTSTART;TZID=Mad:20260303T100000", "DURATION:PT1H", before=MAD_ZONE), 1),
    "no end of lines": (ics(*TEN).replace("\r\n", "\n"), 1),
    "a task among events": (ics(*TEN, before="BEGIN:VTODO\r\nUID:t\r\nDTSTART:20260303T120000Z\r\nEND:VTODO\r\n"), 1),
    "nothing": ("", 0),
}
UNREADABLE = {
    "every second without end": ics(*TEN, "RRULE:FREQ=SECONDLY"),
    "every minute without end": ics(*TEN, "RRULE:FREQ=MINUTELY"),
    "every minute of the day": ics(*TEN, f"RRULE:FREQ=DAILY;{EVERY_MINUTE}"),
    "the 30th of February": ics(*TEN, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"),
    "an hour that never comes": ics(*TEN, "RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30;COUNT=5"),
    "10,000 exceptions in one week": ics(
        *TEN, "RRULE:FREQ=DAILY", before=exceptions(10_000, START, timedelta(minutes=1))
    ),
    "DTEND before DTSTART": ics("DTSTART:20260303T100000Z", "DTEND:20260302T100000Z"),
    "DTEND before DTSTART, weekly": ics("DTSTART:20260303T100000Z", "DTEND:20260302T100000Z", "RRULE:FREQ=WEEKLY"),
    "no DTSTART": ics("SUMMARY:when?"),
    "a date that isn't": ics("DTSTART:20260231T100000Z", "DTEND:20260303T110000Z"),
    "a rule that isn't": ics(*TEN, "RRULE:every now and then"),
    "INTERVAL=0": ics(*TEN, "RRULE:FREQ=DAILY;INTERVAL=x"),
    "nested components": "BEGIN:VCALENDAR\r\n" * 5000,
    "21 MB": "BEGIN:VCALENDAR\r\n" + "X" * 21_000_000,
}


@pytest.mark.parametrize("name", [*READABLE, *UNREADABLE])
def test_no_object_takes_unbounded_time_or_memory(name: str) -> None:
    text = READABLE[name][0] if name in READABLE else UNREADABLE[name]
    began = time.process_time()
    if name in READABLE:
        assert len(read_object(text, READING, resource="anna", href="/x.ics").busy) == READABLE[name][1]
    else:
        with pytest.raises(UnreadableObject):
            read_object(text, READING, resource="anna", href="/x.ics")
    assert time.process_time() - began < 10


def test_reading_five_megabytes_keeps_nothing_of_them() -> None:
    text = READABLE["5 MB of attachment"][0]
    tracemalloc.start()
    facts = read_object(text, READING, resource="anna", href="/x.ics")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(facts.busy) == 1
    assert kept < 1_000_000


def test_invalid_utf8_is_read_as_far_as_it_goes() -> None:
    data = ics(*TEN, "SUMMARY:caf\u00e9").encode("latin-1")
    assert shown(read_object(data, READING, resource="anna", href="/x.ics").busy) == ["03 10:00-11:00"]


# --- the quick way for plain events says what the parser says ---------------------------------------------------------

_zones = st.sampled_from(["", "Z", "Europe/London", "Europe/Vienna", "America/New_York", "Asia/Kolkata"])


@given(
    start=st.timedeltas(timedelta(days=-10), timedelta(days=50)).map(lambda after: START.replace(tzinfo=None) + after),
    length=st.timedeltas(timedelta(0), timedelta(days=3)),
    zone=_zones,
    is_dated=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_the_quick_way_agrees_with_the_parser(start: datetime, length: timedelta, zone: str, is_dated: bool) -> None:
    def line(name: str, value: datetime, trick: str = "") -> str:
        if is_dated:
            return f"{name}{trick};VALUE=DATE:{value:%Y%m%d}"
        suffix, param = ("Z", "") if zone == "Z" else ("", f";TZID={zone}" if zone else "")
        return f"{name}{trick}{param}:{value:%Y%m%dT%H%M%S}{suffix}"

    quick = busy(line("DTSTART", start), line("DTEND", start + length))
    slow = busy(line("DTSTART", start, ";X-SLOW=1"), line("DTEND", start + length, ";X-SLOW=1"))
    assert quick == slow
