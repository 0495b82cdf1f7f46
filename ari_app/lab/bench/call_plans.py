"""The 24 calls of `bench calls`: four voices, six conversations each, and what must have come of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from ari_app.lab.persona import Persona, Rule
from ari_app.lab.voices import EASY_VOICE
from ari_app.prompts.spoken import spoken_date

VOICES = ("flite:awb", "espeak:en-us+f4", "espeak:en-gb+m5", EASY_VOICE)
"""Three that no model was trained on, and an easy one."""
NOISE_DBFS = -50.0
"""Where a call has noise: about 27 dB below speech."""
NAMES = ("Mary Brown", "Peter Smith", "Susan Clark", "John Walker")
"""One per voice."""

_TASK = (
    "how can i help you",
    "at any time to reach a person",
    "how can i have a",
    "what can i do for you",
    "tell me what it is about",
    "you can book move or cancel",
)
_SERVICE = ("what would you like to come in for", "what is the appointment for", "please name one of these", "we have")
_DATE = ("which day would you like", "what day would suit you", "tell me a weekday or a date", "say a day for example")
_TIME = ("what time would you like", "at what time", "say a time for example", "is the morning or the afternoon better")
_READBACK = (
    "shall i book it",
    "is that right",
    "yes or no",
    "shall i move it",
    "shall i cancel it",
    "just a yes or a no",
)
_MORE = (
    "is there anything else",
    "can i do anything else",
    "do you need something else",
    "help you with something more",
)
_OFFER = ("which would you like", "which suits you", "please choose one", "say the first the second")
_CHANGE = ("what shall i change", "what would you like to be different", "tell me another day")
_NAME = (
    "may i have your full name",
    "first name and last name",
    "say your name once more",
    "your first and last name",
    "what is your full name",
    "your full name please",
    "full name please",
    "is your full name",
    "whose name shall i put it under",
    "your name once more slowly",
    "your first name and your last name",
)
_MOVE_OR_NEW = ("would you like to move it", "shall we move that one", "say move it", "what shall i do move it")
_HEARD = ("did you say", "was that", "i understood", "is that correct")
_PRESS = ("press one for yes", "one on your keypad means yes")


@dataclass(frozen=True, slots=True)
class Seed:
    """An appointment, and its customer, that exist before the call."""

    name: str
    service: str
    start: datetime


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call and what the calendar must hold for its number afterwards."""

    name: str
    number: str
    persona: Persona
    service: str = ""
    start: datetime | None = None
    """None: nothing is held for the number afterwards."""
    noise_dbfs: float | None = None
    seed: Seed | None = None
    said: tuple[str, ...] = field(default=())
    """Ids of texts that must have been said."""


def plans(now: datetime, locale: str) -> list[CallPlan]:
    """All calls, the conversations of one voice one after the other."""
    return list(_plans(_Days(now, locale)))


@dataclass(frozen=True, slots=True)
class _Days:
    """Weekdays of the third week from now: the seeded events are before it, or on its Monday and Wednesday."""

    now: datetime
    locale: str

    def day(self, weekday: int) -> date:
        today = self.now.date()
        return today + timedelta(days=21 - today.weekday() + weekday)

    def at(self, weekday: int, hour: int, minute: int = 0) -> datetime:
        return datetime.combine(self.day(weekday), time(hour, minute), self.now.tzinfo)

    def words(self, weekday: int) -> str:
        return "on " + spoken_date(self.day(weekday), self.locale, now=self.now).lower()


_HOURS = ((9, "nine in the morning"), (10, "ten o'clock"), (11, "eleven in the morning"), (14, "two in the afternoon"))
_HALVES = (
    (9, "half past nine"),
    (10, "half past ten"),
    (14, "half past two"),
    (15, "half past three"),
)


def _plans(days: _Days) -> Iterator[CallPlan]:
    for index, voice in enumerate(VOICES):
        noise = NOISE_DBFS if index in (0, 2) else None

        def number(conversation: int, index: int = index) -> str:
            return f"+4420794607{index}{conversation}"

        hour, hour_words = _HOURS[index]
        half, half_words = _HALVES[index]
        yield CallPlan(
            f"step by step, {voice}",
            number(0),
            _caller(voice, task="i would like to book an appointment", day=days.words(1), time=half_words),
            "cleaning",
            days.at(1, half, 30),
            noise,
        )
        yield CallPlan(
            f"all at once, {voice}",
            number(1),
            _caller(voice, task=f"i need a check up {days.words(4)} at {hour_words}", service="a check up"),
            "checkup",
            days.at(4, hour),
        )
        yield CallPlan(
            f"corrects the day, {voice}",
            number(2),
            _caller(
                voice,
                task="an appointment for a check up please",
                service="a check up",
                day=days.words(0),
                time=hour_words,
                first_readback=f"no {days.words(1)}",
                change=days.words(1),
            ),
            "checkup",
            days.at(1, hour),
            noise,
        )
        yield CallPlan(
            f"asks the price first, {voice}",
            number(3),
            _caller(
                voice,
                task="how much is a dental cleaning",
                then="i would like to book an appointment",
                day=days.words(4),
                time=half_words,
            ),
            "cleaning",
            days.at(4, half, 30),
            said=("answer.price",),
        )
        yield CallPlan(
            f"moves, {voice}",
            number(4),
            _caller(
                voice, task="i would like to move my appointment", is_known=True, day=days.words(4), time=hour_words
            ),
            "cleaning",
            days.at(4, hour),
            noise,
            Seed(NAMES[index], "cleaning", days.at(3, half, 30)),
            ("done.moved",),
        )
        yield CallPlan(
            f"cancels, {voice}",
            number(5),
            _caller(voice, task="cancel it", is_known=True, cancels=True),
            noise_dbfs=None,
            seed=Seed(NAMES[index], "checkup", days.at(2, hour)),
            said=("done.cancelled",),
        )


def _caller(
    voice: str,
    *,
    task: str,
    service: str = "a dental cleaning",
    day: str = "",
    time: str = "",
    is_known: bool = False,
    then: str = "",
    first_readback: str = "",
    change: str = "",
    cancels: bool = False,
) -> Persona:
    """The answers to whatever may be asked; asked again, a person says it again."""
    rules = [
        Rule(_SERVICE, service, times=4),
        Rule(_OFFER, time or "the first one", times=3),
        Rule(_CHANGE, change or "the time", times=2),
        Rule(_HEARD, "yes", times=3),
        Rule(_PRESS, presses="1", times=2),
    ]
    if day:
        rules.append(Rule(_DATE, day, times=4))
    if time:
        rules.append(Rule(_TIME, time, times=4))
    rules.append(Rule(_NAME, NAMES[VOICES.index(voice)].lower(), times=4))
    if is_known:
        rules.append(Rule(_MOVE_OR_NEW, task, times=3))
    if first_readback:
        rules.append(Rule(_READBACK, first_readback))
    if then:
        rules += [
            Rule(_TASK, task, times=2),
            Rule(("what else can i do for you", "what would you like next"), then, times=2),
        ]
    else:
        rules.append(Rule(_TASK, "cancel my appointment" if cancels else task, times=3))
    rules += [
        Rule(_READBACK, "yes please", times=3),
        Rule(_MORE, "no thank you", times=3),
    ]
    return Persona(voice, tuple(rules), otherwise=(task, "sorry can you say that again", "yes", "operator"))
