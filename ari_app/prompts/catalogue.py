"""Every sentence that the agent speaks, by id, from `texts/<language>.toml`.

A text is a list of variants; `{name:form}` in it is filled with a value: `{opening:date}`, `{opening:time}`,
`{opening:moment}`, `{number:digits}`, `{offers:list}`, `{opening:written}` (for text messages); without a form a
number is counted and a moment said in full.
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from functools import cache
from typing import Protocol, runtime_checkable

from ari_app.errors import ConfigInvalid
from ari_app.prompts.spoken import spoken_date, spoken_digits, spoken_moment, spoken_number, spoken_time, written_moment
from ari_app.prompts.words import read_texts

_FORMATTER = string.Formatter()
_CLAUSE_END = re.compile(r"(?<=[.,;:?!])\s+")
_FORMS = frozenset({"", "date", "time", "moment", "digits", "list", "written"})


@runtime_checkable
class Timed(Protocol):
    """An opening or an appointment: something that starts."""

    @property
    def start(self) -> datetime: ...


TextValue = str | int | date | datetime | time | Timed | tuple[Timed, ...] | list[Timed]


class Catalogue:
    """The texts of one language, said for one locale."""

    def __init__(self, language: str, locale: str) -> None:
        """Raise ConfigInvalid naming the text that is wrong."""
        self.language, self.locale = language, locale
        self._file = f"{language}.toml"
        tables = read_texts(language)
        self.texts = self._checked(_flattened(tables.get("texts")), "texts")
        self.parts = self._checked(_flattened(tables.get("parts")), "parts")
        self.options = self._checked(_flattened(tables.get("options")), "options")
        """Words of closed choices, for the recogniser's phrase list."""
        self.confusable = _confusable(tables.get("confusable"), self._file)

    def ids(self) -> tuple[str, ...]:
        return tuple(self.texts)

    def placeholders(self, text_id: str) -> frozenset[str]:
        """The value names that the text needs, all variants together."""
        return frozenset(name for variant in self._variants(text_id) for name, _ in _fields(variant))

    def render(
        self,
        text_id: str,
        values: Mapping[str, TextValue] | Iterable[tuple[str, TextValue]] = (),
        variant: int = 0,
        now: datetime | None = None,
    ) -> str:
        """The text in words; raise ConfigInvalid for an unknown id or a value that is missing."""
        variants = self._variants(text_id)
        return self._filled(text_id, variants[variant % len(variants)], dict(values), now)

    def part(self, part_id: str, values: Mapping[str, TextValue] | None = None, now: datetime | None = None) -> str:
        """A piece of a sentence, to be a value of another text."""
        if part_id not in self.parts:
            raise ConfigInvalid(self._file, f"parts.{part_id}", "is missing")
        return self._filled(part_id, self.parts[part_id][0], values or {}, now)

    def joined(self, names: Sequence[str], *, word: str = "or") -> str:
        """ "a, b, or c"; two are "a, or b"."""
        if len(names) < 2:
            return "".join(names)
        return f"{', '.join(names[:-1])}, {self.part(f'join.{word}')} {names[-1]}"

    def fixed_texts(self) -> list[str]:
        """Every text, and every clause of a text, that needs no value."""
        found: dict[str, None] = {}
        for variants in self.texts.values():
            for variant in variants:
                pieces = [variant] if not _fields(variant) else clauses(variant)
                found.update(dict.fromkeys(piece for piece in pieces if not _fields(piece)))
        return list(found)

    def prerender_texts(
        self,
        services: Sequence[str] = (),
        days: Sequence[date] = (),
        times: Sequence[time] = (),
        now: datetime | None = None,
    ) -> list[str]:
        """What the phrase cache should hold: fixed texts, and each service, day and time as it stands in a clause.

        `services`: as they are said, with and without their person ("dental cleaning with Anna").
        """
        found = dict.fromkeys(self.fixed_texts())
        joint = self.part("join.offer")
        for template in self._templates_of("what"):
            found.update(dict.fromkeys(self._filled("", template, {"what": name}, now) for name in services))
        for day in days:
            date_clause = clauses(spoken_moment(datetime.combine(day, time(9)), self.locale, now))[0]
            said = spoken_date(day, self.locale, now=now)
            found.update(dict.fromkeys((date_clause, f"{joint} {date_clause}", f"{said}.")))
        for moment_time in times:
            said = clauses(spoken_moment(datetime.combine(date(2026, 1, 1), moment_time), self.locale))[-1]
            found.update(dict.fromkeys((f"{said}.", f"{joint} {said}.")))
        return list(found)

    def _templates_of(self, name: str) -> list[str]:
        """Clauses of all texts that need this value and no other."""
        pieces = (piece for variants in self.texts.values() for variant in variants for piece in clauses(variant))
        return list(dict.fromkeys(piece for piece in pieces if [each for each, _ in _fields(piece)] == [name]))

    def _variants(self, text_id: str) -> tuple[str, ...]:
        try:
            return self.texts[text_id]
        except KeyError as exc:
            raise ConfigInvalid(self._file, f"texts.{text_id}", "is missing") from exc

    def _filled(self, text_id: str, template: str, values: Mapping[str, TextValue], now: datetime | None) -> str:
        out = []
        for literal, name, form, _ in _FORMATTER.parse(template):
            out.append(literal)
            if name is not None:
                if name not in values:
                    raise ConfigInvalid(self._file, text_id, f'needs a value "{name}"')
                out.append(self._said(text_id, values[name], form or "", now))
        said = " ".join("".join(out).split())
        return _with_capitals(said) if text_id in self.texts else said

    def _said(self, text_id: str, value: TextValue, form: str, now: datetime | None) -> str:
        match value:
            case str():
                return spoken_digits(value, self.locale) if form == "digits" else value
            case int():
                return spoken_number(value, self.locale)
            case datetime():
                return self._moment(value, form, now)
            case date():
                return spoken_date(value, self.locale, now=now)
            case time():
                return spoken_time(value, self.locale)
            case Timed():
                return self._moment(value.start, form, now)
            case tuple() | list():
                return self._listed(value, now)
        raise ConfigInvalid(self._file, text_id, f"can't say a {type(value).__name__}")

    def _moment(self, moment: datetime, form: str, now: datetime | None) -> str:
        if form == "date":
            return spoken_date(moment.date(), self.locale, now=now)
        if form == "time":
            return spoken_time(moment.time(), self.locale)
        if form == "written":
            return written_moment(moment, self.locale)
        return spoken_moment(moment, self.locale, now)

    def _listed(self, offers: Sequence[Timed], now: datetime | None) -> str:
        """Each offer a sentence of its own; the day is said again only where it changes."""
        said: list[str] = []
        day: date | None = None
        for offer in offers:
            if offer.start.date() == day:
                said.append(clauses(spoken_moment(offer.start, self.locale, now))[-1])
            else:
                said.append(spoken_moment(offer.start, self.locale, now))
            day = offer.start.date()
        return f". {self.part('join.offer')} ".join(said)

    def _checked(self, table: dict[str, tuple[str, ...]], section: str) -> dict[str, tuple[str, ...]]:
        for text_id, variants in table.items():
            for variant in variants:
                try:
                    forms = {form for _, form in _fields(variant)}
                except ValueError as exc:
                    raise ConfigInvalid(self._file, f"{section}.{text_id}", str(exc)) from exc
                if unknown := forms - _FORMS:
                    raise ConfigInvalid(self._file, f"{section}.{text_id}", f'unknown form "{unknown.pop()}"')
            if not variants or not all(variant.strip() for variant in variants):
                raise ConfigInvalid(self._file, f"{section}.{text_id}", "is empty")
        return table


@cache
def catalogue(language: str, locale: str) -> Catalogue:
    """The texts of a language, read once."""
    return Catalogue(language, locale)


def clauses(text: str) -> list[str]:
    """Split at commas and sentence ends; joined by spaces they are `text`."""
    return _CLAUSE_END.split(text.strip())


def _with_capitals(text: str) -> str:
    return re.sub(r"(?:^|(?<=[.?!]\s))[a-zäöü]", lambda match: match[0].upper(), text)


def _fields(template: str) -> list[tuple[str, str]]:
    return [(name, form or "") for _, name, form, _ in _FORMATTER.parse(template) if name is not None]


def _flattened(table: object, prefix: str = "") -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    if not isinstance(table, dict):
        return found
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found.update(_flattened(value, f"{name}."))
        elif isinstance(value, list):
            found[name] = tuple(str(item) for item in value)
        else:
            found[name] = (str(value),)
    return found


def _confusable(table: object, file: str) -> dict[str, frozenset[frozenset[int]]]:
    if not isinstance(table, dict):
        raise ConfigInvalid(file, "confusable", "is missing")
    return {str(key): frozenset(frozenset(map(int, pair)) for pair in pairs) for key, pairs in table.items()}
