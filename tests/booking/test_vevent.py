"""What is written into an event can be read back, whatever a caller is called."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from ari_app.booking.busy import Reading, read_object
from ari_app.booking.calendar_store import StoredObject
from ari_app.booking.ics_todo import completed, read_callback
from ari_app.booking.model import BookingRequest, KeptCallback, Opening, Service
from ari_app.booking.vevent import appointment_uid, callback_to_ics, one_line, part_uid, to_ics

LONDON = ZoneInfo("Europe/London")
START = datetime(2026, 10, 25, 1, 30, tzinfo=LONDON)
NOW = datetime(2026, 10, 1, tzinfo=UTC)
CLEANING = Service("cleaning", "dental cleaning", timedelta(minutes=30), (("anna",), ("room",)))
READING = Reading(LONDON, 0, 2_000_000_000, services={"cleaning": CLEANING})

anything = st.text(max_size=300) | st.text(alphabet='"\\;,:\r\n\t BEGIN:VEVENT😀\u2028', max_size=300)


def request(**fields: str) -> BookingRequest:
    opening = Opening(START, START + timedelta(minutes=30), "cleaning", ("anna", "room"))
    return BookingRequest(**({"key": "k", "opening": opening, "number": "+442079460123"} | fields))


@given(name=anything, number=anything, call_id=anything)
@settings(max_examples=300, deadline=None)
def test_no_name_breaks_out_of_its_event(name: str, number: str, call_id: str) -> None:
    text = to_ics(request(name=name, number=number, call_id=call_id), "dental cleaning", 0, now=NOW)
    (event,) = Calendar.from_ical(text).walk("VEVENT")
    assert set(event) <= {
        *("UID", "DTSTAMP", "CREATED", "DTSTART", "DTEND", "SUMMARY", "DESCRIPTION", "STATUS", "TRANSP", "SEQUENCE"),
        *(f"X-ARI-APP-{fact}" for fact in ("KEY", "APPOINTMENT", "SERVICE", "RESOURCES", "NUMBER", "NAME", "CALL")),
    }
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    found = read_object(text, READING, resource="anna", href="/x", etag="e").appointment
    assert found is not None
    assert found.name == one_line(name)
    assert (found.start, found.end, found.service) == (START, START + timedelta(minutes=30), "cleaning")


def test_the_first_pass_of_a_doubled_hour_stays_the_first() -> None:
    found = read_object(to_ics(request(), "x", 0, now=NOW), READING, resource="anna", href="/x").appointment
    assert found is not None
    assert found.start.utcoffset() == timedelta(hours=1)


def test_every_try_of_one_wish_has_one_uid_and_each_resource_its_own() -> None:
    assert appointment_uid("k") == part_uid("k", 0) != part_uid("k", 1) != part_uid("other", 1)
    parts = [Calendar.from_ical(to_ics(request(), "x", index, now=NOW)).walk("VEVENT")[0] for index in (0, 1)]
    assert len({str(part["UID"]) for part in parts}) == 2
    assert {str(part["X-ARI-APP-APPOINTMENT"]) for part in parts} == {appointment_uid("k")}


@given(name=anything, about=anything, preferred=anything)
@settings(max_examples=100, deadline=None)
def test_a_callback_can_be_read_back_until_it_is_completed(name: str, about: str, preferred: str) -> None:
    kept = KeptCallback("u@ari-app", "+442079460123", name, about, preferred, datetime(2026, 3, 2, 12, tzinfo=UTC))
    item = StoredObject("/x", "e", callback_to_ics(kept, now=NOW))
    found = read_callback(item)
    assert found is not None
    assert (found.uid, found.number, found.due) == (kept.uid, kept.number, kept.due)
    assert (found.name, found.preferred) == (one_line(name, 1000), one_line(preferred, 1000))
    assert read_callback(StoredObject("/x", "e", completed(item, now=NOW))) is None
