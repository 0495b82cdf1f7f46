"""How a call of the chaos bench ended, judged by what the caller lived through.

The rule, in this order:

1. human: the caller's phone heard the human (a tone that nobody else sends), and the line ended within
   `ENDS_WITHIN_S` after that human had hung up. A line that stays up longer is stranded.
2. booked: the calendar took the wish, and the caller was told so.
3. callback: one was promised and kept in the calendar, and the caller was told so.
4. hung_up: the caller ended the call, by plan or because their patience was at its end, and was being served up to
   then: the phone rang, or something was heard, never with `DEAD_AIR_S` of nothing in between.
5. stranded: everybody else: who gave up in silence, whom the far side hung up on, who was never answered.

Who has sat through dead air is stranded even where the call then came to a good end, unless a human took it: a person
would have hung up and dialled elsewhere.
"""

from dataclasses import dataclass
from enum import StrEnum

ENDS_WITHIN_S = 5.0
DEAD_AIR_S = 10.0
"""The agent asks again after 7 s; a phone that is silent for longer than this is dead to a caller."""


class Outcome(StrEnum):
    """How a call ended, in the order in which they are told."""

    BOOKED = "booked"
    HUMAN = "human"
    CALLBACK = "callback"
    HUNG_UP = "hung_up"
    STRANDED = "stranded"


@dataclass(frozen=True, slots=True)
class Lived:
    """What one caller lived through, all of it seen at their own phone but for what the calendar holds."""

    is_answered: bool
    is_ended_by_caller: bool
    """By their own plan, or out of patience; else the far side ended it."""
    dead_air_s: float
    """The longest stretch in which neither was heard, before a human was there."""
    has_heard_human: bool = False
    line_up_after_human_s: float = 0.0
    """How long the caller's line stayed up after the human had hung up."""
    is_told_booked: bool = False
    is_told_callback: bool = False


def outcome_of(lived: Lived) -> Outcome:
    """The rule of this module."""
    if lived.has_heard_human:
        return Outcome.HUMAN if lived.line_up_after_human_s <= ENDS_WITHIN_S else Outcome.STRANDED
    if not lived.is_answered or lived.dead_air_s > DEAD_AIR_S:
        return Outcome.STRANDED
    if lived.is_told_booked:
        return Outcome.BOOKED
    if lived.is_told_callback:
        return Outcome.CALLBACK
    return Outcome.HUNG_UP if lived.is_ended_by_caller else Outcome.STRANDED
