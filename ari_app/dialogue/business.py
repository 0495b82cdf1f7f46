"""The business that the agent speaks for: one frozen value, made of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from zoneinfo import ZoneInfo

from ari_app.booking.build import resources_from, services_from
from ari_app.booking.model import DaySpan, Resource, Service, Week
from ari_app.config import WEEKDAYS, Settings
from ari_app.dialogue.acts import Customer
from ari_app.prompts.catalogue import Catalogue, catalogue
from ari_app.prompts.spoken import spoken_text, spoken_time
from ari_app.prompts.words import spoken_words
from ari_app.understanding.meaning import ServiceWords, Vocabulary

CLOSED_WEEK: Week = ((),) * 7


@dataclass(frozen=True, slots=True)
class Business:
    """Everything about the business that a conversation needs."""

    name: str
    zone: ZoneInfo
    language: str = "en"
    locale: str = "en-GB"
    country: str = "GB"
    """ISO 3166: how a local telephone number is read."""
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    services: Mapping[str, Service] = field(default_factory=dict)
    resources: Mapping[str, Resource] = field(default_factory=dict)
    hours: Week = CLOSED_WEEK
    address: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Spoken answers to free questions by the word that asks for them."""
    identity: str = "name"
    """none, name, birth_year or pin."""
    asks_name: bool = False
    """Unknown callers are asked for their name before a booking is read back."""
    asks_number: bool = False
    """Withheld callers are asked for a number then."""
    max_misunderstandings: int = 2
    """In a row; this many hand the caller over."""
    reprompts: int = 2
    """Silences in a row that are asked about before the caller is handed over."""
    offers: int = 2
    hold_on_s: float = 60.0
    sends_texts: bool = True

    @property
    def texts(self) -> Catalogue:
        """The sentences in the business's language."""
        return catalogue(self.language, self.locale)

    def service_name(self, service: str | None) -> str:
        found = self.services.get(service or "")
        return found.name if found else ""

    def resource_name(self, resource: str | None) -> str:
        found = self.resources.get(resource or "")
        return found.name if found else ""

    def resources_of(self, service: str) -> frozenset[str]:
        """Who or what can be asked for by name with this service."""
        return frozenset(name for group in self.services[service].groups for name in group)

    def hours_text(self) -> str:
        """The week's opening hours in words: days with the same hours together."""
        runs: list[tuple[int, int, tuple[DaySpan, ...]]] = []
        for day, spans in enumerate(self.hours):
            if spans and runs and runs[-1][1] == day - 1 and runs[-1][2] == spans:
                runs[-1] = (runs[-1][0], day, spans)
            elif spans:
                runs.append((day, day, spans))
        return self.texts.joined([self._run_text(*run) for run in runs], word="and")

    def spans_on(self, day: date) -> tuple[DaySpan, ...]:
        """The usual hours of the day's weekday."""
        return self.hours[day.weekday()]

    def _run_text(self, first: int, last: int, spans: tuple[DaySpan, ...]) -> str:
        names = spoken_words(self.language).weekdays
        days = names[first]
        if last != first:
            days = self.texts.part("hours_days", {"first": names[first], "last": names[last]})
        said = [
            self.texts.part("hours_span", {"opens": self.time_text(span.start), "closes": self.time_text(span.end)})
            for span in spans
        ]
        return f"{days} {self.texts.joined(said, word='and')}"

    def time_text(self, moment: time) -> str:
        return spoken_time(moment, self.locale)


def vocabulary_for(business: Business, customer: Customer | None) -> Vocabulary:
    """The business's words and the names of the customer that the calling number belongs to."""
    if customer is None or not customer.name:
        return business.vocabulary
    return replace(business.vocabulary, names=(*business.vocabulary.names, customer.name))


def business_from(settings: Settings) -> Business:
    """The conversation's view of the settings."""
    at = settings.business
    hours: Week = tuple(tuple(DaySpan(span.start, span.end) for span in at.hours.get(day, ())) for day in WEEKDAYS)
    services = {
        name: replace(service, price=spoken_text(service.price, at.locale))
        for name, service in services_from(settings).items()
    }
    resources = resources_from(settings)
    weeks = [hours, *(resource.hours for resource in resources.values())]
    spans = [span for week in weeks for day in week for span in day]
    return Business(
        name=at.name,
        zone=at.zone,
        language=at.language,
        locale=at.locale,
        country=at.country,
        vocabulary=Vocabulary(
            services=tuple(ServiceWords(item.id, item.name, item.synonyms) for item in settings.services),
            resources=tuple(ServiceWords(item.id, item.name, item.synonyms) for item in settings.resources),
            opens=min((span.start for span in spans), default=time(8)),
            closes=_latest(spans),
        ),
        services=services,
        resources=resources,
        hours=hours if any(hours) else _joint(weeks),
        address=spoken_text(at.address, at.locale),
        answers={key: spoken_text(answer, at.locale) for key, answer in at.answers.items()},
        identity=settings.dialogue.identity,
        asks_name=settings.dialogue.ask_name,
        asks_number=settings.dialogue.ask_number,
        max_misunderstandings=settings.dialogue.max_misunderstandings,
        reprompts=settings.dialogue.reprompts,
        offers=settings.dialogue.offers,
        hold_on_s=settings.turns.hold_on_s,
        sends_texts=settings.sms.gateway != "none",
    )


def _joint(weeks: list[Week]) -> Week:
    """Each day's first week that has hours, where the business itself states none."""
    return tuple(next((week[day] for week in weeks if week[day]), ()) for day in range(7))


def _latest(spans: list[DaySpan]) -> time:
    if any(span.end == time(0) for span in spans):
        return time(23, 59)
    return max((span.end for span in spans), default=time(18))
