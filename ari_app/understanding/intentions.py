"""What the caller wants, out of the phrases found and of what was asked."""

from ari_app.understanding import answers, places, reading
from ari_app.understanding.meaning import DateRange, Intent, Slot, Topic, YesNo
from ari_app.understanding.sentence import Sentence, said_in_prompt, says_when


def settled(
    at: Sentence,
    said: reading.Reading,
    found: answers.Found,
    prompt: answers.Prompt,
    polarity: YesNo | None,
    day: DateRange | None,
    names_service: bool,
) -> tuple[tuple[Intent, ...], Topic | None, YesNo | None]:
    """Intents, topic and polarity as the question that stood open makes them."""
    wanted, topic = intents(at, found, polarity, prompt, said_when=says_when(said))
    is_filled = says_when(said) or names_service
    if (
        "yes_no.no_more" in found
        and polarity is None
        and not (prompt.is_silent or is_filled)
        and Intent.GOODBYE not in wanted
        and not tells_a_task(wanted)
    ):
        wanted = (*wanted, Intent.GOODBYE)
    if polarity is YesNo.NO and not prompt.is_yes_no and "marks.strong_no" not in found and tells_a_task(wanted):
        polarity = None
    if polarity is YesNo.NO and Intent.OPERATOR in wanted and "marks.strong_no" not in found:
        polarity = None  # "i can't be doing with a machine"
    if prompt.is_read_back and not prompt.is_cancelling and (says_when(said) or names_service):
        wanted = without_tasks_of_a_correction(wanted, found)
        if said.time is not None and said.time.is_point and not asks_for_others(found):
            wanted = without(wanted, Intent.REQUEST_ALTERNATIVES)  # "a bit later, say six"
    if prompt.is_read_back and polarity is YesNo.YES and not {"marks.books", "names.for_other"} & set(found):
        wanted = without(wanted, Intent.BOOK)  # "yes, and which door do I go in"
    if is_about_offer(at, wanted, found) or only_answers(at, said, found, names_service, polarity):
        wanted = without(wanted, Intent.BOOK)
    if prompt.is_choice and not names_service and "marks.books" not in found:
        wanted = without(wanted, Intent.BOOK)
    if "intents.repeat" in found and topic not in {Topic.PRICE, Topic.DURATION, Topic.ADDRESS}:
        wanted = without(wanted, Intent.QUESTION)
        topic = None
    wanted = asked_back(at, wanted, found)
    wanted = of_ones_own(at, said, wanted, found, prompt, names_service=names_service)
    is_wish = is_filled and not is_over(at, day)
    if not set(wanted) - {Intent.THANKS} and opens(at, found, prompt, polarity, is_wish):
        wanted = tuple(intent for intent in Intent if intent in {*wanted, Intent.BOOK})
    return wanted, topic, polarity


def intents(
    at: Sentence,
    found: answers.Found,
    polarity: YesNo | None,
    prompt: answers.Prompt,
    *,
    said_when: bool,
) -> tuple[tuple[Intent, ...], Topic | None]:
    wanted = set(answers.intents(found))
    if asks_for_others(found) and "intents.book" not in found and is_beside_offer(at, polarity, prompt):
        wanted = wanted - {Intent.BOOK} | {Intent.REQUEST_ALTERNATIVES}
    if places.is_inside(found, "intents.cancel", "marks.not_cancel"):
        wanted.discard(Intent.CANCEL)
        wanted |= {Intent.MOVE} & set(map(Intent, places.named_intents(found)))
    if places.overlap(found, "marks.not_book", "intents.book"):
        wanted.discard(Intent.BOOK)
    for intent in (Intent.CANCEL, Intent.MOVE):
        if intent in wanted and places.is_inside(found, f"intents.{intent.value}", "marks.hypothetical"):
            wanted.discard(intent)
    if Intent.NEVER_MIND in wanted and "marks.books" not in found:
        wanted.discard(Intent.BOOK)
    if Intent.REQUEST_ALTERNATIVES in wanted and not offers_anything(at, polarity, prompt):
        wanted.discard(Intent.REQUEST_ALTERNATIVES)
    if "marks.before_it" in found and "yes_no.said_yes" not in found:
        wanted.discard(Intent.BOOK)
    if polarity is YesNo.YES and {"yes_no.said_yes", "marks.books"} <= set(found):
        wanted.discard(Intent.REQUEST_ALTERNATIVES)  # "yes, book it before somebody else does"
    if wanted & {Intent.CANCEL, Intent.MOVE, Intent.ENQUIRE, Intent.NEVER_MIND} or (
        prompt.is_task and not at.is_open()
    ):
        wanted.discard(Intent.REQUEST_ALTERNATIVES)  # nothing was offered that there could be others of
    if places.overlap(found, "marks.opens_question", "intents.book") and "marks.books" not in found:
        wanted.discard(Intent.BOOK)  # "do I need a skin test"
    topic = answers.topic(found)
    if topic is Topic.HOURS and "marks.free_when" in found:
        topic = None  # "what do you have open on thursday"
    if topic is not None and not at.tokens.is_question and "marks.asks" not in found:
        topic = None
    if wanted & {Intent.ENQUIRE, Intent.CANCEL, Intent.MOVE, Intent.OPERATOR, Intent.CALLBACK}:
        topic = None
    if Intent.REQUEST_ALTERNATIVES in wanted and topic is not None:
        key = f"topics.{topic.value}"
        is_of_others = places.overlap(found, "intents.request_alternatives", key)
        if is_of_others or places.is_before(found, "marks.better_one", key):
            topic = None  # "what else is open", "anything with better reviews"
    if Intent.REQUEST_ALTERNATIVES in wanted and (
        "yes_no.no_more" in found or (topic is not None and not at.expectation.offered)
    ):
        wanted.discard(Intent.REQUEST_ALTERNATIVES)
    if topic is not None:
        wanted.add(Intent.QUESTION)
        is_own = {"marks.requests", "marks.books"} & set(found) and said_when
        if (
            not is_own
            and topic is not Topic.OTHER
            and found.get("intents.book", (99, 0))[0] >= found[f"topics.{topic.value}"][0]
        ):
            wanted.discard(Intent.BOOK)
    if Intent.CANCEL in wanted and polarity is YesNo.NO and at.expectation.confirming is not None:
        wanted.discard(Intent.NEVER_MIND)
    return tuple(intent for intent in Intent if intent in wanted), topic


