"""Where a text may be cut so that its first words can be spoken while the rest is being made.

A cut is only made at white space, after punctuation that a speaker would pause at. Never inside "a. m.", "Dr. Smith",
"3. Mai", "no. 5", initials or numbers. A comma cuts only where both sides are long enough to be spoken in one breath of
their own, so that lists and "yes, please" stay whole.
"""

import re
from dataclasses import dataclass

MIN_WORDS_BEFORE_COMMA = 4
MIN_WORDS_AFTER_COMMA = 3
MAX_CHARACTERS = 220
"""A longer clause without punctuation is cut at white space: nobody should wait for it."""

SENTENCE_PAUSE_S = 0.25
COMMA_PAUSE_S = 0.12
CUT_PAUSE_S = 0.04
END_PAUSE_S = 0.08

_TITLES = frozenset(
    {"dr", "mr", "mrs", "ms", "prof", "st", "hr", "fr", "str", "mt", "ft", "vs", "jr", "sr", "rd", "ave"}
)
_SHORT_FORMS = frozenset({"approx", "incl", "etc", "bzw", "ca", "usw", "evtl", "ggf"})
_BEFORE_NUMBERS = frozenset({"no", "nr", "tel", "ext", "st", "str"})
_DAY_NAMES = re.compile(
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:jan|febr)uary|march|april|may|june|july|august|(?:sept|nov|dec)ember|october",
    re.IGNORECASE,
)
_NOON = re.compile(r"(?:^|[\d\s])[ap]\.\s?m\.$", re.IGNORECASE)
_CLOSING = "\"'”’)]»"


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of text to be synthesised as one."""

    text: str
    pause_s: float
    """Silence after it."""


def split(text: str) -> list[Clause]:
    """The clauses of `text`, white space squeezed: their texts joined by one space each are it."""
    words = text.split()
    clauses: list[Clause] = []
    start = 0
    for index in range(len(words)):
        is_last = index == len(words) - 1
        said = words[start : index + 1]
        pause_s = END_PAUSE_S if is_last else _pause_after(said, words[index + 1 :])
        if pause_s is not None:
            clauses.append(Clause(" ".join(said), pause_s))
            start = index + 1
    return clauses


def _pause_after(said: list[str], rest: list[str]) -> float | None:
    """How long a speaker pauses between `said` and `rest`; None: no cut here."""
    bare = said[-1].rstrip(_CLOSING)
    if bare.endswith(("!", "?", "…")) or (bare.endswith(".") and not _is_abbreviation(said, rest[0])):
        return SENTENCE_PAUSE_S if _has_word(said) else None
    if bare.endswith((";", ":")) or bare in {"–", "—", "-"}:
        return COMMA_PAUSE_S if len(said) >= MIN_WORDS_AFTER_COMMA else None
    if bare.endswith(",") and len(said) >= MIN_WORDS_BEFORE_COMMA and _words_to_pause(rest) >= MIN_WORDS_AFTER_COMMA:
        return COMMA_PAUSE_S
    if len(" ".join(said)) + len(rest[0]) >= MAX_CHARACTERS:
        return CUT_PAUSE_S
    return None


def _is_abbreviation(said: list[str], following: str) -> bool:
    """Whether the full stop at the end of `said` ends no sentence."""
    bare = said[-1].rstrip(_CLOSING).lower()
    stem = bare.rstrip(".").lstrip("(\"'“‘[«")
    if bare.endswith("..") or not stem:
        return False
    starts_sentence = following[:1].isupper() and not _DAY_NAMES.match(following)
    if _NOON.search(" ".join(said[-2:])):
        return not starts_sentence
    return (
        stem in _TITLES
        or (stem in _SHORT_FORMS and not starts_sentence)
        or (stem in _BEFORE_NUMBERS and following[:1].isdigit())
        or (len(stem) == 1 and stem.isalpha())
        or "." in stem
        or (stem.isdigit() and len(stem) <= 2 and not starts_sentence)
        or (stem.isdigit() and len(stem) <= 2 and _is_german_month(following))
    )


def _is_german_month(word: str) -> bool:
    return word.rstrip(".,;:!?").lower() in {
        "januar", "februar", "märz", "april", "mai", "juni", "juli",
        "august", "september", "oktober", "november", "dezember",
    }  # fmt: skip


def _has_word(words: list[str]) -> bool:
    return any(character.isalnum() for word in words for character in word)


def _words_to_pause(words: list[str]) -> int:
    for count, word in enumerate(words, start=1):
        if word.rstrip(_CLOSING).endswith((".", "!", "?", ",", ";", ":", "…")):
            return count
    return len(words)
