"""A language as files: `grammars/<language>.yaml` holds its words, rules and phrases; this loads and checks them."""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from importlib import resources
from typing import Any

import yaml

from ari_app.errors import BadInput
from ari_app.understanding import dates, spoken_numbers, times  # noqa: F401 (they offer their actions)
from ari_app.understanding.actions import ACTIONS
from ari_app.understanding.chart import Lexical, RuleBook, compile_rules, unfit_rules
from ari_app.understanding.clauses import ClauseWords
from ari_app.understanding.phrasebook import Phrasebook, read_macros
from ari_app.understanding.tokens import Tokens, tokenise
from ari_app.understanding.values import Clock, Value

REQUIRED = (
    "language",
    "locales",
    "contractions",
    "lexicon",
    "rules",
    "parts",
    "phrases",
    "letters",
    "digits",
    "expect",
    "unfinished",
    "services",
    "fillers",
    "backchannels",
    "clauses",
    "name_noise",
    "nameless",
    "relations",
    "titles",
    "name_words",
)
PROMPT_MARKS = (
    "marks.question_yes_no",
    "marks.question_confirm",
    "marks.question_wh",
    "marks.anything_else",
    "marks.offer",
    "marks.question_alternatives",
    "marks.question_which",
    "marks.question_or_else",
    "marks.question_task",
    "marks.wait",
    "marks.done",
    "marks.is_all",
    "marks.question_wish",
    "marks.question_cancel",
)
GAP_MARKS = (
    "marks.correct",
    "marks.instead",
    "marks.either",
    "marks.fits",
    "marks.takes",
    "marks.therefore",
    "marks.repaired",
)
PHRASE_KINDS = ("intents", "topics", "yes_no", "marks", "choices", "preferences", "names")