def asks_for_others(found: answers.Found) -> bool:
    return not {"marks.openings", "marks.asks_openings", "marks.anything"}.isdisjoint(found)


def offers_anything(at: Sentence, polarity: YesNo | None, prompt: answers.Prompt) -> bool:
    """Whether there can be others: an open question ("what day is good for you?") offers nothing."""
    slots = at.expectation.slots
    if not slots or slots - {Slot.SERVICE, Slot.DATE, Slot.TIME} or at.is_open() or prompt.is_yes_no or polarity:
        return True
    named = said_in_prompt(at.expectation.prompt, at.now, at.locale) if at.expectation.prompt else None
    return prompt.is_choice or named is None or says_when(named)


def is_beside_offer(at: Sentence, polarity: YesNo | None, prompt: answers.Prompt) -> bool:
    """Whether "is there anything on friday" asks for something else than what was offered."""
    if Slot.TASK in at.expectation.slots or prompt.is_anything_else or polarity is YesNo.YES:
        return False
    if at.is_open() or polarity is YesNo.NO:
        return prompt.is_yes_no or prompt.is_choice or bool(at.expectation.offered)
    named = said_in_prompt(at.expectation.prompt, at.now, at.locale)
    return (prompt.is_yes_no or prompt.is_choice) and (named.date is not None or named.time is not None)


def is_about_offer(at: Sentence, intents: tuple[Intent, ...], found: answers.Found) -> bool:
    """ "I would like to see some other options" is no wish to book."""
    if Intent.REQUEST_ALTERNATIVES not in intents or "marks.books" in found:
        return False
    is_other = places.is_inside(found, "intents.request_alternatives", "intents.book")
    return is_other or not answers.asks_for_room(found)


def only_answers(
    at: Sentence, said: reading.Reading, found: answers.Found, names_service: bool, polarity: YesNo | None
) -> bool:
    """ "I need a filling", "could I come before noon": what was asked for is told, no wish of its own."""
    slots = at.expectation.slots
    is_taking = "yes_no.takes" in found and slots == {Slot.YES_NO}
    is_filled = is_taking or (says_when(said) and slots == {Slot.YES_NO} and polarity is not YesNo.YES)
    is_filled = is_filled or (
        (said.date is not None and Slot.DATE in slots)
        or (said.time is not None and Slot.TIME in slots)
        or (names_service and Slot.SERVICE in slots)
    )
    is_asked = bool(at.expectation.prompt) and Slot.TASK not in slots
    is_booking = "marks.books" in found and not places.is_inside(found, "marks.books", "marks.instead")
    return is_filled and is_asked and not is_booking


def opens(at: Sentence, found: answers.Found, prompt: answers.Prompt, polarity: YesNo | None, is_filled: bool) -> bool:
    """Whether an answer to "how can I help" is a wish to come ("my roots, on friday", "could somebody look")."""
    slots = at.expectation.slots
    if not prompt.is_task or (slots and Slot.TASK not in slots) or at.is_open() or polarity is not None:
        return False
    if answers.topic(found) is not None:
        return False
    if {"marks.opens_question", "yes_no.no_more"} & set(found):
        return False
    return "marks.requests" in found or (is_filled and "names.sure_leads" not in found)


