"""Which openings stand in one question: near the wish, and none that sounds like another."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from ari_app.booking.model import Opening

Confusable = Mapping[str, frozenset[frozenset[int]]]
SPREAD = timedelta(hours=1)


def select(
    openings: Sequence[Opening], count: int, confusable: Confusable, *, is_spread: bool = False
) -> tuple[Opening, ...]:
    """Up to `count` openings in the order given, best first.

    Ones that sound like one already chosen stand back where others exist (decision: Tuesday and Thursday, fifteen and
    fifty). `is_spread`: nor within an hour of it, so that a choice is one.
    """
    found = list(_distinct(openings))
    chosen: list[Opening] = []
    for demand in ("spread", "clear", "any") if is_spread else ("clear", "any"):
        if len(chosen) >= count:
            break
        for each in found:
            if len(chosen) >= count:
                break
            if each not in chosen and all(_fits(each, other, demand, confusable) for other in chosen):
                chosen.append(each)
        if demand == "clear" and len(chosen) > 1:
            break
    return tuple(sorted(chosen, key=found.index)) if not is_spread else tuple(sorted(chosen))


def sound_alike(one: Opening, other: Opening, confusable: Confusable) -> bool:
    """Whether a caller could take one for the other on a bad line."""
    a, b = one.start, other.start
    numbers, hours = confusable.get("numbers", frozenset()), confusable.get("hours", frozenset())
    if a.date() != b.date() and (
        frozenset({a.weekday(), b.weekday()}) in confusable.get("weekdays", frozenset())
        or frozenset({a.day, b.day}) in numbers
    ):
        return True
    return frozenset({a.minute, b.minute}) in numbers or frozenset({a.hour % 12, b.hour % 12}) in hours


def _fits(each: Opening, other: Opening, demand: str, confusable: Confusable) -> bool:
    if demand == "any":
        return True
    if sound_alike(each, other, confusable):
        return False
    return demand == "clear" or abs(each.start - other.start) >= SPREAD


def _distinct(openings: Iterable[Opening]) -> Iterable[Opening]:
    """One opening for each start: who it is with is said in the read-back."""
    seen = set()
    for opening in openings:
        if opening.start not in seen:
            seen.add(opening.start)
            yield opening