@dataclass(frozen=True, slots=True)
class LocaleRules:
    """How a region of the language reads what the words leave open."""

    day_first: bool
    next_weekday: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """One language, loaded. Immutable in use; shared by all calls."""

    language: str
    locales: Mapping[str, LocaleRules]
    contractions: Mapping[str, str]
    abbreviations: frozenset[str]
    dotted_ordinals: bool
    dash: str
    """What a dash between figures is read as."""
    puts: frozenset[str]
    """ "make it one": a lone "one" after these is a time."""
    brings: frozenset[str]
    brought_by: frozenset[str]
    """ "bring it by tomorrow" is no "by tomorrow at the latest"."""
    greeted: frozenset[str]
    """ "morning mate": words after a greeting."""
    copula: tuple[re.Pattern[str], str] | None
    """A short form of "is" ("five's fine", "8:30's too early") and the word that stands for it."""
    lexicon: Mapping[str, tuple[tuple[tuple[str, ...], str, Value], ...]]
    """First word -> (whole phrase, category, value)."""
    rules: RuleBook
    parts: tuple[tuple[str, time, time], ...]
    phrases: Phrasebook
    """Keys are "intents.book", "yes_no.no", ..."""
    prompt_phrases: Phrasebook
    """Those that tell what the agent's own words ask for."""
    gap_phrases: Phrasebook
    """Those that stand between two values ("no wait", "or")."""
    letters: Mapping[str, str]
    """Spoken letter -> letter ("bee" -> "b")."""
    letter_links: frozenset[str]
    """ "as in", "for": "d as in delta"."""
    digits: Mapping[str, str]
    multipliers: Mapping[str, int]
    expect: Mapping[str, tuple[str, ...]]
    """What a turn may be answered with, by slot, for the recogniser's phrase list."""
    unfinished: frozenset[str]
    """Last words after which more is to come."""
    fillers: frozenset[str]
    """Words that carry nothing."""
    backchannels: frozenset[str]
    """What listeners say while others speak, and go on listening."""
    pronouns: frozenset[str]
    """Numbers that also stand for a thing ("the late one")."""
    before_pronoun: frozenset[str]
    """Words after which such a number is a time ("at one"); empty: all."""
    homophones: Mapping[str, str]
    """Numbers that sound like a small word before the name of a service ("four" for "for")."""
    from_words: frozenset[str]
    """Words before the day that an appointment is moved away from."""
    to_words: frozenset[str]
    """Words before the day that an appointment is moved to."""
    leads_to_day: frozenset[str]
    """Words after which "first" is a day, and no "at first"."""
    about_words: frozenset[str]
    """Words that point at a day talked about before ("the day after")."""
    name_noise: frozenset[str]
    """Words that are no part of a name."""
    relations: frozenset[str]
    """ "husband", "daughter": whom it is for."""
    relation_links: frozenset[str]
    """Words between one of those and the name ("my son, he's called Max")."""
    titles: frozenset[str]
    name_words: frozenset[str]
    first_name_words: frozenset[str]
    letter_signs: frozenset[str]
    """ "apostrophe": said while spelling, and no letter."""
    plus_words: frozenset[str]
    digit_links: frozenset[str]
    """Words that don't end a number said digit by digit."""
    nameless: frozenset[str]
    """Words that no name has in it: who says one of them says something else ("I'd rather not say")."""
    clauses: ClauseWords
    service_stops: frozenset[str]
    """Where the name of an unknown service ends."""
    service_noise: frozenset[str]
    own: frozenset[str]
    """ "my" """
    relates: frozenset[str]
    """Words between which and "my" an appointment is only referred to ("as", "before")."""
    excepting: frozenset[str]
    """What stands before the person whom the caller does not want ("anyone but")."""
    service_refusers: frozenset[str]
    service_verbs: frozenset[str]
    service_after_verbs: frozenset[str]
    """ "check what day it is": the first is no service before one of the second."""
    service_before_verbs: frozenset[str]
    service_verb_particles: frozenset[str]
    """ "let me check", but "a check up"."""
    service_none_links: frozenset[str]
    service_nones: frozenset[str]
    service_only: frozenset[str]
    """ "just" and "no" of "just a haircut no colour"."""
    service_tellers: frozenset[str]
    """ "the doctor told me": whom one calls by a service's word."""
    service_lacks: frozenset[str]
    """Words after "not" that tell what is missing ("I don't have a dentist")."""
    """"not" and the like: the service that follows is the one that isn't wanted."""
    """Words that name no service by themselves."""
    known_services: frozenset[str]
    """Things people ask appointments for anywhere: to say that this business doesn't offer one."""
    spoken: Mapping[str, Any]
    """Words for building phrases: weekdays, months, ordinals, numbers."""

    def tokens(self, text: str) -> Tokens:
        return tokenise(
            text,
            contractions=self.contractions,
            abbreviations=self.abbreviations,
            dotted_ordinals=self.dotted_ordinals,
            dash=self.dash,
            copula=self.copula,
        )

    def is_international(self, words: Sequence[str]) -> bool:
        """Whether "plus" is said before the digits: a country's code follows."""
        return not self.plus_words.isdisjoint(words)

    def locale(self, name: str) -> LocaleRules:
        found = self.locales.get(name)
        return found if found is not None else next(iter(self.locales.values()))

    def lexical(self, tokens: Tokens) -> list[list[Lexical]]:
        """For each position, every lexicon entry that starts there, and what figures stand for."""
        words = tokens.words
        found: list[list[Lexical]] = []
        for index, token in enumerate(words):
            here: list[Lexical] = [
                (category, index + len(phrase), value)
                for phrase, category, value in self.lexicon.get(token, ())
                if words[index : index + len(phrase)] == phrase
            ]
            if token[0] in "0123456789":
                here.extend(
                    (category, index + 1, value)
                    for category, value in _figures(token, is_ordinal=index in tokens.ordinals)
                )
            found.append(here)
        return found


