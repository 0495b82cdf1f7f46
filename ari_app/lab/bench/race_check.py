"""Does the history agree with the calendar? Every violation is one line that says what, who and when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ari_app.booking.plan import Plan
from ari_app.lab.bench.race_history import Line
from ari_app.store.booking_journal import Step, StepKind, StepState
from ari_app.store.outbox import OutboxMessage
from ari_app.store.schema import OutboxState


@dataclass(frozen=True, slots=True)
class FinalEvent:
    """One event that the calendar holds at the end."""

    href: str
    uid: str
    """The appointment's, where it is ours."""
    start: float
    end: float
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One appointment that somebody was told of, by voice or by a released text."""

    uid: str
    key: str
    href: str
    start: float
    end: float
    at: float
    put_at: float
    """When its PUT began."""
    looked_at: float
    """When the look after its PUT began; infinite where the worker died before it could write that down."""
    until: float
    """When it was moved, cancelled, or a person touched it; infinite: it still stands."""

    @property
    def calendar(self) -> str:
        return self.href.rpartition("/")[0]


@dataclass(slots=True)
class Verdict:
    """What was counted and what was wrong."""

    told: int = 0
    events: int = 0
    overlaps: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unheld: list[str] = field(default_factory=list)
    sms_missing: list[str] = field(default_factory=list)
    sms_double: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        lists = (self.overlaps, self.lost, self.unheld, self.sms_missing, self.sms_double, self.unsettled)
        return [line for lines in lists for line in lines]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known after a race."""

    lines: Sequence[Line]
    events: Sequence[FinalEvent]
    steps: Sequence[tuple[Step, Plan]]
    messages: Sequence[OutboxMessage]


def judge(evidence: Evidence) -> Verdict:
    """Check the whole history."""
    told = _told(evidence)
    verdict = Verdict(told=len(told), events=len(evidence.events))
    verdict.overlaps += _double_bookings(told)
    verdict.overlaps += _over_people(told, evidence)
    verdict.lost += _lost(told, evidence.events)
    verdict.unheld += _untold(told, evidence)
    verdict.unheld += _heard_in_vain(evidence)
    _judge_texts(evidence, verdict)
    verdict.unsettled += [
        f"{step.key}: still {step.state}"
        for step, _ in evidence.steps
        if step.state in {StepState.OPEN, StepState.UNDOING}
    ]
    return verdict


def _told(evidence: Evidence) -> list[Told]:
    """By the voice histories, and by the texts of those whose worker died with the words on its lips."""
    by_voice = {line.fields["key"]: line.at for line in evidence.lines if line.what in {"booked", "moved"}}
    released = {message.key for message in evidence.messages if message.state is not OutboxState.HELD}
    found = []
    for step, plan in evidence.steps:
        if (
            step.kind is StepKind.CANCEL
            or step.state is not StepState.DONE
            or step.key not in by_voice.keys() | released
        ):
            continue
        at = by_voice.get(step.key, step.changed.timestamp())
        made = plan.appointment()
        put_at = _last(evidence.lines, "put_begins", made.href, before=at)
        looked_at = _look_after(evidence.lines, made.href, put_at, before=at)
        found.append(
            Told(
                uid=made.uid,
                key=step.key,
                href=made.href,
                start=made.start.timestamp(),
                end=made.end.timestamp(),
                at=at,
                put_at=put_at,
                looked_at=looked_at,
                until=_until(evidence, made.uid, made.href, put_at),
            )
        )
    return found


def _until(evidence: Evidence, uid: str, href: str, since: float) -> float:
    """When this appointment stopped being ours to keep: left by its caller, or touched by a person."""
    effective = {step.key for step, _ in evidence.steps if step.state is StepState.DONE}
    left = [
        line.at
        for line in evidence.lines
        if line.what == "leaving" and line.fields["uid"] == uid and line.fields["key"] in effective
    ]
    touched = [at for at in _touches(evidence.lines, href) if at >= since]
    return min([*left, *touched], default=float("inf"))


def _touches(lines: Iterable[Line], href: str) -> list[float]:
    """When people's own PUTs and DELETEs on this href began; one that got no answer may have been carried out."""
    here = [line for line in lines if line.what in {"human_begins", "human_refused"} and line.fields["href"] == href]
    refused = {(line.who, line.fields["began"]) for line in here if line.what == "human_refused"}
    return [
        line.time_of("began")
        for line in here
        if line.what == "human_begins" and (line.who, line.fields["began"]) not in refused
    ]


