"""What a race's history says about each violation: every line that names one of its keys, appointments or hrefs."""

import re
from collections.abc import Iterable

from ari_app.lab.bench.race_check import Evidence
from ari_app.lab.bench.race_history import Line

_KEY = re.compile(r"\+\d+-\d+-\d+")
_HREF = re.compile(r"/\S+\.ics")


def stories(evidence: Evidence, wrong: Iterable[str]) -> list[str]:
    """Each violation, then the history that belongs to it, by time (seconds since the race's first line)."""
    return [text for violation in wrong for text in _story(evidence, violation)]


def _story(evidence: Evidence, violation: str) -> list[str]:
    named = _names(evidence, {*_KEY.findall(violation), *_HREF.findall(violation)})
    zero = min((line.at for line in evidence.lines), default=0.0)
    told = [(line.at, _words(line)) for line in evidence.lines if named & set(line.fields.values())]
    for step, plan in evidence.steps:
        if step.key in named or (plan.old is not None and plan.old.uid in named):
            told.append(
                (step.began.timestamp(), f"journal    {step.kind} {step.key} began, of {plan.old and plan.old.uid}")
            )
            told.append((step.changed.timestamp(), f"journal    {step.kind} {step.key} is {step.state}"))
    held = [f"  at the end {event.href} {event.uid}" for event in evidence.events if {event.href, event.uid} & named]
    return [violation, *(f"  {at - zero:8.3f} {words}" for at, words in sorted(told)), *held]


def _names(evidence: Evidence, given: set[str]) -> set[str]:
    """The keys, hrefs and appointments that belong together with the given ones."""
    made = [plan for _, plan in evidence.steps if plan.key in given and plan.request is not None]
    uids = {plan.appointment().uid for plan in made}
    leaving = {line.fields["key"] for line in evidence.lines if line.what == "leaving" and line.fields["uid"] in uids}
    moved = [plan for _, plan in evidence.steps if plan.key in leaving and plan.request is not None]
    return given | uids | leaving | {part.href for plan in [*made, *moved] for part in plan.parts}


def _words(line: Line) -> str:
    fields = " ".join(f"{name}={value}" for name, value in line.fields.items())
    return f"{line.who:10} {line.what} {fields}"
