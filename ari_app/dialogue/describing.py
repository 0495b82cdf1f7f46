"""What the caller wants and who calls, in words that fit into a sentence."""

from datetime import date, time, timedelta

from ari_app.booking.model import Appointment, Opening
from ari_app.dialogue.acts import HandOffReason
from ari_app.dialogue.business import Business
from ari_app.dialogue.state import State, Wanted
from ari_app.prompts.spoken import spoken_date
from ari_app.prompts.words import spoken_words
from ari_app.understanding.meaning import CallerAct, DateRange, TimeRange

WHOLE_WEEK = 7
ALL_DAYS = frozenset(range(WHOLE_WEEK))
MOST_MISSING = 3
MOST_NAMED = 3


def what_text(business: Business, service: str | None, resources: tuple[str, ...], *, title: str = "") -> str:
    """ "dental cleaning with Anna"; `title` where the service isn't one of ours."""
    name = business.service_name(service) or title
    person = business.resource_name(resources[0]) if resources else ""
    if name and person:
        return business.texts.part("service_with", {"service": name, "person": person})
    return name or person or business.texts.part("an_appointment")


def opening_text(business: Business, opening: Opening) -> str:
    return what_text(business, opening.service, opening.resources)


def appointment_text(business: Business, appointment: Appointment) -> str:
    return what_text(business, appointment.service, appointment.resources, title=appointment.title)


def date_text(business: Business, state: State, wished: DateRange) -> str:
    """A day, a stretch of days or weekdays."""

    def said(day: date) -> str:
        return spoken_date(day, business.locale, now=state.now)

    part = business.texts.part
    if wished.start is not None and wished.is_single:
        return said(wished.start)
    missing = ALL_DAYS - wished.weekdays
    if wished.weekdays and 0 < len(missing) <= MOST_MISSING:
        names = [spoken_words(business.language).weekdays[day] for day in sorted(missing)]
        return part("day_any_but", {"weekdays": business.texts.joined(names)})
    if wished.start is not None and wished.end is not None and wished.excluded:
        stretch = (wished.start + timedelta(days=number) for number in range((wished.end - wished.start).days + 1))
        days = [day for day in stretch if wished.contains(day)]
        if 0 < len(days) <= MOST_NAMED:
            return business.texts.joined([said(day) for day in days])
    if wished.weekdays and len(wished.weekdays) < WHOLE_WEEK:
        names = [spoken_words(business.language).weekdays[day] for day in sorted(wished.weekdays)]
        return part("day_weekdays", {"weekdays": business.texts.joined(names)})
    if wished.start is not None and wished.end is not None:
        return part("day_range", {"first": said(wished.start), "last": said(wished.end)})
    if wished.start is not None and wished.start > state.now.date():
        return part("day_from", {"first": said(wished.start)})
    if wished.end is not None:
        return part("day_until", {"last": said(wished.end)})
    return part("day_any")


def time_text(business: Business, wished: TimeRange) -> str:
    """A time, or a stretch of the day."""

    def said(moment: time) -> str:
        return business.time_text(moment)

    part = business.texts.part
    if wished.start is not None and wished.is_point:
        return part("time_around" if wished.is_approximate else "time_point", {"time": said(wished.start)})
    if wished.start is not None and wished.end is not None:
        if day_part := _day_part(wished.start, wished.end):
            return part(day_part)
        return part("time_between", {"first": said(wished.start), "last": said(wished.end)})
    if wished.start is not None:
        return part("time_after", {"time": said(wished.start)})
    if wished.end is not None:
        return part("time_before", {"time": said(wished.end)})
    return part("time_any")


def _day_part(start: time, end: time) -> str:
    """The part of day that a stretch of time is; empty where it is none."""
    if start <= time(9) and time(11, 30) <= end <= time(12):
        return "time_morning"
    if time(12) <= start <= time(13) and time(17) <= end <= time(18):
        return "time_afternoon"
    return "time_evening" if start >= time(17) and end >= time(20) else ""


def wish_text(business: Business, state: State) -> str:
    """When the caller would like to come."""
    return ", ".join(_when(business, state, state.wanted))


def act_text(business: Business, state: State, act: CallerAct) -> str:
    """What was understood of one turn, to be asked about; empty where there is nothing to say back."""
    heard = Wanted(service=act.service, date=act.date, time=act.time, resource=act.resource)
    named = business.service_name(act.service)
    person = business.resource_name(act.resource)
    return ", ".join(piece for piece in (named, person, *_when(business, state, heard)) if piece)


def services_text(business: Business) -> str:
    return business.texts.joined([service.name for service in business.services.values()])


def menu_text(business: Business, names: list[str]) -> str:
    """ "one for dental cleaning, two for check up"."""
    return ", ".join(
        business.texts.part("menu_item", {"number": number, "name": name}) for number, name in enumerate(names, 1)
    )


def summary_text(business: Business, state: State, reason: HandOffReason) -> str:
    """One line for the whisper and the log: who calls, what for, why it comes to a human."""
    part = business.texts.part
    name = state.customer.name if state.customer else state.contact_name
    pieces = [part("summary.known", {"name": name}) if name else part("summary.unknown")]
    if state.task is None:
        pieces.append(part("summary.nothing"))
    else:
        pieces.append(part("summary.wants", {"task": part(f"task.{state.task}")}))
    service = business.service_name(state.wanted.service)
    pieces.extend(piece for piece in (service, *_when(business, state, state.wanted)) if piece)
    pieces.append(part(f"summary.reason.{reason}"))
    return ", ".join(pieces)


def _when(business: Business, state: State, wanted: Wanted) -> list[str]:
    said = []
    if wanted.date is not None:
        said.append(date_text(business, state, wanted.date))
    if wanted.time is not None:
        said.append(time_text(business, wanted.time))
    if wanted.is_earliest:
        said.append(business.texts.part("earliest"))
    return said
