"""Phrase patterns as data: a line of words with gaps, options and macros, found fast in a normalised sentence.

`{name}` is a macro, `(a|b_c)` alternatives (`_` is a blank), `x?` optional; `..` a gap of at most one word, `...` of
three, `....` of seven; `^` and `$` a sentence's start and end. Only the `^` that opens a line is a start.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ari_app.errors import BadInput

Macros = Mapping[str, tuple[str, frozenset[str] | None]]
"""Name -> regular expression, first words (None: any)."""

_GAPS = {"..": r"(?:[^ |]+ )?", "...": r"(?:[^ |]+ ){0,3}?", "....": r"(?:[^ |]+ ){0,7}?"}


@dataclass(slots=True)
class Phrasebook:
    """Patterns by the word they begin with."""

    by_word: dict[str, list[tuple[str, re.Pattern[str]]]] = field(default_factory=dict)
    at_start: dict[str, list[tuple[str, re.Pattern[str]]]] = field(default_factory=dict)
    anywhere: list[tuple[str, re.Pattern[str]]] = field(default_factory=list)

    def add(self, key: str, line: str, macros: Macros) -> None:
        """Take in one pattern line under `key`; BadInput where it can't be read."""
        text = line.strip()
        is_anchored = text.startswith("^ ")
        expression, firsts = read_pattern(text.removeprefix("^ "), macros)
        try:
            pattern = re.compile(expression)
        except re.error as exc:
            raise BadInput(f'{key}: pattern "{text}": {exc}') from exc
        if firsts is None:
            if is_anchored:
                raise BadInput(f'{key}: pattern "{text}" may begin with anything')
            self.anywhere.append((key, pattern))
            return
        index = self.at_start if is_anchored else self.by_word
        for word in sorted(firsts):
            index.setdefault(word, []).append((key, pattern))

    def find(self, text: str) -> dict[str, tuple[int, int]]:
        """The first match of each key in " word word " (leading and trailing blank)."""
        found: dict[str, tuple[int, int]] = {}
        position, is_start = 1, True
        for word in text.split():
            groups = [self.by_word.get(word), self.at_start.get(word) if is_start else None, self.anywhere]
            for group in groups:
                for key, pattern in group or ():
                    if key not in found:
                        matched = pattern.match(text, position)
                        if matched is not None and matched.end() > position:
                            found[key] = matched.span()
            is_start = word == "|"
            position += len(word) + 1
        return found


def read_macros(given: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, frozenset[str] | None]]:
    """Macros in their order; a later one may use an earlier one."""
    macros: dict[str, tuple[str, frozenset[str] | None]] = {}
    for name, ways in given.items():
        read = [read_pattern(str(way), macros) for way in ways]
        firsts: frozenset[str] | None = frozenset()
        for _, words in read:
            firsts = None if firsts is None or words is None else firsts | words
        macros[str(name)] = (f"(?:{'|'.join(text for text, _ in read)})", firsts)
    return macros


def read_pattern(line: str, macros: Macros) -> tuple[str, frozenset[str] | None]:
    """The regular expression of a pattern line and the words it may begin with (None: any)."""
    pieces: list[str] = []
    firsts: frozenset[str] | None = frozenset()
    is_open = True
    for token in line.split():
        if token in _GAPS:
            pieces.append(_GAPS[token])
            firsts = None if is_open else firsts
            continue
        if token == "$":
            pieces.append(r"(?=$|\|)")
            is_open = False
            continue
        is_optional = token.endswith("?")
        core = token[:-1] if is_optional else token
        named = re.fullmatch(r"\{(\w+)\}", core)
        words: frozenset[str] | None
        if named is not None:
            expression, words = _macro(named[1], macros, line)
        else:
            read = [_way(way, macros, line) for way in core.removeprefix("(").removesuffix(")").split("|")]
            expression = f"(?:{'|'.join(text for text, _ in read)})"
            words = frozenset()
            for _, begins in read:
                words = None if words is None or begins is None else words | begins
        pieces.append(f"{expression}?" if is_optional else expression)
        if is_open:
            firsts = None if firsts is None or words is None else firsts | words
            is_open = is_optional
    return "".join(pieces), firsts


def _macro(name: str, macros: Macros, line: str) -> tuple[str, frozenset[str] | None]:
    if name not in macros:
        raise BadInput(f'pattern "{line}": no macro "{name}"')
    return macros[name]


def _way(way: str, macros: Macros, line: str) -> tuple[str, frozenset[str] | None]:
    if way == "$":
        return r"(?=$|\|)", None
    if way.startswith("{"):
        return _macro(way.strip("{}"), macros, line)
    return re.escape(way.replace("_", " ")).replace(r"\ ", " ") + " ", frozenset({way.split("_")[0]})
