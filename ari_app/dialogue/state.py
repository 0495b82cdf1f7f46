"""What the conversation knows; frozen, so a turn makes a new one."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from ari_app.booking.model import Appointment, Opening
from ari_app.dialogue.acts import Customer, HandOffReason, Say, Value
from ari_app.understanding.meaning import CallerAct, DateRange, TimeRange, Topic

Values = tuple[tuple[str, Value], ...]
Day = date


class Task(StrEnum):
    """What the caller is being helped with."""

    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    ENQUIRE = "enquire"
    CALLBACK = "callback"


class Question(StrEnum):
    """The question that stands open; each names its texts `ask.*`, `again.*` and `keys.*`."""

    TASK = "task"
    MORE = "more"
    MOVE_OR_NEW = "move_or_new"
    SERVICE = "service"
    SERVICE_WHICH = "service_which"
    TOPIC_SERVICE = "topic_service"
    DATE = "date"
    TIME = "time"
    TIME_WHICH = "time_which"
    OFFER = "offer"
    CHANGE = "change"
    READBACK = "readback"
    READBACK_MOVE = "readback_move"
    WHICH_APPOINTMENT = "which_appointment"
    CANCEL = "cancel"
    HEARD = "heard"
    IDENTITY_NAME = "identity_name"
    IDENTITY_BIRTH_YEAR = "identity_birth_year"
    IDENTITY_PIN = "identity_pin"
    IDENTITY_DATE = "identity_date"
    CONTACT_NAME = "contact_name"
    CONTACT_NUMBER = "contact_number"
    CONTACT_NUMBER_OK = "contact_number_ok"
    ANYTHING_ELSE = "anything_else"
    HUMAN = "human"
    NO_OPENINGS = "no_openings"
    CALLBACK_NUMBER_OK = "callback_number_ok"
    CALLBACK_NUMBER = "callback_number"
    CALLBACK_TIME = "callback_time"


IDENTITY_QUESTIONS = frozenset(
    {Question.IDENTITY_NAME, Question.IDENTITY_BIRTH_YEAR, Question.IDENTITY_PIN, Question.IDENTITY_DATE}
)
CALLBACK_QUESTIONS = frozenset({Question.CALLBACK_NUMBER_OK, Question.CALLBACK_NUMBER, Question.CALLBACK_TIME})
CONTACT_QUESTIONS = frozenset({Question.CONTACT_NAME, Question.CONTACT_NUMBER, Question.CONTACT_NUMBER_OK})
READBACKS = frozenset({Question.READBACK, Question.READBACK_MOVE})


class Identity(StrEnum):
    """Whether the caller has shown to be the customer (a number alone shows nothing)."""

    UNKNOWN = "unknown"
    ASKED = "asked"
    PASSED = "passed"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller would like to have, as far as said."""

    service: str | None = None
    date: DateRange | None = None
    time: TimeRange | None = None
    resource: str | None = None
    is_earliest: bool = False
    excluded: frozenset[Day] = frozenset()
    """Days that the caller doesn't want."""
    without: str | None = None
    """The person whom the caller doesn't want."""

    @property
    def is_blank(self) -> bool:
        return self == Wanted()


@dataclass(frozen=True, slots=True)
class State:
    """One call's conversation."""

    now: datetime
    number: str = ""
    customer: Customer | None = None
    appointments: tuple[Appointment, ...] = ()

    task: Task | None = None
    suspended: Task | None = None
    """A task to come back to when the present one is done."""
    question: Question = Question.TASK
    values: Values = ()
    """What the open question's texts are filled with."""
    wanted: Wanted = Wanted()
    target: Appointment | None = None
    """The appointment being moved or cancelled."""
    identity: Identity = Identity.UNKNOWN
    identity_tries: int = 0

    service_candidates: tuple[str, ...] = ()
    time_candidates: tuple[TimeRange, ...] = ()
    answered: frozenset[str] = frozenset()
    """Questions about the business that were answered already."""
    topic: Topic | None = None
    """What was asked about, where the treatment still has to be named."""
    offered: tuple[Opening, ...] = ()
    pool: tuple[Opening, ...] = ()
    """Openings that were found and not yet offered, nearest first."""
    refused: frozenset[datetime] = frozenset()
    refusals: int = 0
    is_widened: bool = False
    """The search was already repeated without day, time and person."""
    checked: DateRange | None = None
    """The days that the calendar was asked about before a time was."""
    proposal: Opening | None = None
    """What was read back; only this can be booked, and only on a yes."""
    is_read_back: bool = False
    """The proposal was heard in full."""
    pending: CallerAct | None = None
    """What was heard with little confidence and asked about."""
    before: tuple[Question, Values] | None = None
    """The question that was open before an interposed one."""
    done: Appointment | None = None
    """What was booked or moved last, as the calendar has it."""
    undone: Appointment | None = None
    """What was cancelled last in this call."""
    queue: tuple[Appointment, ...] = ()
    """Those that are to be cancelled after the present one."""

    contact_name: str = ""
    """The caller's name as said."""
    contact_number: str = ""
    """A withheld caller's number as said, E.164 where it is one."""
    contact_settled: frozenset[Question] = frozenset()
    """Of name and number, what was answered or declined."""
    contact_tries: int = 0
    contact_digits: str = ""
    """The first half of a number, the rest of which is still to come."""
    is_for_other: bool = False
    """It is for somebody else than the caller."""

    callback_number: str = ""
    callback_preferred: str = ""
    """When the caller would like to be called, in the agent's words."""
    is_keeping_callback: bool = False
    handoffs_failed: int = 0
    handoff_reason: HandOffReason = HandOffReason.LOOP
    """Why a human is being offered."""

    news: tuple[str, ...] = ()
    """What was newly understood, to be confirmed in passing by the next question."""
    misunderstandings: int = 0
    silences: int = 0
    stalls: int = 0
    """Turns in a row that brought nothing new."""
    humans_offered: int = 0
    turns: int = 0
    seen: frozenset[int] = field(default=frozenset(), repr=False)
    """Fingerprints of every standing of the conversation so far."""
    spoken: tuple[Say, ...] = field(default=(), repr=False)
    """What the last turn said."""
    said: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    """How often each text was said."""

    @property
    def customer_name(self) -> str:
        """The caller's name, by the store; empty: unknown."""
        return self.customer.name if self.customer else ""

    @property
    def reach(self) -> str:
        """The number on which the caller can be reached; empty: none is known."""
        return self.number or self.contact_number
