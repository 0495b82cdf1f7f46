"""What a caller meant in one turn, and what the agent had asked."""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum

TimeOfDay = time


class Intent(StrEnum):
    """What the caller wants done; several may stand in one utterance."""

    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    ENQUIRE = "enquire"
    """About their own appointment: when is it?"""
    QUESTION = "question"
    """About the business: hours, price, duration, address; see CallerAct.topic."""
    REQUEST_ALTERNATIVES = "request_alternatives"
    OPERATOR = "operator"
    REPEAT = "repeat"
    GOODBYE = "goodbye"
    THANKS = "thanks"
    HOLD_ON = "hold_on"
    NEVER_MIND = "never_mind"
    CALLBACK = "callback"


class Topic(StrEnum):
    """What a question is about."""

    HOURS = "hours"
    PRICE = "price"
    DURATION = "duration"
    ADDRESS = "address"
    SERVICES = "services"
    WHO = "who"
    """Is this a machine; who is speaking?"""
    PERSON = "person"
    """Who an appointment is with."""
    OTHER = "other"


class Slot(StrEnum):
    """A parameter of the conversation (never bookable time: that is an opening)."""

    TASK = "task"
    SERVICE = "service"
    DATE = "date"
    TIME = "time"
    RESOURCE = "resource"
    YES_NO = "yes_no"
    CHOICE = "choice"
    """One of the things just offered."""
    NAME = "name"
    DIGITS = "digits"
    """Birth year, PIN, telephone number."""


WHEN = frozenset({Slot.DATE, Slot.TIME})


class YesNo(StrEnum):
    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class DateRange:
    """Dates from..to, both included; None is open. `weekdays`: only these (0 = Monday); empty: all."""

    start: date | None
    end: date | None
    weekdays: frozenset[int] = frozenset()
    excluded: frozenset[date] = frozenset()

    def contains(self, day: date) -> bool:
        return (
            (self.start is None or day >= self.start)
            and (self.end is None or day <= self.end)
            and (not self.weekdays or day.weekday() in self.weekdays)
            and day not in self.excluded
        )

    @property
    def is_single(self) -> bool:
        return self.start is not None and self.start == self.end


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Times of day from..to of an appointment's start; None is open. A point has start == end."""

    start: time | None
    end: time | None
    is_approximate: bool = False
    """As in "around four": start == end is the wish, and near it will do."""
    excludes_end: bool = field(default=False, compare=False)
    """As in "the morning" and "before ten": noon, and ten, are no part of it."""

    @property
    def is_point(self) -> bool:
        return self.start is not None and self.start == self.end

    def contains(self, at: time) -> bool:
        if self.start is not None and at < self.start:
            return False
        return self.end is None or at < self.end or (at == self.end and (self.is_point or not self.excludes_end))


class Preference(StrEnum):
    """Relative wishes, against what was offered or at all."""

    EARLIEST = "earliest"
    EARLIER = "earlier"
    LATER = "later"
    OTHER_DAY = "other_day"
    SAME_TIME = "same_time"
    """Same time as last time, or as the appointment being moved."""


