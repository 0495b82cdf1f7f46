import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.speech.clauses import END_PAUSE_S, MAX_CHARACTERS, SENTENCE_PAUSE_S, split


def texts(text: str) -> list[str]:
    return [clause.text for clause in split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good morning. How can I help?", ["Good morning.", "How can I help?"]),
        ("At 3 p.m. or at four?", ["At 3 p.m. or at four?"]),
        ("At ten a. m. on Tuesday. Is that right?", ["At ten a. m. on Tuesday.", "Is that right?"]),
        ("It is at 9 a.m. Shall I book it?", ["It is at 9 a.m.", "Shall I book it?"]),
        ("Dr. Smith is in. Next week too.", ["Dr. Smith is in.", "Next week too."]),
        ("Go to no. 5. Then ring.", ["Go to no. 5.", "Then ring."]),
        ("No. Thursday is taken.", ["No.", "Thursday is taken."]),
        ("J. R. Miller is booked.", ["J. R. Miller is booked."]),
        ("It costs 1,250.50 euros. Fine?", ["It costs 1,250.50 euros.", "Fine?"]),
        ("Am 3. Mai um halb vier. Passt das?", ["Am 3. Mai um halb vier.", "Passt das?"]),
        ("Am 3. oder 4. um zehn.", ["Am 3. oder 4. um zehn."]),
        ("Monday, Tuesday, or Friday", ["Monday, Tuesday, or Friday"]),
        ("Yes, please wait for a moment", ["Yes, please wait for a moment"]),
        (
            "I can offer you Tuesday at three, or would Wednesday suit you?",
            ["I can offer you Tuesday at three,", "or would Wednesday suit you?"],
        ),
        ('She said "Wait." Then she left.', ['She said "Wait."', "Then she left."]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("  two   spaces\n and a line ", ["two spaces and a line"]),
        ("", []),
        ("   ", []),
        ("...", ["..."]),
        ("Ring 0 20 79 46 00 18 now", ["Ring 0 20 79 46 00 18 now"]),
        ("One moment: I will look it up now", ["One moment: I will look it up now"]),
        ("Here are three of them: nine, ten, eleven", ["Here are three of them:", "nine, ten, eleven"]),
    ],
)
def test_cut_only_where_a_speaker_pauses(text, expected):
    assert texts(text) == expected


def test_pauses_fit_the_punctuation():
    pauses = [clause.pause_s for clause in split("I can see two openings, both of them on Monday. Is that fine?")]
    assert pauses[0] < pauses[1] == SENTENCE_PAUSE_S
    assert pauses[-1] == END_PAUSE_S


def test_nobody_waits_for_an_endless_clause():
    assert all(len(text) <= MAX_CHARACTERS for text in texts("word " * 400))


@given(st.text(max_size=400))
def test_clauses_joined_by_spaces_are_the_text(text):
    assert " ".join(texts(text)) == " ".join(text.split())


@given(st.lists(st.sampled_from(["a.", "p.", "m.", "10", "3.", "Dr.", "no.", "yes", "Then", "tuesday,", "?", "…"])))
def test_no_clause_is_empty_and_none_begins_with_half_of_noon(words):
    for clause in split(" ".join(words)):
        assert clause.text.strip()
