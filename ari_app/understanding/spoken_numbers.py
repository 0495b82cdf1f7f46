"""Words -> numbers and strings of digits ("oh five", "double two", "nineteen eighty four")."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from ari_app.understanding.actions import action
from ari_app.understanding.values import ReadingContext, Value


@action
def plus(ctx: ReadingContext, a: int, b: int) -> int:
    return a + b


@action
def hundreds(ctx: ReadingContext, a: int, b: int = 0) -> int | None:
    return a * 100 + b if a < 100 else None


@action
def thousands(ctx: ReadingContext, a: int, b: int = 0) -> int:
    return a * 1000 + b


@action
def constant(ctx: ReadingContext, value: str) -> int:
    return int(value)


@action
def word(ctx: ReadingContext, value: str) -> str:
    return value


@action
def same(ctx: ReadingContext, x: Value = True) -> Value:
    return x


def _from_number(value: Value) -> Iterable[tuple[str, Value]]:
    """What a number can be besides: an hour, minutes, a day of the month, a count."""
    if not isinstance(value, int):
        return
    if 1 <= value <= 12:
        yield "HOUR12", value
    if 0 <= value <= 24:
        yield "HOUR24", value
    if value == 0 or 13 <= value <= 24:
        yield "HOURLATE", value
    if 1 <= value <= 59:
        yield "MINUTES", value
    if 1 <= value <= 31:
        yield "MDAY", value
    if value < 5000:
        yield "COUNT", value


def _from_ordinal(value: Value) -> Iterable[tuple[str, Value]]:
    if isinstance(value, int) and 1 <= value <= 31:
        yield "ORDDAY", value
    elif isinstance(value, int) and 31 < value < 100:
        yield "ORDBAD", value


DERIVED: dict[str, Callable[[Value], Iterable[tuple[str, Value]]]] = {"NUM": _from_number, "ORDINAL": _from_ordinal}
"""By category: what else a value of it can stand for."""


def digits_in(words: Sequence[str], lexicon: Mapping[str, str], multipliers: Mapping[str, int]) -> str:
    """The digits said one by one, in pairs or with "double"; words that are no digits end a run.

    The longest run is taken: "it's oh two oh, double five" is 02055. `lexicon`: word -> its digits ("twenty" -> "20").
    """
    best, run = "", ""
    times, tens_open = 1, False
    for token in [*words, ""]:
        if token in multipliers:
            times, tens_open = multipliers[token], False
            continue
        piece = token if token.isdigit() else lexicon.get(token, "")
        if not piece:
            if len(run) > len(best):
                best = run
            run, times, tens_open = "", 1, False
            continue
        if tens_open and len(piece) == 1 and piece != "0":
            run = run[:-1] + piece
            tens_open = False
        else:
            run += piece * times
            tens_open = not token.isdigit() and len(piece) == 2 and piece[1] == "0" and piece[0] not in "01"
        times = 1
    return best
