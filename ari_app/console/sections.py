"""The four parts of the front desk's page, each a piece of HTML that is replaced whole when it changes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from urllib.parse import quote

from ari_app.booking.model import Appointment
from ari_app.call.registry import CallEvent, LiveCall
from ari_app.console.markup import NOTHING, Child, Markup, element, join
from ari_app.console.views import DeskNames
from ari_app.store.callbacks import Callback
from ari_app.store.outbox import OutboxMessage
from ari_app.store.schema import CallState, OutboxState

MOST_ROWS = 100
MOST_LINES = 60
_SPEAKERS = {"agent": "Agent", "caller": "Caller", "dtmf": "Keys"}
_RESULTS = {
    "Booked": "booked",
    "Moved": "moved",
    "CancelledAppointment": "cancelled",
    "OpeningGone": "the time had just gone",
    "AppointmentGone": "the appointment had been changed meanwhile",
    "ActionFailed": "that failed",
    "CallbackKept": "callback kept",
    "HandOffFailed": "nobody took the call",
    "ReturnedFromHuman": "back from the human",
}
"""What an action came to, where the desk wants to know (ari_app.dialogue.acts)."""
_STATES = {
    CallState.PENDING: "arriving",
    CallState.ANSWERED: "with the agent",
    CallState.CONNECTED: "with a human",
    CallState.DISCONNECTED: "ended",
}
_TEXT_STATES = {
    OutboxState.HELD: "waits for its booking",
    OutboxState.DUE: "to be sent",
    OutboxState.SENT: "sent",
    OutboxState.FAILED: "failed",
}


def calls_section(calls: Sequence[LiveCall]) -> Markup:
    """Each live call with its state and what was said."""
    if not calls:
        return _empty("No calls at the moment.")
    return join(*(_call(call) for call in calls))


def appointments_section(appointments: Sequence[Appointment], names: DeskNames, now: datetime) -> Markup:
    """By day, the past of today dimmed."""
    if not appointments:
        return _empty("Nothing is booked.")
    shown = appointments[:MOST_ROWS]
    days = [
        join(element("h3", _day(day, now)), element("ol", *(_appointment(each, names, now) for each in group)))
        for day, group in groupby(shown, key=lambda each: each.start.date())
    ]
    return join(*days, _more(len(appointments)))


def callbacks_section(callbacks: Sequence[Callback], now: datetime) -> Markup:
    """With a button for each that is done."""
    if not callbacks:
        return _empty("Nobody waits for a call back.")
    return join(element("ol", *(_callback(each, now) for each in callbacks[:MOST_ROWS])), _more(len(callbacks)))


def outbox_section(messages: Sequence[OutboxMessage], now: datetime) -> Markup:
    """What was texted, and what wasn't."""
    if not messages:
        return _empty("No texts.")
    return join(element("ol", *(_message(each, now) for each in messages[:MOST_ROWS])), _more(len(messages)))


def unavailable(reason: str) -> Markup:
    """In place of a part whose source fails."""
    return element("p", "Not available now: ", reason, class_="trouble", role="alert")


def _call(call: LiveCall) -> Markup:
    said = [event for event in call.events if _is_shown(event)]
    return element(
        "article",
        element(
            "header",
            element("strong", call.name or "Unknown caller"),
            element("span", call.number or "number withheld", class_="number"),
            element("span", _STATES[call.state], class_=f"chip {call.state.value.lower()}"),
            element("time", "", data_since=call.arrived.isoformat(), title=f"since {call.arrived:%H:%M:%S}"),
        ),
        element("ol", *(_line(event) for event in said[-MOST_LINES:]), class_="transcript", tabindex="0"),
        id=f"call-{call.call_id}",
    )


def _is_shown(event: CallEvent) -> bool:
    return event.kind in _SPEAKERS or event.kind in ("action", "note") or _is_news(event)


def _is_news(event: CallEvent) -> bool:
    return event.kind == "result" and event.text in _RESULTS


def _line(event: CallEvent) -> Markup:
    speaker = _SPEAKERS.get(event.kind)
    if speaker is None:
        return element("li", _RESULTS[event.text] if _is_news(event) else event.text, class_="note")
    return element("li", element("b", speaker), element("span", event.text), class_=event.kind)


def _appointment(appointment: Appointment, names: DeskNames, now: datetime) -> Markup:
    service = names.services.get(appointment.service or "", appointment.service or "")
    with_whom = ", ".join(names.resources.get(each, each) for each in appointment.resources)
    time = element("span", f"{appointment.start:%H:%M}-{appointment.end:%H:%M}", class_="when")
    who = appointment.name or appointment.title or "No name"
    about = " with ".join(part for part in (service, with_whom) if part)
    past = "past" if appointment.end <= now else None
    return element("li", time, _entry(element("strong", who), about, appointment.number), class_=past)


def _callback(callback: Callback, now: datetime) -> Markup:
    overdue = callback.is_overdue(now)
    due = "any time" if callback.due is None else f"by {_moment(callback.due, now)}"
    done = element(
        "form",
        element("button", "Done", title="Somebody has called back"),
        method="post",
        action=f"callbacks/{_path(callback.uid)}/done",
    )
    chip = element("span", "overdue", class_="chip failed") if overdue else None
    wish = f"Would like: {callback.preferred}" if callback.preferred else None
    return element(
        "li",
        element("span", due, class_="when"),
        _entry(element("strong", callback.name or "Unknown caller"), callback.number, callback.about, wish, chip=chip),
        done,
        class_="overdue" if overdue else None,
    )


def _message(message: OutboxMessage, now: datetime) -> Markup:
    at = message.ended_at or message.due_at or message.held_at
    reason = message.reason if message.state is not OutboxState.SENT and message.reason else None
    tries = f"{message.attempts} tries" if message.attempts > 1 else None
    chip = element("span", _TEXT_STATES[message.state], class_=f"chip {message.state.value.lower()}")
    return element(
        "li",
        element("span", _moment(at, now), class_="when"),
        _entry(element("strong", message.number), message.text, reason, tries, chip=chip),
    )


def _entry(head: Markup, *details: Child, chip: Markup | None = None) -> Markup:
    lines = [element("p", detail) for detail in details if detail]
    return element("div", element("p", head, chip), *lines, class_="entry")


def _empty(text: str) -> Markup:
    return element("p", text, class_="empty")


def _more(count: int) -> Markup:
    return element("p", f"and {count - MOST_ROWS} more", class_="empty") if count > MOST_ROWS else NOTHING


def _day(day: object, now: datetime) -> str:
    if day == now.date():
        return "Today"
    if day == now.date() + timedelta(days=1):
        return "Tomorrow"
    return f"{day:%A} {day:%d %B}".replace(" 0", " ")


def _moment(at: datetime, now: datetime) -> str:
    local = at.astimezone(now.tzinfo)
    if local.date() == now.date():
        return f"{local:%H:%M}"
    return f"{local:%a} {local:%d} {local:%b}, {local:%H:%M}".replace(" 0", " ")


def _path(text: str) -> str:
    """One URL path segment."""
    return quote(text, safe="")
