"""What flows into the policy (events) and out of it (system acts). All values, no I/O.

The turn loop (`call.conversation`) does this, and nothing else:

    state, acts = begin(business, CallStarted(...))
    for each act in order:   Say -> queue words to the speaker;  Listen -> next event is CallerSpoke/CallerSilent/
                             CallerPressed;  any action act -> run it, its result event goes to `step`.
    state, acts = step(business, state, event)

The last act of a list is a Listen, an action act, or an ending (HandOff, HangUp): never only Say.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ari_app.booking.model import Appointment, Opening, Wish
from ari_app.understanding.meaning import CallerAct, Expectation

# --- events -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Customer:
    """Who the calling number belongs to, by the store."""

    number: str
    """E.164."""
    name: str
    birth_year: int | None = None
    pin: str | None = None


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The call was answered. `appointments`: upcoming ones of this number, soonest first."""

    now: datetime
    number: str
    """E.164, or empty where it was withheld or isn't a number."""
    customer: Customer | None = None
    appointments: tuple[Appointment, ...] = ()


@dataclass(frozen=True, slots=True)
class CallerSpoke:
    """One turn of speech, understood."""

    act: CallerAct
    now: datetime
    heard_clauses: int | None = None
    """How many clauses of the last Say were heard in full when the caller cut in; None: all of them."""


@dataclass(frozen=True, slots=True)
class CallerPressed:
    """DTMF: the digits of one entry, without the closing '#'."""

    digits: str
    now: datetime


@dataclass(frozen=True, slots=True)
class CallerSilent:
    """Nothing was said within the turn's time."""

    now: datetime


@dataclass(frozen=True, slots=True)
class OpeningsFound:
    """Answer to FindOpenings: openings that fit, best first."""

    fitting: tuple[Opening, ...]
    nearest: tuple[Opening, ...]
    """Where nothing fits: the nearest that exist otherwise (other times that day, then other days)."""
    closed_reason: str = ""
    """Why the wished day has none at all: "closed", "holiday" + name, "past", "horizon", "hours" or "between"
    (no start just then); empty: full."""
    is_wish_taken: bool = False
    """The very time wished for would be bookable but is taken."""


@dataclass(frozen=True, slots=True)
class Booked:
    appointment: Appointment


@dataclass(frozen=True, slots=True)
class Moved:
    appointment: Appointment
    previous: Appointment


@dataclass(frozen=True, slots=True)
class CancelledAppointment:
    appointment: Appointment


@dataclass(frozen=True, slots=True)
class OpeningGone:
    """The opening was taken between offer and booking (OpeningTaken); `nearest` as in OpeningsFound."""

    nearest: tuple[Opening, ...]


@dataclass(frozen=True, slots=True)
class AppointmentGone:
    """The appointment to move or cancel isn't what it was: staff changed it. `now_holds`: what there is now."""

    now_holds: tuple[Appointment, ...]


@dataclass(frozen=True, slots=True)
class ActionFailed:
    """The calendar or the store failed or was too slow; nothing was done."""

    what: str


@dataclass(frozen=True, slots=True)
class CallbackKept:
    due: datetime | None


@dataclass(frozen=True, slots=True)
class HandOffFailed:
    """No human could be reached; the caller is still with the agent. `reason`: "no_answer", "busy", "unavailable"."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReturnedFromHuman:
    """The human sent the caller back to the agent."""

    now: datetime


Event = (
    CallStarted
    | CallerSpoke
    | CallerPressed
    | CallerSilent
    | OpeningsFound
    | Booked
    | Moved
    | CancelledAppointment
    | OpeningGone
    | AppointmentGone
    | ActionFailed
    | CallbackKept
    | HandOffFailed
    | ReturnedFromHuman
)

# --- system acts ------------------------------------------------------------------------------------------------

Value = str | int | datetime | Opening | Appointment | tuple[Opening, ...] | tuple[Appointment, ...]
"""What a text may be filled with; `prompts.catalogue` renders each kind."""


@dataclass(frozen=True, slots=True)
class Say:
    """Speak the text of this id. Variants of one id are chosen by `variant` modulo their number."""

    text_id: str
    values: tuple[tuple[str, Value], ...] = ()
    variant: int = 0


@dataclass(frozen=True, slots=True)
class Listen:
    """Give the turn to the caller."""

    expectation: Expectation
    no_input_s: float | None = None
    """None: the setting; "hold on" waits longer."""
    dtmf: str = "single"
    """single: the first key ends the entry; digits: '#' or a pause does."""


@dataclass(frozen=True, slots=True)
class FindOpenings:
    wish: Wish


@dataclass(frozen=True, slots=True)
class Book:
    opening: Opening
    name: str
    """The caller's name for the event; empty: unknown."""
    number: str = ""
    """The number that a withheld caller gave; empty: the calling one."""


@dataclass(frozen=True, slots=True)
class Move:
    appointment: Appointment
    opening: Opening


@dataclass(frozen=True, slots=True)
class Cancel:
    appointment: Appointment


@dataclass(frozen=True, slots=True)
class KeepCallback:
    number: str
    preferred: str
    """When the caller would like to be called, in their words; empty: any time."""
    about: str
    """One line for the desk."""


class HandOffReason(StrEnum):
    ASKED = "asked"
    MISUNDERSTOOD = "misunderstood"
    NO_OPENINGS = "no_openings"
    NO_INPUT = "no_input"
    IDENTITY = "identity"
    FAILURE = "failure"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class HandOff:
    """Connect the caller to a human. `summary`: one line for the whisper and the log."""

    reason: HandOffReason
    summary: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """Say no more and end the call."""


SystemAct = Say | Listen | FindOpenings | Book | Move | Cancel | KeepCallback | HandOff | HangUp