def _figures(token: str, *, is_ordinal: bool) -> Iterable[tuple[str, Value]]:
    parts = [int(part) for part in re.split(r"\D+", token) if part]
    if token.isdigit():
        number = int(token[:9])
        if is_ordinal:
            yield "ORDINAL", number
            return
        if len(token) <= 4:
            yield "NUM", number
        if len(token) == 2 and number <= 59:
            yield "MIN2", number
        if len(token) == 4 and 1900 <= number <= 2200:
            yield "YEAR", number
        if len(token) == 2:
            yield "YEAR2", 2000 + number
        if len(token) in {3, 4} and number % 100 < 60 and number // 100 < 24:
            yield "CLOCK4", Clock(number // 100, number % 100, "24" if token[0] == "0" or number >= 1300 else "")
        return
    if re.fullmatch(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}.*", token):
        yield "ISODATE", (parts[0], parts[1], parts[2])
        if len(parts) >= 5 and parts[3] < 24 and parts[4] < 60:
            yield "ISOMOMENT", (parts[0], parts[1], parts[2], parts[3], parts[4])
        return
    if len(parts) == 3 and ":" not in token:
        yield "NUMERIC", (parts[0], parts[1], parts[2])
        return
    if "/" in token:
        yield "NUMERIC", (parts[0], parts[1])
        return
    if token.endswith("."):
        yield "NUMERIC", (parts[0], parts[1])
        return
    if len(parts) >= 2 and parts[0] < 24 and parts[1] < 60 and token[-2].isdigit():
        is_certain = parts[0] == 0 or parts[0] > 12 or (token[0] == "0" and len(token) > 4)
        category = "TIMETOK" if ":" in token else "DOTTED"
        yield category, Clock(parts[0], parts[1], "24" if is_certain else "")
    if "." in token and len(parts) == 2 and 1 <= parts[0] <= 31 and 1 <= parts[1] <= 12:
        yield "DOTDATE", (parts[0], parts[1])


@functools.cache
def load_grammar(language: str) -> Grammar:
    """The grammar of "en" or "en-GB"; BadInput where there is none or it has a hole."""
    short = language.split("-")[0].lower()
    if not re.fullmatch(r"[a-z]{2,3}", short):
        raise BadInput(f'"{language}" is no language: write one like "en" or "en-GB"')
    return _loaded(short)


@functools.cache
def _loaded(short: str) -> Grammar:
    source = resources.files("ari_app.understanding") / "grammars" / f"{short}.yaml"
    if not source.is_file():
        raise BadInput(f'no grammar for "{short}": add understanding/grammars/{short}.yaml')
    data = yaml.load(source.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return build_grammar(data, source=f"{short}.yaml")


def build_grammar(data: Mapping[str, Any], *, source: str) -> Grammar:
    """Check and compile a grammar file's content."""
    missing = [key for key in REQUIRED if key not in data]
    if missing:
        raise BadInput(f"{source}: lacks {', '.join(missing)}")
    lines = [line for line in str(data["rules"]).splitlines() if line.strip() and not line.strip().startswith("#")]
    rules = compile_rules(lines, source=source)
    unfit = unfit_rules(rules.root, ACTIONS)
    if unfit:
        shown = "; ".join(f"{each.category} -> {each.action}({', '.join(sorted(each.labels))})" for each in unfit[:9])
        raise BadInput(f"{source}: rules that no action fits: {shown}")
    lexicon = _lexicon(data["lexicon"], [*_compounds(data), *_ordinals(data.get("ordinals"))])
    services = data["services"]
    return Grammar(
        language=str(data["language"]),
        locales={
            name: LocaleRules(bool(rules["day_first"]), str(rules["next_weekday"]))
            for name, rules in data["locales"].items()
        },
        contractions={str(key): str(value or "") for key, value in data["contractions"].items()},
        abbreviations=frozenset(map(str, data.get("abbreviations", ()))),
        dotted_ordinals=bool(data.get("dotted_ordinals", False)),
        dash=str(data["dash"]),
        puts=frozenset(map(str, data["puts"])),
        brings=frozenset(map(str, data["brings"])),
        brought_by=frozenset(map(str, data["brought_by"])),
        greeted=frozenset(map(str, data["greeted"])),
        copula=_copula(data.get("copula")),
        lexicon=lexicon,
        rules=rules,
        parts=tuple((name, _time(bounds[0]), _time(bounds[1])) for name, bounds in data["parts"].items()),
        phrases=_phrasebook(data),
        prompt_phrases=_phrasebook(data, only=PROMPT_MARKS),
        gap_phrases=_phrasebook(data, only=GAP_MARKS),
        letters={str(k): str(v) for v, names in data["letters"]["names"].items() for k in [v, *names]},
        letter_links=frozenset(map(str, data["letters"]["links"])),
        digits={str(k): str(v) for v, names in data["digits"]["words"].items() for k in names},
        multipliers={str(k): int(v) for k, v in data["digits"]["multipliers"].items()},
        expect={str(k): tuple(map(str, v)) for k, v in data["expect"].items()},
        unfinished=frozenset(map(str, data["unfinished"])),
        fillers=frozenset(map(str, data["fillers"])),
        backchannels=frozenset(map(str, data["backchannels"])),
        homophones={str(k): str(v) for k, v in data.get("homophones", {}).items()},
        from_words=frozenset(map(str, data.get("from_words", ()))),
        to_words=frozenset(map(str, data.get("to_words", ()))),
        leads_to_day=frozenset(map(str, data.get("leads_to_day", ()))),
        about_words=frozenset(map(str, data.get("about_words", ()))),
        pronouns=frozenset(map(str, data.get("pronouns", ()))),
        before_pronoun=frozenset(map(str, data.get("before_pronoun", ()))),
        name_noise=frozenset(map(str, data["name_noise"])),
        relations=frozenset(map(str, data["relations"]["words"])),
        relation_links=frozenset(map(str, data["relations"]["links"])),
        titles=frozenset(map(str, data["titles"])),
        name_words=frozenset(map(str, data["name_words"]["all"])),
        first_name_words=frozenset(map(str, data["name_words"]["first"])),
        letter_signs=frozenset(map(str, data["letters"].get("signs", ()))),
        plus_words=frozenset(map(str, data["digits"].get("plus", ()))),
        digit_links=frozenset(map(str, data["digits"].get("links", ()))),
        nameless=frozenset(map(str, data["nameless"])),
        clauses=ClauseWords.from_data(data["clauses"]),
        service_stops=frozenset(map(str, services["stops"])),
        service_noise=frozenset(map(str, services["noise"])),
        own=frozenset(map(str, services.get("own", ()))),
        relates=frozenset(map(str, services.get("relates", ()))),
        excepting=frozenset(map(str, services.get("excepting", ()))),
        service_lacks=frozenset(map(str, services.get("lacks", ()))),
        service_refusers=frozenset(map(str, services.get("refusers", ()))),
        service_verbs=frozenset(map(str, services["verbs"])),
        service_after_verbs=frozenset(map(str, services["after_verbs"])),
        service_before_verbs=frozenset(map(str, services["before_verbs"])),
        service_verb_particles=frozenset(map(str, services["verb_particles"])),
        service_none_links=frozenset(map(str, services["none_links"])),
        service_nones=frozenset(map(str, services["nones"])),
        service_only=frozenset(map(str, services["only"])),
        service_tellers=frozenset(map(str, services["tellers"])),
        known_services=frozenset(map(str, services["known_elsewhere"])),
        spoken=data.get("spoken", {}),
    )


def _copula(given: Mapping[str, Any] | None) -> tuple[re.Pattern[str], str] | None:
    if given is None:
        return None
    following = "|".join(re.escape(str(word)) for word in given["before"])
    suffix = re.escape(str(given["suffix"]))
    return re.compile(
        rf"(?:(?<=\d){suffix}\b|(?<=\w){suffix}(?= (?:{following})\b))", re.IGNORECASE
    ), f" {given['verb']}"


def _lines(ways: object) -> list[str]:
    """A block of lines or a list, as lines."""
    found = ways.splitlines() if isinstance(ways, str) else [str(way) for way in ways]  # type: ignore[attr-defined]
    return [line for line in found if line.strip()]


def _phrasebook(data: Mapping[str, Any], only: Sequence[str] = ()) -> Phrasebook:
    macros = read_macros({name: _lines(ways) for name, ways in data["phrases"].get("macros", {}).items()})
    book = Phrasebook()
    given = {f"{kind}.{name}": ways for kind in PHRASE_KINDS for name, ways in data["phrases"].get(kind, {}).items()}
    given["services.leads"] = data["services"]["leads"]
    given["services.bare_leads"] = data["services"]["bare_leads"]
    for key, ways in given.items():
        if (key in only) if only else (key not in PROMPT_MARKS):
            for line in _lines(ways):
                book.add(key, line, macros)
    return book


Entry = tuple[tuple[str, ...], str, Value]


def _compounds(data: Mapping[str, Any]) -> Iterable[Entry]:
    """Numbers that are one word: "einundzwanzig", "neunzehnhundertvierundachtzig"."""
    given = data.get("compounds")
    if given is None:
        return
    below_hundred = {int(number): str(words[0]) for number, words in data["lexicon"]["NUM"].items() if number}
    for ten, ten_word in given["tens"].items():
        for unit, unit_word in given["units"].items():
            word = f"{unit_word}{given['link']}{ten_word}"
            below_hundred[ten + unit] = word
            yield (word,), "NUM", ten + unit
            if ten + unit < 60:
                yield (word,), "MIN2", ten + unit
    for century, century_word in given["centuries"].items():
        yield (century_word,), "YEAR", century
        for number, word in below_hundred.items():
            yield (f"{century_word}{word}",), "YEAR", century + number
            yield (century_word, word), "YEAR", century + number


def _ordinals(given: Mapping[str, Any] | None) -> Iterable[Entry]:
    """Ordinals by stem and ending ("vierte", "vierten")."""
    if given is None:
        return
    for number, stem in given["stems"].items():
        for ending in given["endings"]:
            yield (f"{stem}{ending}",), "ORDINAL", number


def _lexicon(data: Mapping[str, Mapping[Any, Any]], more: Iterable[Entry]) -> dict[str, tuple[Entry, ...]]:
    index: dict[str, list[Entry]] = {}
    for category, entries in data.items():
        for value, phrases in entries.items():
            for phrase in phrases:
                words = tuple(str(phrase).split())
                index.setdefault(words[0], []).append((words, category, value))
    for entry in more:
        index.setdefault(entry[0][0], []).append(entry)
    return {first: tuple(items) for first, items in index.items()}


def _time(text: str) -> time:
    hour, _, minute = str(text).partition(":")
    return time(int(hour), int(minute))
