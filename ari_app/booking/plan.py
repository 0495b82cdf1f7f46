"""What one step is about to do, as it stands in the journal, so that another process can finish or undo it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from pydantic import TypeAdapter

from ari_app.booking.model import Appointment, AppointmentPart, BookingRequest, Opening
from ari_app.booking.vevent import appointment_uid, one_line, safe_number, summary
from ari_app.store.booking_journal import Payload, StepKind


@dataclass(frozen=True, slots=True)
class Plan:
    """One journalled step: the events to make (if any), the appointment to remove (if any)."""

    kind: StepKind
    key: str
    request: BookingRequest | None = None
    """What is booked; without its `sms_text`, which the outbox holds."""
    service_name: str = ""
    parts: tuple[AppointmentPart, ...] = ()
    """Where the new events go, one a resource, in the opening's order; ETags as far as known."""
    old: Appointment | None = None
    """What is moved or cancelled, as it was read."""
    is_removing: bool = False
    """From here on a DELETE of the old events may be under way, and may still land."""
    final_after: datetime | None = None
    """From here on a look that finds nothing left is the last one: no request can still be under way."""

    @property
    def opening(self) -> Opening:
        """What is booked."""
        if self.request is None:
            raise ValueError(f"step {self.key} books nothing")
        return self.request.opening

    @property
    def old_parts(self) -> tuple[AppointmentPart, ...]:
        """The events of the appointment that is moved or cancelled."""
        return () if self.old is None else parts_of(self.old)

    @property
    def uid(self) -> str:
        """The appointment that is made; "" where none is."""
        return "" if self.request is None else appointment_uid(self.key)

    def with_part(self, index: int, part: AppointmentPart) -> Self:
        """The same plan with another place (or ETag) for one event."""
        return replace(self, parts=(*self.parts[:index], part, *self.parts[index + 1 :]))

    def payload(self) -> Payload:
        """The plan as JSON."""
        dumped: Payload = _ADAPTER.dump_python(self, mode="json")
        return dumped

    def appointment(self) -> Appointment:
        """The appointment that this plan makes."""
        if self.request is None:
            raise ValueError(f"step {self.key} books nothing")
        opening = self.request.opening
        return Appointment(
            uid=appointment_uid(self.key),
            service=opening.service,
            start=opening.start,
            end=opening.end,
            resources=opening.resources,
            number=safe_number(self.request.number),
            name=one_line(self.request.name),
            href=self.parts[0].href,
            etag=self.parts[0].etag,
            title=summary(self.request, self.service_name),
            parts=self.parts,
        )


def from_payload(payload: Payload) -> Plan:
    """The plan that the journal holds."""
    plan: Plan = _ADAPTER.validate_python(payload)
    return plan


def parts_of(appointment: Appointment) -> tuple[AppointmentPart, ...]:
    """Every event of an appointment."""
    return appointment.parts or (AppointmentPart(appointment.resources[0], appointment.href, appointment.etag),)


_ADAPTER = TypeAdapter(Plan)
