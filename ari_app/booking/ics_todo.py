"""A VTODO that the desk works with: read with our facts, marked as completed, the rest left as it is."""

from datetime import UTC, datetime, time

from icalendar import Calendar, Component

from ari_app.booking.calendar_store import StoredObject
from ari_app.booking.model import KeptCallback
from ari_app.booking.vevent import decoded

_CLOSED = {"COMPLETED", "CANCELLED"}


def read_callback(item: StoredObject) -> KeptCallback | None:
    """The open callback that this object keeps; None where it is made, or is none of ours."""
    todo = _todo(item)
    if todo is None or _text(todo, "STATUS").upper() in _CLOSED or "COMPLETED" in todo:
        return None
    return KeptCallback(
        uid=_text(todo, "UID"),
        number=_text(todo, "X-ARI-APP-NUMBER"),
        name=_text(todo, "X-ARI-APP-NAME"),
        about=_text(todo, "X-ARI-APP-ABOUT") or _text(todo, "SUMMARY"),
        preferred=_text(todo, "X-ARI-APP-PREFERRED"),
        due=_due(todo),
        call_id=_text(todo, "X-ARI-APP-CALL"),
        href=item.href,
        etag=item.etag,
    )


def completed(item: StoredObject, *, now: datetime) -> str:
    """The same object, completed now."""
    calendar = Calendar.from_ical(item.data)
    for todo in calendar.walk("VTODO"):
        for name in ("STATUS", "COMPLETED", "PERCENT-COMPLETE"):
            todo.pop(name, None)
        todo.add("status", "COMPLETED")
        todo.add("completed", now.astimezone(UTC))
        todo.add("percent-complete", 100)
    text: str = calendar.to_ical().decode("utf-8")
    return text


def _todo(item: StoredObject) -> Component | None:
    try:
        return next(iter(Calendar.from_ical(item.data).walk("VTODO")), None)
    except (LookupError, TypeError, ValueError):
        return None


def _text(todo: Component, name: str) -> str:
    return decoded(str(todo.get(name, ""))).strip() if name.startswith("X-") else str(todo.get(name, "")).strip()


def _due(todo: Component) -> datetime | None:
    value = getattr(todo.get("DUE"), "dt", None)
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return None if value is None else datetime.combine(value, time(17), UTC)
