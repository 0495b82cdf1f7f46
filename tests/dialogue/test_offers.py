"""Which openings stand in one question."""

from datetime import datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from ari_app.booking.model import Opening
from ari_app.dialogue.offers import select, sound_alike
from ari_app.prompts.catalogue import Catalogue

LONDON = ZoneInfo("Europe/London")
ENGLISH = Catalogue("en", "en-GB").confusable
GERMAN = Catalogue("de", "de-DE").confusable
MONDAY = datetime(2026, 11, 23, tzinfo=LONDON)


def at(day: int, hour: int, minute: int = 0, resource: str = "anna") -> Opening:
    start = MONDAY + timedelta(days=day, hours=hour, minutes=minute)
    return Opening(start, start + timedelta(minutes=30), "cleaning", (resource,))


def starts(chosen: tuple[Opening, ...]) -> list[datetime]:
    return [each.start for each in chosen]


def test_tuesday_and_thursday_do_not_stand_in_one_question() -> None:
    tuesday, thursday, friday = at(1, 10), at(3, 10), at(4, 10)
    assert select([tuesday, thursday, friday], 2, ENGLISH) == (tuesday, friday)


def test_they_do_where_nothing_else_is_free() -> None:
    tuesday, thursday = at(1, 10), at(3, 10)
    assert select([tuesday, thursday], 2, ENGLISH) == (tuesday, thursday)


def test_fifteen_and_fifty_do_not_stand_in_one_question() -> None:
    fifteen, fifty, half_past = at(1, 10, 15), at(1, 10, 50), at(1, 10, 30)
    assert select([fifteen, fifty, half_past], 2, ENGLISH) == (fifteen, half_past)


def test_zwei_and_drei_do_not_stand_in_one_question_in_german() -> None:
    two, three, four = at(1, 14), at(1, 15), at(1, 16)
    assert select([two, three, four], 2, GERMAN) == (two, four)
    assert select([two, three, four], 2, ENGLISH) == (two, three)


def test_a_third_offer_is_left_out_rather_than_confused() -> None:
    tuesday, thursday, friday = at(1, 10), at(3, 10), at(4, 10)
    assert select([tuesday, thursday, friday], 3, ENGLISH) == (tuesday, friday)


def test_one_start_is_offered_once_whoever_it_is_with() -> None:
    assert len(select([at(1, 10), at(1, 10, resource="ben"), at(1, 11)], 3, ENGLISH)) == 2


def test_a_spread_choice_lies_an_hour_apart_and_in_order() -> None:
    openings = [at(1, 12), at(1, 12, 15), at(1, 12, 30), at(1, 13), at(1, 14)]
    assert starts(select(openings, 2, ENGLISH, is_spread=True)) == starts((at(1, 12), at(1, 13)))


openings = st.lists(
    st.tuples(st.integers(0, 9), st.integers(9, 16), st.sampled_from([0, 13, 15, 30, 45, 50])).map(lambda t: at(*t)),
    min_size=1,
    max_size=12,
)


@given(openings, st.integers(1, 3), st.booleans())
def test_nothing_alike_is_offered_where_two_that_differ_exist(
    found: list[Opening], count: int, is_spread: bool
) -> None:
    chosen = select(found, count, ENGLISH, is_spread=is_spread)
    assert 1 <= len(chosen) <= count
    assert set(starts(chosen)) <= set(starts(tuple(found)))
    assert min(found, key=found.index) in chosen
    alike = [pair for pair in combinations(chosen, 2) if sound_alike(*pair, ENGLISH)]
    if alike:
        first = found[0]
        assert all(sound_alike(first, each, ENGLISH) for each in found if each.start != first.start)
