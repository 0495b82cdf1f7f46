"""Which of a sentence's dates and times are wished for, and which only tell why ("because I work till five")."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ari_app.understanding.chart import Span
from ari_app.understanding.tokens import BREAK

LEAD = 4
"""A clause's subject stands among its first so many words."""


@dataclass(frozen=True, slots=True)
class ClauseWords:
    """A language's words that part sentences into clauses, and tell what a clause is for."""

    subjects: frozenset[str]
    """ "i", "she": a new clause begins with one, unless a word of `inverting` stands before it."""
    owners: frozenset[str]
    """ "my": begins a subject ("my boss")."""
    inverting: frozenset[str]
    openers: frozenset[str]
    """ "can" before one of `opened` ("can we", "how about"): a new clause, too."""
    opened: frozenset[str]
    joins: frozenset[str]
    reasons: frozenset[str]
    concludes: frozenset[str]
    """ "so": what follows is the wish."""
    pointing: frozenset[str]
    """ "so let us do that": the day named before is meant."""
    wishes: frozenset[str]
    """Words that only who wants something says."""
    folk: frozenset[str]
    """ "friday, the wife has it thursday": who is spoken of after an article."""
    states: frozenset[str]
    """ "my shift starts", "her test is": after an owner and what is owned."""
    befores: frozenset[str]
    afters: frozenset[str]
    """ "before my shift at two"."""
    happenings: frozenset[str]
    """ "it runs out on the fifth": what a thing does is no wish."""
    closers: frozenset[str]
    """ "ten would be ideal, my shift ...": words that end a clause before an owner."""

    @classmethod
    def from_data(cls, given: Mapping[str, Sequence[str]]) -> "ClauseWords":
        return cls(**{name: frozenset(map(str, given[name])) for name in cls.__slots__})


def circumstances(words: Sequence[str], spans: Sequence[Span], known: ClauseWords) -> frozenset[int]:
    """Indices of the spans that stand in a clause which states a fact about the caller's life."""
    clauses = list(_joined(list(_clauses(words, spans, known)), spans, words))
    told = [clause for clause in clauses if _is_fact(words[clause[0] : clause[1]], known)]
    return frozenset(index for index, span in enumerate(spans) if any(start <= span.start < end for start, end in told))


def _clauses(words: Sequence[str], spans: Sequence[Span], known: ClauseWords) -> Iterator[tuple[int, int]]:
    inside = {index for span in spans for index in range(span.start + 1, span.end)}
    ends = {span.end for span in spans}
    starts = {span.start for span in spans}
    begun = {span.start for span in spans if _begins(words, span, spans, known)}
    start = 0
    quiet = known.inverting | known.joins | known.reasons | known.concludes
    opening = known.joins | known.reasons | known.concludes | {BREAK}
    for index, word in enumerate(words):
        if index == start or index in inside:
            continue
        before = words[index - 1]
        following = words[index + 1] if index + 1 < len(words) else ""
        is_question = word in known.openers and following in known.opened and before not in quiet
        if (
            (word in opening and index not in starts)
            or before == BREAK
            or is_question
            or (word in known.owners and (index in ends or before in known.closers))
            or (word in known.owners and _tells(words, index, quiet, known))
            or (word in known.subjects and before not in quiet)
            or (index in ends and following in known.folk)
            or (following in known.happenings and before not in quiet and word not in known.owners)
            or index in begun
        ):
            yield start, index
            start = index
    yield start, len(words)


def _tells(words: Sequence[str], index: int, quiet: frozenset[str], known: ClauseWords) -> bool:
    """ "(for maths) her test is in october"."""
    return words[index - 1] not in quiet and not known.states.isdisjoint(words[index + 2 : index + 4])


def _begins(words: Sequence[str], span: Span, spans: Sequence[Span], known: ClauseWords) -> bool:
    """Whether a value right after another of its kind opens a clause: "friday, thursday is my ...", or the answer."""
    following = words[span.end : span.end + 2]
    if len(following) == 1 and following[0] in known.concludes:
        return True  # "tuesday oh no i have choir wednesday then"
    if not any(other.end == span.start and other.category[-4:] == span.category[-4:] for other in spans):
        return False
    return (
        not following
        or following[0] == BREAK
        or (following[0] in known.inverting | known.owners and not known.owners.isdisjoint(following))
    )


def _joined(clauses: list[tuple[int, int]], spans: Sequence[Span], words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """ "Wednesdays i am in bristol": a value alone before a clause without one belongs to it."""
    held: tuple[int, int] | None = None
    for start, end in clauses:
        if held is not None:
            has_own = any(start <= span.start < end for span in spans)
            if not has_own and words[start] != BREAK:
                yield held[0], end
                held = None
                continue
            yield held
            held = None
        if any(span.start == start and span.end == end for span in spans):
            held = (start, end)
            continue
        yield start, end
    if held is not None:
        yield held


def _is_fact(clause: Sequence[str], known: ClauseWords) -> bool:
    said = [word for word in clause if word != BREAK]
    while len(said) > 1 and said[0] in known.closers:
        said.pop(0)  # "lovely that is before my ..."
    if not said or said[0] in known.concludes or not known.wishes.isdisjoint(said):
        return False
    telling = known.subjects | known.owners | known.folk | known.happenings
    return not telling.isdisjoint(said[1:4] if said[0] in known.reasons else said[:LEAD])
