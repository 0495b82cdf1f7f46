"""Which service or resource is meant: by name, synonym or part, tolerant of mishearing, never a silent guess."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz import fuzz

from ari_app.understanding.grammar import Grammar
from ari_app.understanding.meaning import ServiceWords

EXACT, ALL_WORDS, PART = 100.0, 94.0, 86.0
FUZZY_FLOOR = 84.0
MARGIN = 6.0
"""How much better the best must be than the next; nearer ones are asked about."""


@dataclass(frozen=True, slots=True)
class Named:
    """What was found: one id, or several that fit alike."""

    ids: tuple[str, ...] = ()
    start: int = 0
    end: int = 0
    score: float = 0.0

    @property
    def id(self) -> str | None:
        return self.ids[0] if len(self.ids) == 1 else None


@dataclass(frozen=True, slots=True)
class _Phrase:
    id: str
    words: tuple[str, ...]
    stems: frozenset[str]


def find_named(words: Sequence[str], items: tuple[ServiceWords, ...], grammar: Grammar, *, is_expected: bool) -> Named:
    """The item that `words` name. Mishearing is only allowed for where one `is_expected`."""
    if not items or not words:
        return Named()
    phrases = _phrases(items, grammar.language)
    stems = [stem(word) for word in words]
    found: dict[str, tuple[float, int, int]] = {}
    for phrase in phrases:
        hit = _exact(words, stems, phrase) or _by_words(words, stems, phrase, phrases, grammar)
        if hit is not None:
            known = found.get(phrase.id)
            if known is None or hit[0] > known[0] or (hit[0] == known[0] and hit[2] - hit[1] > known[2] - known[1]):
                found[phrase.id] = hit
    if not found and is_expected:
        found = _misheard(words, phrases, grammar)
    found = {
        key: hit
        for key, hit in found.items()
        if not _is_reference(words, hit[1], grammar) and not _is_verb(words, hit[1], grammar)
    }
    wanted = {key: hit for key, hit in found.items() if not _is_refused(words, hit[1], grammar)}
    wanted = _beside_others(words, wanted, grammar)
    return _choose(_not_put_right(words, wanted or found, grammar))


def _not_put_right(
    words: Sequence[str], found: dict[str, tuple[float, int, int]], grammar: Grammar
) -> dict[str, tuple[float, int, int]]:
    """Without those that are taken back: "a check up, no sorry, it's the hygienist I need"."""
    left = dict(found)
    ranked = sorted(found.items(), key=lambda item: item[1][1])
    for (_, (_, _, end)), (_, (_, start, _)) in pairwise(ranked):
        gap = grammar.gap_phrases.find(f" {' '.join(words[end:start])} ") if start > end else {}
        if "marks.correct" in gap and "marks.either" not in gap:
            left = {key: hit for key, hit in left.items() if hit[2] > end}
    return left or found


def _is_reference(words: Sequence[str], start: int, grammar: Grammar) -> bool:
    """ "The same day as my cleaning", "before my check up": an appointment that is there, not one that is wanted."""
    return start >= 2 and words[start - 1] in grammar.own and words[start - 2] in grammar.relates


def _is_verb(words: Sequence[str], start: int, grammar: Grammar) -> bool:
    """ "To check what day it is"."""
    following = words[start + 1] if start + 1 < len(words) else ""
    if words[start] not in grammar.service_verbs or following in grammar.service_verb_particles:
        return False
    before = words[start - 1] if start else ""
    return following in grammar.service_after_verbs or before in grammar.service_before_verbs


def _is_refused(words: Sequence[str], start: int, grammar: Grammar) -> bool:
    """Whether "not", "rather than" or the like stand right before, small words apart ("not an oil change")."""
    before = list(words[max(0, start - 3) : start])
    while before and before[-1] in grammar.service_noise and before[-1] not in grammar.service_refusers:
        if before.pop() in grammar.service_lacks:
            return False  # "I don't have a dentist"
    return bool(before) and before[-1] in grammar.service_refusers


def _beside_others(
    words: Sequence[str], found: dict[str, tuple[float, int, int]], grammar: Grammar
) -> dict[str, tuple[float, int, int]]:
    """Without those that are left out or only tell who spoke: "just a haircut, no colour", "the doctor told me"."""
    only = [hit for hit in found.values() if not grammar.service_only.isdisjoint(words[max(0, hit[1] - 2) : hit[1]])]
    left = {
        key: hit
        for key, hit in found.items()
        if not (_is_denied(words, hit[1], grammar) and (only or _is_linked(words, hit[1], grammar)))
        and not (hit[2] < len(words) and words[hit[2]] in grammar.service_tellers)
    }
    return left or found


def _is_denied(words: Sequence[str], start: int, grammar: Grammar) -> bool:
    return start > 0 and words[start - 1] in grammar.service_nones


def _is_linked(words: Sequence[str], start: int, grammar: Grammar) -> bool:
    """ "A cleaning but no check up"; "a cleaning, no, check up" is a correction."""
    return start > 1 and words[start - 2] in grammar.service_none_links


def _choose(found: dict[str, tuple[float, int, int]]) -> Named:
    if not found:
        return Named()
    ranked = sorted(found.items(), key=lambda item: (-item[1][0], -(item[1][2] - item[1][1]), item[1][1]))
    best_id, (score, start, end) = ranked[0]
    rivals = [
        other
        for other, (other_score, other_start, other_end) in ranked[1:]
        if score - other_score < MARGIN
        and not (score >= EXACT and (other_end - other_start < end - start) and start <= other_start < end)
    ]
    return Named((best_id, *rivals), start, end, score)


def _exact(words: Sequence[str], stems: Sequence[str], phrase: _Phrase) -> tuple[float, int, int] | None:
    size = len(phrase.words)
    wanted = [stem(word) for word in phrase.words]
    for start in range(len(words) - size + 1):
        if list(stems[start : start + size]) == wanted:
            return EXACT, start, start + size
    return None


def _by_words(
    words: Sequence[str], stems: Sequence[str], phrase: _Phrase, phrases: Sequence[_Phrase], grammar: Grammar
) -> tuple[float, int, int] | None:
    """All of its telling words in any order, or one that no other item has."""
    telling = phrase.stems - _noise_stems(grammar.service_noise)
    if not telling:
        return None
    places = {piece: index for index, piece in enumerate(stems) if piece in telling}
    if not places:
        return None
    first, last = min(places.values()), max(places.values()) + 1
    if len(places) == len(telling) and last - first <= len(telling) + 3:
        if len(telling) > 1 or len(phrase.words) == 1:
            return ALL_WORDS, first, last
        return PART, first, last
    if all(len(piece) < 3 for piece in places):
        return None
    return PART, first, last


def _misheard(words: Sequence[str], phrases: Sequence[_Phrase], grammar: Grammar) -> dict[str, tuple[float, int, int]]:
    found: dict[str, tuple[float, int, int]] = {}
    pieces: dict[int, list[tuple[int, str]]] = {}
    for phrase in phrases:
        target = " ".join(phrase.words)
        if len(target) < 4:
            continue
        for size in range(max(1, len(phrase.words) - 1), len(phrase.words) + 2):
            if size not in pieces:
                pieces[size] = _pieces(words, size, grammar)
            for start, said in pieces[size]:
                if abs(len(said) - len(target)) * 3 > len(target):
                    continue
                score = fuzz.ratio(said, target, score_cutoff=FUZZY_FLOOR)
                if size != len(phrase.words):
                    joined = fuzz.ratio(said.replace(" ", ""), target.replace(" ", ""), score_cutoff=FUZZY_FLOOR)
                    score = max(score, joined - 1)
                if score >= FUZZY_FLOOR and score > found.get(phrase.id, (0.0, 0, 0))[0]:
                    found[phrase.id] = (min(score, PART + 4), start, start + size)
    return found


def _pieces(words: Sequence[str], size: int, grammar: Grammar) -> list[tuple[int, str]]:
    """Runs of `size` words that could be a misheard name."""
    runs = ((start, words[start : start + size]) for start in range(len(words) - size + 1))
    return [
        (start, " ".join(run))
        for start, run in runs
        if any(len(word) > 2 and word not in grammar.service_noise for word in run)
    ]


@functools.lru_cache(maxsize=8)
def _noise_stems(noise: frozenset[str]) -> frozenset[str]:
    """Words that tell nothing of a service, as they are and as stems."""
    return noise | {stem(word) for word in noise}


@functools.lru_cache(maxsize=256)
def _phrases(items: tuple[ServiceWords, ...], language: str) -> tuple[_Phrase, ...]:
    made: list[_Phrase] = []
    for item in items:
        for name in dict.fromkeys((item.name, item.id.replace("-", " ").replace("_", " "), *item.synonyms)):
            words = tuple(re.findall(r"[^\W_]+", name.lower().replace("'", "")))
            if words:
                made.append(_Phrase(item.id, words, frozenset(stem(word) for word in words)))
    return tuple(made)


@functools.lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Good enough to bring "cleaning", "cleans" and "clean" together; never shorter than three letters."""
    if len(word) == 4 and word.endswith("ed") and word[1] != "e":
        return word[:-1]
    for ending in ("ings", "ing", "ers", "er", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            base = word[: -len(ending)]
            if ending in {"ers", "er"} and len(base) < 5:
                continue
            if ending == "ies":
                return base + "y"
            if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "ls":
                return base[:-1]
            return base.removesuffix("e") if len(base) > 3 else base
    return word.removesuffix("e") if len(word) > 4 else word
