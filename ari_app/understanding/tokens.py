"""Text as people say, type or recognisers write it -> plain lower-case tokens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

BREAK = "|"
"""Stands between sentences; no rule crosses it."""

_TOKEN = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:t\d{1,2}:\d{2}(?::\d{2})?)?"  # 2026-11-24
    r"|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b"  # 24/11/2026
    r"|\d{1,2}/\d{1,2}\b"  # 24/11
    r"|\d{1,2}\.\d{1,2}\.(?=\s|$)"  # 24.11.
    r"|\d{1,2}[:.]\d{2}(?::\d{2})?(?!\d)"  # 15:30, 3.30
    r"|\d+\.\d(?!\d)"  # 4.6, a rating
    r"|\d+(?:st|nd|rd|th)\b"
    r"|\d+"
    r"|\bw/(?:c\b|(?=\s))"  # w/ a friend, w/c 18 March
    r"|[^\W\d_]+(?:['’][^\W\d_]+)*"
    r"|[.?!;]+|[-–—]|&"
)
_AMPM = re.compile(r"(?<![^\W\d_])([ap])\s?\.\s?m\b\.?|(?<=\d)\s?([ap])\s?m\b\.?|(?<=\d)([ap])\b(?!')", re.IGNORECASE)
MAX_CHARACTERS = 1000
"""A minute of speech; what is longer is cut."""

_DROPPED = re.compile(r"\[[^\]]*\]|<[^>]*>")


@dataclass(frozen=True, slots=True)
class Tokens:
    """`words` with sentence breaks as BREAK; `is_question` where the text ends one with a question mark."""

    words: tuple[str, ...]
    is_question: bool = False
    ordinals: frozenset[int] = frozenset()
    """Positions of numbers written as ordinals ("4th", German "4.")."""
    original: tuple[str, ...] = ()
    """The same tokens as given, before lower-casing and expansion; for names."""

    @property
    def text(self) -> str:
        return " ".join(self.words)


def tokenise(
    text: str,
    *,
    contractions: Mapping[str, str],
    abbreviations: frozenset[str] = frozenset(),
    dotted_ordinals: bool = False,
    dash: str = "to",
    copula: tuple[re.Pattern[str], str] | None = None,
) -> Tokens:
    """Split, lower, expand contractions; never raises.

    `dotted_ordinals`: "4." is the fourth; `dash`, `copula`: see Grammar.
    """
    plain = text[:MAX_CHARACTERS].replace("’", "'").replace("`", "'").replace("@", " at ")
    if "[" in plain or "<" in plain:
        plain = _DROPPED.sub(" ", plain)
    if "." in plain or any(character.isdigit() for character in plain):
        plain = _AMPM.sub(_half_of_day, plain)
    if copula is not None and "'" in plain:
        plain = copula[0].sub(copula[1], plain)
    words: list[str] = []
    original: list[str] = []
    ordinals: set[int] = set()
    is_question = False
    for match in _TOKEN.finditer(plain):
        raw = match.group()
        token = raw.lower()
        if token[0] in ".?!;":
            is_question = is_question or "?" in token
            follows_space = match.end() >= len(plain) or plain[match.end()].isspace()
            if not words or words[-1] == BREAK:
                continue
            if dotted_ordinals and token == "." and words[-1].isdigit() and len(words[-1]) <= 2:
                if plain[match.end() :].strip():
                    ordinals.add(len(words) - 1)
                continue
            if token[0] == "." and (words[-1] in abbreviations or not follows_space or _is_initial(words[-1])):
                continue
            words.append(BREAK)
            original.append(BREAK)
            continue
        if token in {"-", "–", "—"}:
            is_apart = plain[match.end() : match.end() + 1].isspace()
            follows_figure = bool(words) and words[-1][-1].isdigit()
            if follows_figure and (is_apart or plain[match.end() : match.end() + 1].isdigit()):
                words.append(dash)
                original.append(dash)
            continue
        if token[-2:] in {"st", "nd", "rd", "th"} and token[:-2].isdigit():
            ordinals.add(len(words))
            token = token[:-2]
        expanded = _expanded(token, contractions).split()
        words.extend(expanded)
        original.extend([raw] * len(expanded))
    if words and words[-1] == BREAK:
        words.pop()
        original.pop()
    return Tokens(tuple(words), is_question, frozenset(ordinals), tuple(original))


def _half_of_day(found: re.Match[str]) -> str:
    """ " pm "; the full stop after it is kept where a sentence begins behind it."""
    following = found.string[found.end() :].lstrip()
    is_end = found.group().endswith(".") and following[:1].isupper()
    return f" {found[1] or found[2] or found[3]}m{'.' if is_end else ''} "


def _is_initial(word: str) -> bool:
    return len(word) == 1 and word.isalpha()


def _expanded(token: str, contractions: Mapping[str, str]) -> str:
    found = contractions.get(token)
    if found is not None:
        return found
    if "'" in token:
        stem, _, suffix = token.rpartition("'")
        ending = contractions.get("'" + suffix)
        if ending is not None:
            return f"{stem.removesuffix('n')} {ending}" if suffix == "t" else f"{stem} {ending}".strip()
        return token.replace("'", "")
    return token
