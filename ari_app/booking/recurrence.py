"""Recurrence rules from anybody, bounded before they are expanded.

Expanding walks from DTSTART on: `FREQ=SECONDLY` without an end, or a rule that never comes true, would hold a processor
for minutes. A rule is given an UNTIL at the end of the time that is asked for, and refused where even that takes too
many steps.
"""

from datetime import UTC, datetime

_PERIOD_S = {
    "SECONDLY": 1,
    "MINUTELY": 60,
    "HOURLY": 3600,
    "DAILY": 86400,
    "WEEKLY": 604800,
    "MONTHLY": 2_629_746,
    "YEARLY": 31_556_952,
}
_DAYS_IN = {"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"}
_TIMES_IN = ("BYHOUR", "BYMINUTE", "BYSECOND")
_SUB_DAILY_MAY = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_TIMES_IN}
_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MOST_STEPS = 200_000
_MOST_WITHIN = 5000
_LONGEST_RULE = 2000


class RuleRefused(ValueError):
    """A rule that no person wrote, or none at all."""


def bounded_rule(rule: str, *, first: int, window: tuple[int, int], is_dated: bool) -> str:
    """The same rule, ending at the window's end; raises RuleRefused. `first` (DTSTART) and window in epoch seconds."""
    if len(rule) > _LONGEST_RULE:
        raise RuleRefused("a rule too long to be one")
    parts = dict(part.upper().split("=", 1) for part in rule.strip().split(";") if "=" in part)
    if parts.get("FREQ") not in _PERIOD_S:
        raise RuleRefused(f"FREQ is {parts.get('FREQ', 'missing')}")
    _check_it_comes(parts)
    _check_cost(parts, first=first, window=window)
    if "COUNT" in parts:
        parts.pop("UNTIL", None)
    else:
        parts["UNTIL"] = _until(parts.get("UNTIL", ""), max(window[1], first), is_dated=is_dated)
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _check_it_comes(parts: dict[str, str]) -> None:
    """A rule that never comes true is walked to the year 9999; those that people write are not of these kinds."""
    if _PERIOD_S[parts["FREQ"]] < 86400 and parts.keys() - _SUB_DAILY_MAY:
        raise RuleRefused(f"FREQ={parts['FREQ']} with {', '.join(sorted(parts.keys() - _SUB_DAILY_MAY))}")
    if "BYMONTH" in parts and "BYMONTHDAY" in parts:
        longest = max(_DAYS_OF_MONTH[(_number(month) - 1) % 12] for month in parts["BYMONTH"].split(","))
        if all(_number(day.strip().lstrip("+-")) > longest for day in parts["BYMONTHDAY"].split(",")):
            raise RuleRefused("a day that its months don't have")


def _check_cost(parts: dict[str, str], *, first: int, window: tuple[int, int]) -> None:
    per_step = _PERIOD_S[parts["FREQ"]] * max(1, _number(parts.get("INTERVAL", "1")))
    is_sub_daily = _PERIOD_S[parts["FREQ"]] < 86400
    if not is_sub_daily and _DAYS_IN & parts.keys():
        per_step = min(per_step, 86400)
    times = 1
    for name in _TIMES_IN:
        if not is_sub_daily and name in parts:
            times *= parts[name].count(",") + 1
    steps = max(0, window[1] - first) / per_step * times
    within = (window[1] - window[0]) / per_step * times
    is_filtered = any(name.startswith("BY") for name in parts)
    if "COUNT" in parts and not is_filtered:
        steps, within = (min(most, _number(parts["COUNT"])) for most in (steps, within))
    if steps > _MOST_STEPS or within > _MOST_WITHIN:
        raise RuleRefused(f"FREQ={parts['FREQ']} would come {int(max(steps, within))} times")


def _until(given: str, end: int, *, is_dated: bool) -> str:
    limit = datetime.fromtimestamp(end, UTC)
    if given and given[:8].isdigit() and given[:8] <= limit.strftime("%Y%m%d"):
        return given
    return limit.strftime("%Y%m%d" if is_dated else "%Y%m%dT%H%M%SZ")


def _number(text: str) -> int:
    if not text.strip().isdecimal():
        raise RuleRefused(f'"{text[:20]}" is no number')
    return int(text)
