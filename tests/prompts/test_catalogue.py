"""Texts: both languages complete, short, and filled without a digit left."""

import re
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from ari_app.dialogue.state import Question
from ari_app.errors import ConfigInvalid
from ari_app.prompts.catalogue import Catalogue, clauses

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 23, 8, 40, tzinfo=LONDON)
LANGUAGES = [("en", "en-GB"), ("en", "en-US"), ("de", "de-DE")]
MAX_WORDS = 20

RECURRING_ONCE = {
    "greeting", "goodbye_booked", "goodbye_nothing", "sms_booked", "sms_moved", "sms_cancelled",
    "answer.day_open", "answer.day_closed", "answer.free", "done.callback_due",
}  # fmt: skip
"""Texts that are said at most once in a call, or whose values make them differ."""


class At(NamedTuple):
    start: datetime


VALUES = {
    "opening": At(datetime(2026, 11, 24, 15, 25, tzinfo=LONDON)),
    "appointment": At(datetime(2026, 11, 24, 15, 25, tzinfo=LONDON)),
    "offers": [At(datetime(2026, 11, 24, 9, 0, tzinfo=LONDON)), At(datetime(2026, 11, 25, 11, 30, tzinfo=LONDON))],
    "due": NOW,
    "number": "+447700900001",
    "minutes": 30,
}


def filled(catalogue: Catalogue, text_id: str, variant: int) -> str:
    values = {name: VALUES.get(name, "Reinigung") for name in catalogue.placeholders(text_id)}
    return catalogue.render(text_id, values, variant, NOW)


@pytest.fixture(params=LANGUAGES, ids=lambda pair: pair[1])
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    return Catalogue(*request.param)


def test_a_language_is_files_with_the_same_ids_and_placeholders() -> None:
    english, german = Catalogue("en", "en-GB"), Catalogue("de", "de-DE")
    assert set(english.ids()) == set(german.ids())
    assert set(english.parts) == set(german.parts)
    assert {key: len(words) for key, words in english.options.items()} == {
        key: len(words) for key, words in german.options.items()
    }
    assert set(english.confusable) == set(german.confusable)
    for text_id in english.ids():
        assert english.placeholders(text_id) == german.placeholders(text_id), text_id
        assert len(english.texts[text_id]) == len(german.texts[text_id]), text_id


def test_every_question_can_be_asked_again_and_by_keys_with_the_same_values(catalogue: Catalogue) -> None:
    extra = {"services", "menu"}
    for question in Question:
        asked = catalogue.placeholders(f"ask.{question}")
        for form in ("again", "keys"):
            assert catalogue.placeholders(f"{form}.{question}") <= asked | extra, f"{form}.{question}"
        assert len(catalogue.texts[f"ask.{question}"]) > 1
        assert len(catalogue.texts[f"again.{question}"]) > 1


def test_what_recurs_has_several_wordings(catalogue: Catalogue) -> None:
    for text_id, variants in catalogue.texts.items():
        may_be_single = text_id in RECURRING_ONCE or text_id.startswith(("keys.", "handoff."))
        assert may_be_single or len(set(variants)) > 1, text_id
        assert len(set(variants)) == len(variants), text_id


def test_no_two_texts_say_the_same(catalogue: Catalogue) -> None:
    asked = [each for key in catalogue.ids() if key.startswith(("ask.", "again.")) for each in catalogue.texts[key]]
    shared = {each for each in asked if asked.count(each) > 1}
    assert not shared


def test_sentences_are_short_and_ask_one_thing(catalogue: Catalogue) -> None:
    for text_id, variants in catalogue.texts.items():
        if text_id.startswith("sms_"):
            continue
        for variant in range(len(variants)):
            text = filled(catalogue, text_id, variant)
            for sentence in re.split(r"(?<=[.?!])\s", text):
                assert len(sentence.split()) < MAX_WORDS, f"{text_id}: {sentence}"
            bare = re.sub(r"(Yes or no|Ja oder nein)\?", "", text)
            assert bare.count("?") <= 1, f"{text_id}: {text}"


def test_nothing_spoken_has_a_digit_in_it(catalogue: Catalogue) -> None:
    for text_id, variants in catalogue.texts.items():
        if not text_id.startswith("sms_"):
            for variant in range(len(variants)):
                assert not re.search(r"\d|\{|\}", filled(catalogue, text_id, variant)), text_id


def test_first_words_say_that_a_machine_speaks_and_how_to_reach_a_person() -> None:
    english = Catalogue("en", "en-GB").render("greeting", {"business": "Bright Street"})
    assert "automated assistant" in english
    assert "operator" in english
    assert "automatische Assistent" in Catalogue("de", "de-DE").render("greeting", {"business": "Praxis"})


def test_a_missing_id_value_or_language_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(ConfigInvalid, match=r"texts\.no\.such: is missing"):
        catalogue.render("no.such")
    with pytest.raises(ConfigInvalid, match='needs a value "business"'):
        catalogue.render("greeting")
    with pytest.raises(ConfigInvalid, match='no texts for language "xx"'):
        Catalogue("xx", "xx-XX")


def test_a_day_is_said_once_in_a_list_of_offers() -> None:
    same_day = [At(datetime(2026, 11, 24, hour, 0, tzinfo=LONDON)) for hour in (9, 11)]
    text = Catalogue("en", "en-GB").render("ask.offer", {"offers": same_day}, 0, NOW)
    assert text.count("Tuesday") == 1
    assert "at nine o'clock in the morning. Or, at eleven o'clock in the morning." in text


def test_text_messages_are_written_with_digits() -> None:
    opening = {"opening": VALUES["opening"]}
    assert "Tuesday 24 November 2026 at 15:25" in Catalogue("en", "en-GB").render("sms_booked", opening)
    assert "Tuesday, November 24, 2026 at 3:25 PM" in Catalogue("en", "en-US").render("sms_booked", opening)
    assert "Dienstag, 24. November 2026, 15:25 Uhr" in Catalogue("de", "de-DE").render("sms_booked", opening)


def test_prerendered_texts_cover_the_clauses_of_a_read_back() -> None:
    catalogue = Catalogue("en", "en-GB")
    days = [NOW.date() + timedelta(days=each) for each in range(21)]
    times = [time(hour, minute) for hour in range(9, 18) for minute in (0, 15, 30, 45)]
    made = set(catalogue.prerender_texts(["dental cleaning"], days, times, NOW))
    values = {"what": "dental cleaning", "opening": At(datetime(2026, 11, 24, 15, 30, tzinfo=LONDON))}
    pieces = clauses(catalogue.render("ask.readback", values, 0, NOW))
    assert [piece for piece in pieces if piece not in made] == []
    assert "Or, Wednesday the twenty fifth of November," in made
    assert "Or, at half past three in the afternoon." in made


def test_a_date_and_a_time_may_be_values_too() -> None:
    catalogue = Catalogue("en", "en-GB")
    assert catalogue.render("wish", {"wish": time(12)}) == "Noon."
    assert "Christmas" not in catalogue.render("wish", {"wish": date(2026, 12, 25)})
