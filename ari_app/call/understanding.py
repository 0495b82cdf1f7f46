"""The interpreter with this business's words: what the ear and the conversation ask of it."""

from dataclasses import dataclass
from datetime import datetime

from ari_app.speech.recogniser import Reading, Transcript
from ari_app.understanding.expectation import phrases
from ari_app.understanding.interpreter import interpret, is_backchannel, is_complete, is_unfinished
from ari_app.understanding.meaning import CallerAct, Expectation, Hypothesis, Vocabulary, Word


@dataclass(frozen=True, slots=True)
class Understanding:
    """One call's understanding; pure."""

    vocabulary: Vocabulary
    locale: str

    def act(self, transcript: Transcript, expectation: Expectation, now: datetime) -> CallerAct:
        """What the finished utterance means."""
        readings = [_hypothesis(reading) for reading in transcript.readings]
        return interpret(readings, expectation, self.vocabulary, now, self.locale)

    def act_of_text(self, text: str, expectation: Expectation, now: datetime) -> CallerAct:
        """What a partial would mean if it were all."""
        return interpret(text, expectation, self.vocabulary, now, self.locale)

    def is_complete(self, text: str, expectation: Expectation, now: datetime) -> bool:
        """Whether a stable partial answers the question already."""
        return is_complete(text, expectation, self.vocabulary, now, self.locale)

    def is_unfinished(self, text: str) -> bool:
        """Whether the words ask for more to come."""
        return is_unfinished(text, self.locale)

    def is_backchannel(self, text: str) -> bool:
        """Whether the words are only "okay", "mm-hm" and the like."""
        return is_backchannel(text, self.locale)

    def phrases(self, expectation: Expectation, now: datetime) -> list[str]:
        """The turn's phrase list for the recogniser."""
        return phrases(expectation, self.vocabulary, now, self.locale)


def _hypothesis(reading: Reading) -> Hypothesis:
    words = tuple(Word(word.text, word.confidence, word.start_s, word.end_s) for word in reading.words)
    return Hypothesis(reading.text, reading.confidence, words, reading.is_phrase_list)