@dataclass(frozen=True, slots=True)
class ServiceWords:
    """A service or a resource as callers may name it."""

    id: str
    name: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the business calls its things; built from the settings by the app."""

    services: tuple[ServiceWords, ...] = ()
    resources: tuple[ServiceWords, ...] = ()
    opens: time = time(8)
    closes: time = time(18)
    """Earliest opening and latest closing: "three" is 15:00 where that lies between."""
    names: tuple[str, ...] = ()
    """Names that the caller may say (the customer found by number)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that the agent just offered, in the order spoken."""

    start: datetime
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the agent just read back for a yes."""

    service: str | None = None
    start: datetime | None = None
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the agent just asked, so what this turn can be answered with."""

    slots: frozenset[Slot] = frozenset()
    offered: tuple[Offer, ...] = ()
    confirming: Proposal | None = None
    prompt: str = ""
    """The words last spoken by the agent."""
    date: DateRange | None = None
    """The date being talked about already, against which "three" or "the day after" is read."""
    time: TimeRange | None = None
    previous_start: datetime | None = None
    """The appointment being moved or the last one, for "same time" and "the week after"."""
    options: tuple[str, ...] = ()
    """Words of a closed choice that are neither offers nor yes/no ("move", "new one")."""

    @property
    def is_closed(self) -> bool:
        """Only yes/no or one of a few offered things is asked."""
        return bool(self.slots) and self.slots <= {Slot.YES_NO, Slot.CHOICE, Slot.TASK}


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; times in seconds from the utterance's start."""

    text: str
    confidence: float = 1.0
    start_s: float = 0.0
    end_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of an utterance by a recogniser."""

    text: str
    confidence: float = 1.0
    """0..1, the mean of the words' where words are known."""
    words: tuple[Word, ...] = ()
    is_phrase_list: bool = False
    """It came from the turn's phrase list, not from free recognition."""


@dataclass(frozen=True, slots=True)
class CallerAct:
    """Everything that was understood in one turn; empty fields were not said."""

    text: str = ""
    intents: tuple[Intent, ...] = ()
    service: str | None = None
    """Service id."""
    unknown_service: str | None = None
    """Words that name a service which isn't offered ("a haircut" at the dentist's)."""
    service_candidates: tuple[str, ...] = ()
    """More than one service fits what was said: to be asked about, never guessed."""
    date: DateRange | None = None
    time: TimeRange | None = None
    time_candidates: tuple[TimeOfDay, ...] = ()
    """Two readings that matter (8 in the morning or the evening): to be asked about."""
    impossible_date: str | None = None
    """Words that name no date ("the thirty first of february")."""
    yes_no: YesNo | None = None
    choice: int | None = None
    """Index into Expectation.offered (or options)."""
    option: str | None = None
    preference: Preference | None = None
    resource: str | None = None
    any_resource: bool = False
    name: str | None = None
    is_named: bool = False
    """The name stands after "my name is" or the like."""
    letters: str | None = None
    digits: str | None = None
    topic: Topic | None = None
    rejected: frozenset[Slot] = frozenset()
    """Slots whose present value the caller took back ("not wednesday") without giving another."""
    refused_date: DateRange | None = None
    """The days that were refused in it, where they are known."""
    refused_time: TimeRange | None = None
    refused_resource: str | None = None
    """ "Anyone but doctor Patel"."""
    corrected: frozenset[Slot] = frozenset()
    """Slots given anew with a correcting word ("no, thursday")."""
    wants_back: bool = False
    """What was just done is to be undone: "oh no, I want it back", "I made a mistake"."""
    wants_all: bool = False
    """ "Both", "all of them"."""
    is_urgent: bool = False
    """An emergency, or bad pain."""
    is_for_other: bool = False
    """ "For my daughter": somebody else comes."""
    asks_why: bool = False
    """ "Why do you need that"."""
    is_this_number: bool = False
    """ "The one I'm calling from"."""
    confidence: float = 1.0
    is_backchannel: bool = False
    """As "mm-hm" or "okay" while the agent speaks: no turn."""
    explanation: tuple[str, ...] = field(default=(), compare=False)
    """Why it was read so, a line each (`ari-app talk --explain`)."""

    @property
    def is_empty(self) -> bool:
        """Nothing that helps was understood."""
        return not (
            self.intents
            or self.service
            or self.unknown_service
            or self.service_candidates
            or self.date
            or self.time
            or self.time_candidates
            or self.impossible_date
            or self.yes_no
            or self.choice is not None
            or self.option
            or self.preference
            or self.resource
            or self.any_resource
            or self.name
            or self.letters
            or self.digits
            or self.rejected
            or self.refused_resource
        )
