"""Names, spelled letters and the words around them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from ari_app.understanding.grammar import Grammar
from ari_app.understanding.tokens import BREAK, Tokens

MAX_NAME_WORDS = 4
WHOLE_NAME = 2
"""Words: a first name and a last name; what follows is something else."""
FEWEST_LETTERS = 3
FEWEST_FIGURES = 3
KNOWN_FLOOR = 82.0


def spelled(words: Sequence[str], grammar: Grammar, *, is_strict: bool = False) -> tuple[str, frozenset[int]] | None:
    """ "d o e", "d as in delta o e": the longest run of letters and where it stands.

    `is_strict`: only letters as such, none by name ("see", "are"). Two letters alone are a spelling only where nothing
    else was said: "sean with a u" spells nothing.
    """
    best: tuple[str, frozenset[int]] = ("", frozenset())
    run, start, index = "", 0, 0
    while index <= len(words):
        letter, used = _letter(words, index, grammar) if index < len(words) else ("", 1)
        if is_strict and letter and len(words[index]) > 1:
            letter, used = "", 1
        is_sign = bool(run) and index < len(words) and words[index] in grammar.letter_signs
        if letter or is_sign:
            start = index if not run else start
            run += letter
            index += used
            continue
        if len(run) > len(best[0]):
            best = run, frozenset(range(start, index))
        run = ""
        index += 1
    others = [word for index, word in enumerate(words) if index not in best[1] and word not in grammar.name_noise]
    return best if len(best[0]) >= FEWEST_LETTERS or (len(best[0]) == 2 and not others) else None


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
    is_for_other: bool = False,
) -> str | None:
    """The name said: of the husband or daughter whom it is for, after "my name is", or the whole answer.

    `lead_end`: position of the first word after a naming phrase; `taken`: positions that were read as something else;
    `is_for_other`: "for my husband peter" counts, though no name was asked for.
    """
    said = _Said(tokens, grammar, taken | _figures(tokens.words, grammar))
    relation = said.last_of(grammar.relations)
    if relation is not None and (is_expected or is_for_other):
        return said.written(said.chunk(relation + 1, skipped=grammar.relation_links, most=2))
    if lead_end is None and not is_expected:
        return None
    found = said.named_parts() if lead_end is not None else []
    if not found and lead_end is not None:
        found = said.chunk(lead_end)
    title = said.last_of(grammar.titles)
    if not found and title is not None:
        found = said.chunk(title + 1)
    if not found and is_expected:
        found = said.everything()
    if not found or len(found) > MAX_NAME_WORDS:
        return None
    plain = " ".join(tokens.words[index] for index in found)
    match = process.extractOne(
        plain, known, scorer=fuzz.token_sort_ratio, processor=str.lower, score_cutoff=KNOWN_FLOOR
    )
    if match is not None:
        return str(match[0])
    if any(tokens.words[index] in grammar.nameless for index in found):
        return None
    return None if lead_end is not None and not is_expected and len(found) > 3 else said.written(found)


@dataclass(frozen=True, slots=True)
class _Said:
    """A sentence in which a name is looked for; positions are those of its tokens."""

    tokens: Tokens
    grammar: Grammar
    taken: frozenset[int]

    def last_of(self, kind: frozenset[str]) -> int | None:
        return next(
            (index for index in range(len(self.tokens.words) - 1, -1, -1) if self.tokens.words[index] in kind), None
        )

    def chunk(self, start: int, *, skipped: frozenset[str] = frozenset(), most: int = MAX_NAME_WORDS) -> list[int]:
        """The words from `start` on that can be a name, up to the first that can't."""
        kept: list[int] = []
        for index in range(start, len(self.tokens.words)):
            word = self.tokens.words[index]
            is_noise = word in self.grammar.name_noise or word == BREAK
            if not kept and (is_noise or word in skipped) and index not in self.taken:
                continue
            if index in self.taken or is_noise or word in self.grammar.nameless or not word.isalpha():
                break
            kept.append(index)
        return self._trimmed(kept[:most])

    def everything(self) -> list[int]:
        """All words that aren't noise, up to the sentence's end."""
        kept: list[int] = []
        for index, word in enumerate(self.tokens.words):
            if (word == BREAK and kept) or (word in self.grammar.nameless and len(kept) >= WHOLE_NAME):
                break
            if index not in self.taken and word not in self.grammar.name_noise and word.isalpha():
                kept.append(index)
        return self._trimmed(kept)

    def named_parts(self) -> list[int]:
        """ "My first name is linh and my last name is nguyen", in either order."""
        first: list[int] = []
        last: list[int] = []
        words, grammar = self.tokens.words, self.grammar
        for index, word in enumerate(words):
            if word in grammar.name_words:
                is_first = word in grammar.first_name_words or self._before(index) in grammar.first_name_words
                (first if is_first else last).extend(self.chunk(index + 1))
        return [*first, *last] if first and last else []

    def _before(self, index: int) -> str:
        return self.tokens.words[index - 1] if index else ""

    def written(self, kept: Sequence[int]) -> str | None:
        """As given where that has capitals, else with capitals."""
        given = [self.tokens.original[index] for index in kept]
        return " ".join(each if each[:1].isupper() else each.capitalize() for each in given) or None

    def _trimmed(self, kept: list[int]) -> list[int]:
        while kept and self.tokens.words[kept[0]] in self.grammar.fillers:
            kept.pop(0)
        while kept and self.tokens.words[kept[-1]] in self.grammar.fillers:
            kept.pop()
        return kept


def _figures(words: Sequence[str], grammar: Grammar) -> frozenset[int]:
    """Positions of digits said in a row: a telephone number beside the name."""
    found: set[int] = set()
    run: list[int] = []
    for index, word in enumerate([*words, ""]):
        if word and (word in grammar.digits or word in grammar.multipliers or word.isdigit()):
            run.append(index)
            continue
        if len(run) >= FEWEST_FIGURES:
            found.update(run)
        run = []
    return frozenset(found)