def of_ones_own(
    at: Sentence,
    said: reading.Reading,
    wanted: tuple[Intent, ...],
    found: answers.Found,
    prompt: answers.Prompt,
    *,
    names_service: bool,
) -> tuple[Intent, ...]:
    """ "I have an appointment on friday and can't make it", "my cleaning's on friday, could it be monday"."""
    slots = at.expectation.slots
    if "marks.cannot_come" in found and at.expectation.options and Slot.TASK in slots and not wanted:
        return (Intent.MOVE,)  # "would you like to move it, or book a new one": "i can't make that"
    is_asked = Slot.TASK in slots or slots == {Slot.NAME} or (not slots and prompt.is_task)
    if at.is_open() or not is_asked:
        return wanted
    if set(wanted) - {Intent.BOOK, Intent.THANKS, Intent.REQUEST_ALTERNATIVES}:
        return wanted
    is_known = slots == {Slot.NAME}  # who is asked for a name before all else has something there
    has_one = "marks.has_one" in found and not is_led_by_request(at, found)
    changes = {"marks.instead", "marks.requests", "marks.but", "preferences.later"} & set(found)
    if "marks.instead" in changes and places.overlap(found, "marks.instead", "marks.cannot_come"):
        changes.remove("marks.instead")  # "I won't be able to make it"
    is_changing = bool(changes)
    cannot = "marks.cannot_come" in found or said.rejected_date is not None or said.rejected_time is not None
    is_new = not has_one and (Intent.BOOK in wanted or names_service)
    kept: Intent | None = None
    if has_one and is_changing and not cannot:
        kept = Intent.MOVE if "intents.book" not in found or "marks.instead" in found else None
    elif is_known and cannot and names_service and not has_one:
        kept = Intent.BOOK  # "a cleaning, but I can't do friday"
    elif cannot and (has_one or is_known) and says_when(said) and (is_changing or "marks.cannot_come" not in found):
        kept = Intent.MOVE
    elif cannot and not is_new and (not is_changing or not says_when(said)):
        kept = Intent.MOVE if has_one and is_changing else Intent.CANCEL
    elif is_known and "marks.instead" in found and says_when(said):
        kept = Intent.MOVE
    if kept is None:
        return wanted
    return tuple(intent for intent in Intent if intent is kept or (intent in wanted and intent is Intent.THANKS))


def is_led_by_request(at: Sentence, found: answers.Found) -> bool:
    """ "Could i have an appointment on friday"."""
    return "marks.requests" in found and found["marks.requests"][0] < found["marks.has_one"][0]


def is_over(at: Sentence, day: DateRange | None) -> bool:
    return day is not None and day.end is not None and day.end < at.now.date()


def asked_back(at: Sentence, intents: tuple[Intent, ...], found: answers.Found) -> tuple[Intent, ...]:
    """ "when is it again" asks for the appointment; of what was just read out it asks to hear that once more."""
    wanted = set(intents)
    if "marks.asks_when" in found:
        wanted.add(Intent.REPEAT if at.is_open() else Intent.ENQUIRE)
    if at.is_asked_back(found):
        wanted |= {Intent.REPEAT, Intent.QUESTION}
        wanted.discard(Intent.BOOK)
    return tuple(intent for intent in Intent if intent in wanted)


def without_tasks_of_a_correction(intents: tuple[Intent, ...], found: answers.Found) -> tuple[Intent, ...]:
    """What was read out is put right by another day or time: "let us push it to four" is no other task."""
    dropped: set[Intent] = set()
    if "marks.instead" in found or "marks.moves_it" in found:
        dropped.add(Intent.MOVE)
    if "marks.instead" in found or "marks.books" not in found:
        dropped.add(Intent.BOOK)
    return tuple(intent for intent in intents if intent not in dropped)


def tells_a_task(intents: tuple[Intent, ...]) -> bool:
    return bool(set(intents) & {Intent.CANCEL, Intent.MOVE, Intent.OPERATOR, Intent.ENQUIRE})


def is_other_task(intents: tuple[Intent, ...]) -> bool:
    return bool(set(intents) & {Intent.OPERATOR, Intent.CANCEL, Intent.ENQUIRE, Intent.QUESTION, Intent.REPEAT})


def without(intents: tuple[Intent, ...], dropped: Intent) -> tuple[Intent, ...]:
    return tuple(intent for intent in intents if intent is not dropped)
