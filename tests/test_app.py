"""What the composition root itself does."""

from ari_app.app import progress


def test_progress_of_the_phrases_is_told_in_quarters():
    said: list[str] = []
    tell = progress(said.append)
    for done in range(1, 11):
        tell(done, 10)
    assert said == ["phrases: 3 of 10", "phrases: 5 of 10", "phrases: 8 of 10", "phrases: 10 of 10"]


def test_progress_of_a_single_phrase_is_its_end():
    said: list[str] = []
    progress(said.append)(1, 1)
    assert said == ["phrases: 1 of 1"]
