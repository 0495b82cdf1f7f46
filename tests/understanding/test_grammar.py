"""A language is files: each one loads, and has all that the others have."""

from pathlib import Path

import pytest
import yaml

from ari_app.errors import BadInput
from ari_app.understanding import grammar as grammar_module
from ari_app.understanding.grammar import Grammar, build_grammar, load_grammar
from ari_app.understanding.holidays_by_name import NAMES
from ari_app.understanding.meaning import Intent, Preference, Topic

FOLDER = Path(grammar_module.__file__).parent / "grammars"
LANGUAGES = tuple(path.stem for path in sorted(FOLDER.glob("*.yaml")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_yaml_readers_read_the_file_alike(language: str) -> None:
    text = (FOLDER / f"{language}.yaml").read_text("utf-8")
    assert build_grammar(yaml.load(text, yaml.SafeLoader), source="x").digits == load_grammar(language).digits


def _keys(grammar: Grammar) -> set[str]:
    book = grammar.phrases
    found = [book.anywhere, *book.by_word.values(), *book.at_start.values()]
    return {key for entries in found for key, _ in entries}


def test_english_and_german_are_there() -> None:
    assert {"en", "de"} <= set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_loads(language: str) -> None:
    assert load_grammar(language).language == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_has_every_intent_topic_and_preference(language: str) -> None:
    wanted = {f"intents.{intent.value}" for intent in Intent if intent is not Intent.QUESTION}
    wanted |= {f"topics.{topic.value}" for topic in Topic}
    wanted |= {f"preferences.{preference.value}" for preference in Preference}
    assert wanted <= _keys(load_grammar(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_has_the_phrases_and_parts_of_english(language: str) -> None:
    english, other = load_grammar("en"), load_grammar(language)
    assert _keys(english) <= _keys(other)
    parts = {"morning", "afternoon", "evening", "night", "lunch", "early_morning", "late_afternoon", "after_work"}
    assert parts <= {name for name, _, _ in other.parts}


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_names_all_days_months_hours(language: str) -> None:
    spoken = load_grammar(language).spoken
    assert len(spoken["weekdays"]) == 7
    assert len(spoken["months"]) == 12
    assert len(spoken["ordinals"]) == 31
    assert set(spoken["hours"]) == set(range(1, 13))
    assert set(spoken["minutes"]) == set(range(0, 60, 5))


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_expects_the_same_slots_as_english(language: str) -> None:
    assert set(load_grammar("en").expect) == set(load_grammar(language).expect)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_holiday_of_a_language_has_a_date(language: str) -> None:
    data = yaml.safe_load((FOLDER / f"{language}.yaml").read_text("utf-8"))
    assert set(data["lexicon"]["HOLIDAY"]) <= NAMES


@pytest.mark.parametrize("language", ["xx", "../etc/passwd", "", "english language"])
def test_unknown_language_is_told_in_one_line(language: str) -> None:
    with pytest.raises(BadInput):
        load_grammar(language)


def test_rule_with_an_unknown_action_is_refused() -> None:
    data = yaml.safe_load((FOLDER / "en.yaml").read_text("utf-8"))
    data["rules"] += "\n  DATE <- soonish -> fly_to_the_moon\n"
    with pytest.raises(BadInput, match="fly_to_the_moon"):
        build_grammar(data, source="en.yaml")


def test_rule_whose_labels_do_not_fit_is_refused() -> None:
    data = yaml.safe_load((FOLDER / "en.yaml").read_text("utf-8"))
    data["rules"] += "\n  DATE <- q:WEEKDAY -> weekday\n"
    with pytest.raises(BadInput, match="weekday"):
        build_grammar(data, source="en.yaml")


def test_file_without_a_section_is_refused() -> None:
    data = yaml.safe_load((FOLDER / "en.yaml").read_text("utf-8"))
    del data["phrases"]
    with pytest.raises(BadInput, match="phrases"):
        build_grammar(data, source="en.yaml")
