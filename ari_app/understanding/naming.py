"""Names, letters, digits, and services by names that the business doesn't know."""

from collections.abc import Sequence

from ari_app.understanding import answers, names, reading, services
from ari_app.understanding.actions import ACTIONS
from ari_app.understanding.chart import Chart
from ari_app.understanding.grammar import Grammar
from ari_app.understanding.meaning import WHEN, Slot, Topic, YesNo
from ari_app.understanding.sentence import Sentence
from ari_app.understanding.spoken_numbers import DERIVED, digits_in
from ari_app.understanding.tokens import BREAK, Tokens
from ari_app.understanding.values import ReadingContext


def spelling(
    at: Sentence,
    said: reading.Reading,
    found: answers.Found,
    words: list[str],
    polarity: YesNo | None,
    has_intent: bool,
) -> tuple[str | None, str | None, str | None]:
    slots = at.expectation.slots
    digits = None
    if Slot.DIGITS in slots:
        spoken = [word for word in at.tokens.words if word not in at.grammar.digit_links]
        digits = digits_in(spoken, at.grammar.digits, at.grammar.multipliers) or None
        if digits is not None and len(digits) >= 7 and at.grammar.is_international(at.tokens.words):
            digits = f"+{digits}"
        digits = spoken_year(at.tokens.words, at.grammar, at.context()) or digits
    else:
        run = digits_in(at.tokens.words, at.grammar.digits, at.grammar.multipliers)
        digits = run if len(run) >= 7 else None
    letters: str | None = None
    spelt: frozenset[int] = frozenset()
    is_put_right = at.expectation.confirming is not None and polarity is not YesNo.YES
    if Slot.NAME in slots or is_put_right:
        run_of_letters = names.spelled(at.tokens.words, at.grammar, is_strict=Slot.NAME not in slots)
        letters, spelt = run_of_letters if run_of_letters is not None else (None, frozenset())
    lead_end = None
    is_lead = Slot.NAME in slots or is_put_right or "names.sure_leads" in found
    if "names.leads" in found and is_lead:
        lead_end = position(words, found["names.leads"][1], said, at.tokens)
    taken = frozenset(index for span in said.spans for index in range(span.start, span.end))
    name = names.said_name(
        at.tokens,
        at.grammar,
        known=at.vocabulary.names,
        lead_end=lead_end,
        is_expected=Slot.NAME in slots and polarity is not YesNo.NO and not has_intent,
        taken=taken | spelt | service_words(at),
        is_for_other="names.for_other" in found,
    )
    return name, letters, digits


def service_words(at: Sentence) -> frozenset[int]:
    """Where words of a service stand: "for my son a filling" is no name."""
    if Slot.NAME in at.expectation.slots:
        return frozenset()
    named = (name for each in at.vocabulary.services for name in (each.name, *each.synonyms))
    known = {word for name in named for word in name.lower().split()}
    return frozenset(index for index, word in enumerate(at.tokens.words) if word in known)


def known_service(at: Sentence, words: Sequence[str]) -> str | None:
    """A service of other businesses that is named; "I have a flight to catch" names none."""
    joined = f" {' '.join(words)} "
    for known in at.grammar.known_services:
        before, is_named, _ = joined.partition(f" {known} ")
        if is_named and not _is_owned(before.split(), at.grammar):
            return known
    return None


def _is_owned(before: list[str], grammar: Grammar) -> bool:
    """Whether the words end in "i have got a"."""
    while before and before[-1] in grammar.service_noise and before[-1] not in grammar.service_lacks:
        before.pop()
    count = len(before)
    while before and before[-1] in grammar.service_lacks:
        before.pop()
    is_told = len(before) < 2 or before[-2] not in grammar.clauses.inverting
    return len(before) < count and bool(before) and before[-1] in grammar.clauses.subjects and is_told


def lead_phrases(found: answers.Found) -> tuple[str, ...]:
    return tuple(key for key in ("services.leads", "services.bare_leads") if key in found)


def unknown_service(at: Sentence, words: list[str], found: answers.Found) -> str | None:
    """Words that name a service which this business hasn't."""
    if not at.vocabulary.services:
        return None
    plain = [word for word in words if word.islower()]
    if (known := known_service(at, plain)) is not None:
        return known
    leads = lead_phrases(found)
    if leads == ("services.bare_leads",) and Slot.TASK in at.expectation.slots:
        leads = ()  # "a match", to "how can I help": what was heard is no service of anybody's
    is_named = bool(leads) and "intents.request_alternatives" not in found
    if Slot.SERVICE in at.expectation.slots and is_named:
        rest = f" {' '.join(words)} "[max(found[lead][1] for lead in leads) :].split()
        named: list[str] = []
        for word in rest:
            if not word.islower() or word == BREAK or word in at.grammar.service_stops:
                break
            named.append(word)
        if named and not all(word in at.grammar.service_noise for word in named) and len(named) <= 4:
            return " ".join(named)
    return None


def unless_in_passing(at: Sentence, named: services.Named, words: list[str]) -> services.Named:
    """A part of a service's name in an answer to when, a question about something else, or to an operator, is none."""
    if not named.ids or named.score >= services.ALL_WORDS or Slot.SERVICE in at.expectation.slots:
        return named
    found = at.grammar.phrases.find(f" {' '.join(words)} ")
    if at.expectation.slots and at.expectation.slots <= WHEN and not lead_phrases(found):
        return services.Named()  # "no earlier than ten, I have to drop off the kids"
    topic = answers.topic(found)
    is_about_it = topic in {Topic.PRICE, Topic.DURATION, Topic.SERVICES}
    is_passing = "intents.operator" in found or "marks.opens_question" in found or topic is Topic.OTHER
    return services.Named() if is_passing and not is_about_it else named


def position(words: list[str], offset: int, said: reading.Reading, tokens: Tokens) -> int:
    """Token index of the masked sentence's character `offset`."""
    masked_index = len(f" {' '.join(words)} "[:offset].split())
    tail = len(words) - masked_index
    return max(0, len(tokens.words) - tail) if not said.spans else unmasked(masked_index, said)


def unmasked(index: int, said: reading.Reading) -> int:
    position = index
    for span in said.spans:
        if span.start < position:
            position += span.end - span.start - 1
    return position


def spoken_year(words: Sequence[str], grammar: Grammar, context: ReadingContext) -> str | None:
    """ "nineteen eighty four", "two thousand and one" as four digits."""
    tokens = Tokens(tuple(words))
    rows = Chart(grammar.rules, ACTIONS, context, DERIVED, frozenset({"YEAR"})).parse(words, grammar.lexical(tokens))
    found = [(end - start, value) for start, row in enumerate(rows) for end, value, _ in row.get("YEAR", ())]
    return str(max(found)[1]) if found else None
