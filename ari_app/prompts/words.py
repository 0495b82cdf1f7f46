"""Words of a language for dates, times and numbers, read from `texts/<language>.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ari_app.errors import ConfigInvalid

TEXTS_DIR = Path(__file__).parent / "texts"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LocaleWords(_Table):
    """How one locale puts a date together."""

    date: str
    date_with_year: str
    moment: str
    written: str
    """As a text message has it, with digits."""
    clock: int


class ClockWords(_Table):
    """How one locale says a time of day on a 12 or 24 hour clock."""

    with_part: str
    other: str
    small: str
    minutes: dict[int, str]
    parts: dict[int, str] = {0: ""}
    """Part of day, by the hour from which it is said."""
    noon: str = ""
    midnight: str = ""
    hour_one: str = ""
    """One o'clock where it isn't the counting word ("ein Uhr")."""


class SpokenWords(_Table):
    """The [spoken] table."""

    units: tuple[str, ...]
    tens: tuple[str, ...]
    units_first: bool
    unit_in_compound: str
    joiner: str
    hundred: str
    hundred_and: str
    thousand: str
    thousand_and: str
    thousand_small: str
    year_pairs_from: int
    """From this year on (and before 2000) a year is said as two numbers."""
    year_century: str
    year_pair: str
    year_pair_small: str
    ordinals: tuple[str, ...]
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    plus: str
    minus: str
    point: str
    and_: str
    or_: str
    to: str
    currencies: dict[str, tuple[str, str]]
    symbols: dict[str, str]
    locales: dict[str, LocaleWords]
    clocks: dict[int, dict[str, ClockWords]]

    def locale(self, name: str) -> LocaleWords:
        """The locale's own words, else those of the language's first locale."""
        return self.locales.get(name) or next(iter(self.locales.values()))

    def clock(self, hours: int, locale: str) -> ClockWords:
        """Words of the 12 or 24 hour clock: the locale's, else the language's, else the first there is."""
        tables = self.clocks.get(hours) or next(iter(self.clocks.values()))
        return tables.get(locale) or tables.get(language_of(locale)) or next(iter(tables.values()))


def language_of(locale: str) -> str:
    """ "en-GB" -> "en"."""
    return locale.partition("-")[0].lower()


def read_texts(language: str) -> Mapping[str, object]:
    """The parsed `texts/<language>.toml`; raise ConfigInvalid where there is none or it can't be read."""
    path = TEXTS_DIR / f"{language}.toml"
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise ConfigInvalid(path.name, "(file)", f'no texts for language "{language}"') from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigInvalid(path.name, "(file)", str(exc)) from exc


@cache
def spoken_words(language: str) -> SpokenWords:
    """The [spoken] table of a language; raise ConfigInvalid naming the key that is wrong."""
    table = read_texts(language).get("spoken")
    if not isinstance(table, dict):
        raise ConfigInvalid(f"{language}.toml", "spoken", "is missing")
    renamed = {{"and": "and_", "or": "or_"}.get(key, key): value for key, value in table.items()}
    try:
        return SpokenWords.model_validate(renamed)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(["spoken", *(str(part) for part in first["loc"])])
        raise ConfigInvalid(f"{language}.toml", key, first["msg"]) from exc
