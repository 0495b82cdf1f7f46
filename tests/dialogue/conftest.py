"""A small real practice with a desk that answers the policy's actions out of a schedule in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ari_app.booking.availability import Busy, Diary, openings, why_not
from ari_app.booking.model import Appointment, Opening, Wish
from ari_app.config import Settings
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business, business_from
from ari_app.dialogue.policy import begin, step
from ari_app.dialogue.state import State
from ari_app.understanding.meaning import CallerAct

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 23, 8, 40, tzinfo=LONDON)
"""A Monday."""

ENGLISH = {
    "business": {
        "name": "Bright Street Dental",
        "address": "twelve Bright Street",
        "hours": {day: ["09:00-17:30"] for day in ("mon", "tue", "wed", "thu", "fri")},
        "answers": {"parking": "There is free parking behind the house."},
    },
    "services": [
        {
            "id": "cleaning",
            "name": "dental cleaning",
            "synonyms": ["cleaning", "clean", "teeth cleaning", "scale and polish", "hygienist", "teeth done"],
            "duration_min": 30,
            "resources": ["anna"],
            "price": "sixty pounds",
        },
        {
            "id": "checkup",
            "name": "check up",
            "synonyms": ["checkup", "examination", "exam", "dentist", "check"],
            "duration_min": 30,
            "resources": ["patel"],
            "price": "forty pounds",
        },
        {
            "id": "filling",
            "name": "filling",
            "synonyms": ["a filling", "hole in my tooth", "cavity"],
            "duration_min": 60,
            "resources": ["patel"],
            "price": "ninety pounds",
        },
    ],
    "resources": [
        {"id": "anna", "name": "Anna", "synonyms": ["the hygienist"], "calendar": "anna/"},
        {"id": "patel", "name": "doctor Patel", "synonyms": ["patel", "doctor patel"], "calendar": "patel/"},
    ],
    "sms": {"gateway": "sip"},
    "dialogue": {"ask_name": False, "ask_number": False},
}

GERMAN = {
    "business": {
        "name": "Zahnarztpraxis am Markt",
        "language": "de",
        "locale": "de-DE",
        "timezone": "Europe/Berlin",
        "country": "DE",
        "address": "Marktplatz drei",
        "hours": {day: ["09:00-17:30"] for day in ("mon", "tue", "wed", "thu", "fri")},
        "answers": {"parkplatz": "Hinter dem Haus sind Parkplätze."},
    },
    "services": [
        {
            "id": "cleaning",
            "name": "Zahnreinigung",
            "synonyms": ["Reinigung", "Zähne reinigen", "professionelle Zahnreinigung"],
            "duration_min": 30,
            "resources": ["anna"],
            "price": "sechzig Euro",
        },
        {
            "id": "checkup",
            "name": "Kontrolluntersuchung",
            "synonyms": ["Kontrolle", "Vorsorge", "Untersuchung"],
            "duration_min": 30,
            "resources": ["weber"],
            "price": "vierzig Euro",
        },
    ],
    "resources": [
        {"id": "anna", "name": "Anna", "calendar": "anna/"},
        {"id": "weber", "name": "Doktor Weber", "synonyms": ["weber", "doktor weber"], "calendar": "weber/"},
    ],
    "sms": {"gateway": "sip"},
    "dialogue": {"ask_name": False, "ask_number": False},
}

CLOSED = {date(2026, 12, 25): "holiday Christmas Day", date(2026, 12, 28): "holiday Boxing Day (substitute)"}


@dataclass
class Desk:
    """The booking side: openings, bookings, moves and cancellations over appointments in memory."""

    business: Business
    now: datetime
    appointments: list[Appointment] = field(default_factory=list)
    blockers: list[Appointment] = field(default_factory=list)
    """Other people's appointments."""
    full_days: set[date] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    """Names of acts that fail."""
    snatched: int = 0
    """How many bookings are lost to somebody faster."""
    done: list[a.SystemAct] = field(default_factory=list)
    is_human_there: bool = True

    def answer(self, act: a.SystemAct) -> a.Event | None:
        """The result event; None: the call is over."""
        self.done.append(act)
        if type(act).__name__ in self.failing:
            return a.ActionFailed(type(act).__name__)
        match act:
            case a.FindOpenings(wish):
                return self._found(wish)
            case a.Book(opening, name):
                return self._lost(opening) or a.Booked(self._add(opening, name))
            case a.Move(appointment, opening):
                if lost := self._lost(opening):
                    return lost
                if appointment not in self.appointments:
                    return a.AppointmentGone(tuple(self.appointments))
                self.appointments.remove(appointment)
                return a.Moved(self._add(opening, appointment.name), appointment)
            case a.Cancel(appointment):
                if appointment not in self.appointments:
                    return a.AppointmentGone(tuple(self.appointments))
                self.appointments.remove(appointment)
                return a.CancelledAppointment(appointment)
            case a.KeepCallback():
                return a.CallbackKept(self.now + timedelta(hours=2))
            case a.HandOff():
                return None if self.is_human_there else a.HandOffFailed("no_answer")
        return None

    def block(self, appointment: Appointment) -> None:
        """Somebody else has this time."""
        self.blockers.append(appointment)
        self.appointments.append(appointment)

    def free(self, service: str, first: date, last: date, resource: str | None = None) -> list[Opening]:
        days = [first + timedelta(days=each) for each in range((last - first).days + 1)]
        bookable = [day for day in days if day not in self.full_days]
        wanted = self.business.services[service]
        return list(openings(self._diary(), wanted, bookable, self._busy, now=self.now, resource=resource))

    def _found(self, wish: Wish) -> a.OpeningsFound:
        service = self.business.services[wish.service]
        last = min(wish.last_day, (self.now + service.horizon).date())
        free = self.free(wish.service, max(wish.first_day, self.now.date()), last, wish.resource)
        fitting = [each for each in free if _fits(each, wish)]
        if wish.near is not None:
            fitting.sort(key=lambda each: abs(each.start - wish.near))
        if fitting:
            return a.OpeningsFound(tuple(fitting), ())
        everything = self.free(wish.service, self.now.date(), (self.now + service.horizon).date())
        near = wish.near or datetime.combine(wish.first_day, datetime.min.time(), self.business.zone)
        everything.sort(key=lambda each: (each.start.date() != near.date(), abs(each.start - near)))
        point = wish.near if wish.earliest == wish.latest else None
        reason = ""
        if point is not None:
            asked = Opening(point, point + service.duration, service.id, tuple(group[0] for group in service.groups))
            reason = why_not(self._diary(), service, asked, now=self.now)
        elif wish.first_day == wish.last_day and not self.business.hours[wish.first_day.weekday()]:
            reason = "closed"
        if reason == "hours" and not self.business.hours[near.weekday()]:
            reason = "closed"
        return a.OpeningsFound((), tuple(everything[:12]), reason, is_wish_taken=point is not None and not reason)

    def _lost(self, opening: Opening) -> a.OpeningGone | None:
        if self.snatched:
            self.snatched -= 1
            self._add(opening, "Somebody Faster")
        elif opening.start in {
            each.start for each in self.free(opening.service, opening.start.date(), opening.start.date())
        }:
            return None
        free = self.free(opening.service, self.now.date(), (self.now + timedelta(days=30)).date())
        return a.OpeningGone(tuple(sorted(free, key=lambda each: abs(each.start - opening.start))[:6]))

    def _add(self, opening: Opening, name: str) -> Appointment:
        uid = f"uid-{len(self.done)}"
        made = Appointment(uid, opening.service, opening.start, opening.end, opening.resources, "+447700900001", name)
        self.appointments.append(made)
        return made

    def _busy(self, resource: str, start: int, end: int) -> Sequence[Busy]:
        return [
            Busy(int(each.start.timestamp()), int(each.end.timestamp()))
            for each in self.appointments
            if resource in each.resources
        ]

    def _diary(self) -> Diary:
        return Diary(
            self.business.zone, self.business.services, self.business.resources, lambda day: CLOSED.get(day, "")
        )


