"""What the bench's callers say: an answer for each question of a booking, by the id of the question's text."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ari_app.lab.murmurs import MURMURS
from ari_app.lab.voices import EASY_VOICE, render

VOICES = (EASY_VOICE, "espeak:en-gb+f2", "flite:rms", "flite:slt")
_DAYS = ("next monday", "next tuesday", "next wednesday", "next friday", "monday", "tuesday", "wednesday", "friday")
_TIMES = ("ten o'clock", "half past three", "eleven in the morning", "at two", "quarter past four", "half past nine")
_SERVICES = ("a check up", "a dental cleaning")
_TASKS = ("i would like to book an appointment", "an appointment please", "i need an appointment")

CUT_IN = "i would like to book an appointment"

_FIXED: Mapping[str, tuple[str, ...]] = {
    "contact_name": ("robert miller", "anna jones"),
    "time_which": ("the first one",),
    "offer": ("the first one", "the second one"),
    "readback": ("no", "yes please", "yes"),
    "change": ("the time", "another time"),
    "heard": ("yes",),
    "more": ("goodbye",),
    "anything_else": ("no thank you",),
    "human": ("no",),
    "no_openings": ("no",),
    "service_which": ("the first one",),
}


@dataclass(slots=True)
class Script:
    """One call's answers; `number` makes calls differ in day, time, service and voice."""

    number: int
    asked: dict[str, int] = field(default_factory=dict)

    @property
    def voice(self) -> str:
        return VOICES[self.number % len(VOICES)]

    @property
    def does_cut_in(self) -> bool:
        """Half of the callers speak over the greeting; the others only murmur into it."""
        return self.number // 2 % 2 == 0

    @property
    def is_short(self) -> bool:
        """Every other caller hangs up after that, so that many interruptions are measured."""
        return self.number % 2 == 1

    @property
    def murmur(self) -> str:
        return MURMURS[self.number // 4 % len(MURMURS)]

    def answer(self, text_id: str) -> str | None:
        """What is said to the question with this text; None: there is nothing to say, the call is given up."""
        question = text_id.partition(".")[2]
        times = self.asked.get(question, 0)
        self.asked[question] = times + 1
        choices = self._choices(question)
        if not choices or times > 4:
            return None
        return choices[min(times, len(choices) - 1)]

    def _choices(self, question: str) -> tuple[str, ...]:
        match question:
            case "task":
                return (_TASKS[self.number % len(_TASKS)],)
            case "service":
                return (_SERVICES[self.number % len(_SERVICES)],)
            case "date":
                return _turned(_DAYS, self.number)
            case "time":
                return _turned(_TIMES, self.number // 2)
            case _:
                return _FIXED.get(question, ())


def _turned(choices: tuple[str, ...], by: int) -> tuple[str, ...]:
    start = by % len(choices)
    return choices[start:] + choices[:start]


async def rehearse() -> None:
    """Have everything rendered that may be said: a person needs no time for that."""
    words = {
        *_DAYS,
        *_TIMES,
        *_SERVICES,
        *_TASKS,
        CUT_IN,
        *MURMURS,
        *(each for said in _FIXED.values() for each in said),
    }
    for voice in VOICES:
        for each in sorted(words):
            await render(each, voice)
