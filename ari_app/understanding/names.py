"""Names, spelled letters and the words around them."""

from collections.abc import Sequence

from rapidfuzz import fuzz, process

from ari_app.understanding.grammar import Grammar
from ari_app.understanding.tokens import BREAK, Tokens

MAX_NAME_WORDS = 4
KNOWN_FLOOR = 82.0


def spelled(words: Sequence[str], grammar: Grammar) -> str | None:
    """ "d o e", "d as in delta o e": the longest run of two or more letters."""
    best, run, index = "", "", 0
    while index < len(words):
        letter, used = _letter(words, index, grammar)
        if letter:
            run += letter
            index += used
            continue
        if len(run) > len(best):
            best = run
        run = ""
        index += 1
    best = max(best, run, key=len)
    return best if len(best) >= 2 else None


def _letter(words: Sequence[str], index: int, grammar: Grammar) -> tuple[str, int]:
    word = words[index]
    if word in grammar.multipliers and index + 1 < len(words) and grammar.multipliers[word] == 2:
        letter, used = _letter(words, index + 1, grammar)
        if letter and len(letter) == 1:
            return letter * 2, used + 1
    for size in (2, 1):
        found = grammar.letters.get(" ".join(words[index : index + size]))
        if found is not None and index + size <= len(words):
            return found, size + _link(words, index + size, grammar)
    return "", 1


def _link(words: Sequence[str], index: int, grammar: Grammar) -> int:
    """How many words "as in delta" takes."""
    for size in (2, 1):
        if " ".join(words[index : index + size]) in grammar.letter_links and index + size < len(words):
            return size + 1
    return 0


def said_name(
    tokens: Tokens,
    grammar: Grammar,
    *,
    known: Sequence[str],
    lead_end: int | None,
    is_expected: bool,
    taken: frozenset[int],
) -> str | None:
    """The caller's name: after "my name is", one of the known ones, or the whole answer where a name was asked for.

    `lead_end`: position of the first word after a naming phrase; `taken`: positions that were read as something else.
    """
    words = tokens.words
    start = lead_end if lead_end is not None else 0
    if lead_end is None and not is_expected:
        return None
    kept: list[int] = []
    for index in range(start, len(words)):
        if words[index] == BREAK and kept:
            break
        if index in taken or words[index] in grammar.name_noise or not words[index].isalpha():
            if kept and lead_end is not None:
                break
            continue
        kept.append(index)
    while kept and words[kept[0]] in grammar.fillers:
        kept.pop(0)
    while kept and words[kept[-1]] in grammar.fillers:
        kept.pop()
    if not kept or len(kept) > MAX_NAME_WORDS:
        return None
    said = " ".join(words[index] for index in kept)
    match = process.extractOne(said, known, scorer=fuzz.token_sort_ratio, processor=str.lower, score_cutoff=KNOWN_FLOOR)
    if match is not None:
        return str(match[0])
    if any(words[index] in grammar.nameless for index in kept):
        return None
    if lead_end is not None and not is_expected and len(kept) > 3:
        return None
    return " ".join(_as_written(tokens, index) for index in kept)


def _as_written(tokens: Tokens, index: int) -> str:
    given = tokens.original[index]
    return given if given[:1].isupper() else given.capitalize()