def _fits(opening: Opening, wish: Wish) -> bool:
    day, at = opening.start.date(), opening.start.time()
    return (
        wish.first_day <= day <= wish.last_day
        and (not wish.weekdays or day.weekday() in wish.weekdays)
        and day not in wish.excluded
        and (wish.earliest is None or at >= wish.earliest)
        and (wish.latest is None or at <= wish.latest)
    )


@dataclass
class Call:
    """One call in progress: what was said and done so far."""

    desk: Desk
    business: Business
    state: State
    acts: tuple[a.SystemAct, ...]
    said: list[a.Say] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """One entry for each turn of the agent."""
    ending: a.SystemAct | None = None

    @classmethod
    def start(
        cls,
        desk: Desk,
        *,
        number: str = "+447700900001",
        customer: a.Customer | None = None,
        appointments: Sequence[Appointment] = (),
    ) -> "Call":
        desk.appointments.extend(each for each in appointments if each not in desk.appointments)
        started = a.CallStarted(desk.now, number, customer, tuple(appointments))
        state, system_acts = begin(desk.business, started)
        call = cls(desk, desk.business, state, system_acts)
        call._settle()
        return call

    @property
    def listening(self) -> a.Listen:
        last = self.acts[-1]
        assert isinstance(last, a.Listen), last
        return last

    @property
    def last_ids(self) -> list[str]:
        return [each.text_id for each in self.acts if isinstance(each, a.Say)]

    def says(self, act: CallerAct | None = None, *, heard: int | None = None, **fields: object) -> "Call":
        """A caller act; its fields may be given as keywords."""
        meant = act or replace(CallerAct(text="something"), **fields)
        return self.event(a.CallerSpoke(meant, self.desk.now, heard))

    def presses(self, digits: str) -> "Call":
        return self.event(a.CallerPressed(digits, self.desk.now))

    def is_silent(self) -> "Call":
        return self.event(a.CallerSilent(self.desk.now))

    def event(self, event: a.Event) -> "Call":
        assert self.ending is None, f"the call is over: {self.ending}"
        self._step(event)
        self._settle()
        return self

    def _step(self, event: a.Event) -> None:
        self.state, self.acts = step(self.business, self.state, event)

    def _settle(self) -> None:
        """Run actions until the caller has the turn or the call is over."""
        turn_words: list[str] = []
        while True:
            *says, last = self.acts
            for each in says:
                assert isinstance(each, a.Say), f"{each} isn't the last act"
                self.said.append(each)
                turn_words.append(self.business.texts.render(each.text_id, each.values, each.variant, self.desk.now))
            if isinstance(last, a.Listen):
                break
            if isinstance(last, a.HangUp):
                self.ending = last
                break
            assert not isinstance(last, a.Say), "a turn never ends in words"
            result = self.desk.answer(last)
            if result is None:
                self.ending = last
                break
            self._step(result)
        self.words.append(" ".join(turn_words))