def _double_bookings(told: Sequence[Told]) -> list[str]:
    return [
        f"{one.key} and {other.key} were both told {one.href} at the same time"
        for index, one in enumerate(told)
        for other in told[index + 1 :]
        if one.calendar == other.calendar
        and one.start < other.end
        and other.start < one.end
        and one.at < other.until
        and other.at < one.until
    ]


def _over_people(told: Sequence[Told], evidence: Evidence) -> list[str]:
    """Ours that were told although a person's event was there before our last look began, and after it ended."""
    wrong = []
    for line in evidence.lines:
        if line.what != "human_put":
            continue
        href = line.fields["href"]
        gone = [at for at in _touches(evidence.lines, href) if at > line.time_of("began")]
        gone += [other.at for other in evidence.lines if other.what == "delete_begins" and other.fields["href"] == href]
        ended = min((at for at in gone if at > line.time_of("began")), default=float("inf"))
        wrong += [
            f"{one.key} was told over a person's {href}"
            for one in told
            if one.href != href
            and one.calendar == href.rpartition("/")[0]
            and one.start < line.time_of("end")
            and line.time_of("start") < one.end
            and line.at < one.looked_at < ended
            and one.at < ended
        ]
    return wrong


def _lost(told: Sequence[Told], events: Sequence[FinalEvent]) -> list[str]:
    wrong = []
    for one in told:
        if one.until != float("inf"):
            continue
        there = [event for event in events if event.uid == one.uid]
        if [(event.start, event.end) for event in there] != [(one.start, one.end)]:
            wrong.append(f"{one.key} was told {one.href}, the calendar holds {len(there)} of it")
    return wrong


def _untold(told: Sequence[Told], evidence: Evidence) -> list[str]:
    known = {one.uid for one in told}
    return [
        f"{event.href} ({event.uid}) was told to nobody"
        for event in evidence.events
        if event.is_ours and event.uid not in known and not _touches(evidence.lines, event.href)
    ]


def _heard_in_vain(evidence: Evidence) -> list[str]:
    """Appointments that were read out to a caller and that nobody ever confirmed: no step, and no person who took
    the event over by touching it."""
    confirmed = {plan.uid for step, plan in evidence.steps if step.state is StepState.DONE}
    hrefs = {plan.uid: {part.href for part in plan.parts} for _, plan in evidence.steps if plan.uid}
    heard = {
        line.fields["uid"]: line.who
        for line in evidence.lines
        if line.what == "heard"
        and line.fields["uid"] not in confirmed
        and not any(
            at <= line.at for href in hrefs.get(line.fields["uid"], ()) for at in _touches(evidence.lines, href)
        )
    }
    return [f"{uid} was read out by {who}, and never confirmed" for uid, who in heard.items()]


def _judge_texts(evidence: Evidence, verdict: Verdict) -> None:
    known = {message.key: message for message in evidence.messages}
    voiced = [line for line in evidence.lines if line.what in {"booked", "moved", "cancelled"}]
    for line in voiced:
        message = known.get(line.fields["key"])
        if message is None or message.state is OutboxState.HELD:
            verdict.sms_missing.append(f"{line.fields['key']} was told, and its text is {message and message.state}")
    done = {step.key for step, _ in evidence.steps if step.state is StepState.DONE}
    for message in evidence.messages:
        if message.key not in done:
            verdict.sms_double.append(f"{message.key} has a text ({message.state}) without a booking")
    texts = [message.text for message in evidence.messages]
    verdict.sms_double += [f'"{text}" is there twice' for text in set(texts) if texts.count(text) > 1]


def _last(lines: Sequence[Line], what: str, href: str, *, before: float) -> float:
    return max(
        (line.at for line in lines if line.what == what and line.fields["href"] == href and line.at <= before),
        default=before,
    )


def _look_after(lines: Sequence[Line], href: str, put_at: float, *, before: float) -> float:
    """When the first look of that calendar by the same worker began after this PUT had ended."""
    ended = [line for line in lines if line.what == "put_ended" and line.fields["href"] == href and line.at >= put_at]
    if not ended or ended[0].at > before:
        return float("inf")
    resource = href.split("/")[-2]
    looks = [
        line.at
        for line in lines
        if line.what == "look_begins"
        and line.who == ended[0].who
        and line.at >= ended[0].at
        and line.fields["calendar"].rstrip("/").endswith(resource)
    ]
    return min(looks, default=float("inf"))
