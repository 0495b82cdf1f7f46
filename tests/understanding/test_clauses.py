"""Which dates and times of a sentence only tell why: seen span by span, and never a reason to forget the only one."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from ari_app.understanding.accepting import Asked
from ari_app.understanding.clauses import circumstances
from ari_app.understanding.grammar import load_grammar
from ari_app.understanding.interpreter import interpret_text
from ari_app.understanding.meaning import Expectation, Slot, Vocabulary
from ari_app.understanding.reading import find_spans
from ari_app.understanding.sentence import Sentence

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=ZoneInfo("Europe/London"))
WHEN = Expectation(slots=frozenset({Slot.DATE, Slot.TIME}))


def _told(text: str) -> list[str]:
    grammar = load_grammar("en-GB")
    tokens = grammar.tokens(text)
    sentence = Sentence(text, tokens, grammar, WHEN, Vocabulary(), NOW, "en-GB")
    spans = find_spans(tokens, grammar, sentence.context(), Asked(date=True, time=True))
    told = circumstances(tokens.words, spans, grammar.clauses)
    return [" ".join(tokens.words[span.start : span.end]) for index, span in enumerate(spans) if index in told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("wednesdays i'm in bristol so it would need to be the thursday", ["wednesdays"]),
        ("friday because my sister marries on saturday", ["on saturday"]),
        ("mornings are better. i turn into a pumpkin after lunch", ["after lunch"]),
        ("she naps at noon so around ten", ["at noon"]),
        ("my shift ends on the fifth can you do the third", ["on the fifth"]),
        ("could i come on friday at ten", []),
        ("i would like thursday or friday", []),
        ("tuesday works and i can do wednesday", []),
        ("so friday", []),
    ],
)
def test_facts_are_told_from_wishes(text: str, told: list[str]) -> None:
    assert _told(text) == told


@pytest.mark.parametrize(
    ("text", "day", "start"),
    [
        ("i work till five so after that or on friday at six", "2026-11-27", None),
        ("i don't finish till five", None, "17:00"),
        ("monday i'm away so tuesday at ten please", "2026-12-01", "10:00"),
        ("my car is booked for thursday", "2026-11-26", None),
    ],
)
def test_a_fact_counts_where_nothing_else_is_said(text: str, day: str | None, start: str | None) -> None:
    act = interpret_text(text, WHEN, Vocabulary(), NOW)
    assert (act.date.start.isoformat() if act.date and act.date.start else None) == day
    if start is not None:
        assert act.time is not None
        assert f"{act.time.start:%H:%M}" == start