@pytest.fixture(scope="session")
def english() -> Business:
    return business_from(Settings.model_validate(ENGLISH))


@pytest.fixture(scope="session")
def german() -> Business:
    return business_from(Settings.model_validate(GERMAN))


@pytest.fixture
def desk(english: Business) -> Desk:
    return Desk(english, NOW)


@pytest.fixture
def new_desk() -> Callable[[Business], Desk]:
    return lambda business: Desk(business, NOW.astimezone(business.zone))


@pytest.fixture
def call(desk: Desk) -> Call:
    """An unknown caller, greeted."""
    return Call.start(desk)


@pytest.fixture
def start() -> Callable[..., Call]:
    return Call.start


@pytest.fixture
def maria() -> a.Customer:
    return a.Customer("+447700900001", "Maria Jones", birth_year=1984, pin="4711")


@pytest.fixture
def cleaning_on_friday() -> Appointment:
    """Maria's cleaning with Anna on Friday 27 November at half past ten."""
    start = datetime(2026, 11, 27, 10, 30, tzinfo=LONDON)
    return Appointment(
        "seed-1", "cleaning", start, start + timedelta(minutes=30), ("anna",), "+447700900001", "Maria Jones"
    )


@pytest.fixture(scope="session")
def english_tables() -> dict:
    return ENGLISH


@pytest.fixture(scope="session")
def german_tables() -> dict:
    return GERMAN


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW
