"""One turn of the policy being put together: what is said, then exactly one question, action or ending.

Every question passes here, so here is the guard: three turns that bring nothing new offer a human, a second such
stretch hands over, and no call has more than `MAX_TURNS` turns.
"""

from dataclasses import dataclass, field, replace

from ari_app.dialogue.acts import HandOff, HandOffReason, HangUp, KeepCallback, Listen, Say, SystemAct, Value
from ari_app.dialogue.business import Business
from ari_app.dialogue.describing import summary_text
from ari_app.dialogue.expecting import dtmf_mode, expectation
from ari_app.dialogue.state import CALLBACK_QUESTIONS, Question, State, Values

MAX_TURNS = 80
MAX_STALLS = 3
MAX_HUMANS_OFFERED = 2
MAX_HANDOFFS_FAILED = 2

Outcome = tuple[State, tuple[SystemAct, ...]]

_HUMAN_QUESTIONS = frozenset({Question.HUMAN, Question.NO_OPENINGS})
_CLOSING_QUESTIONS = frozenset({Question.ANYTHING_ELSE})


@dataclass(slots=True)
class Turn:
    """Mutable only while one step runs; its outcome is a state and the acts."""

    business: Business
    state: State
    says: list[Say] = field(default_factory=list)

    def say(self, text_id: str, **values: Value) -> None:
        """Say a text, each time in its next variant."""
        said = dict(self.state.said)
        variant = said.get(text_id, 0)
        said[text_id] = variant + 1
        self.state = replace(self.state, said=tuple(sorted(said.items())))
        self.says.append(Say(text_id, tuple(sorted(values.items(), key=lambda item: item[0])), variant))

    def ask(self, question: Question, **values: Value) -> Outcome:
        """Open a question."""
        return self._ask("ask", question, values)

    def ask_listing(self, question: Question, **values: Value) -> Outcome:
        """Open a question with what can be answered in it."""
        return self._ask("again", question, values)

    def _ask(self, form: str, question: Question, values: dict[str, Value]) -> Outcome:
        self.state = replace(self.state, question=question, values=tuple(sorted(values.items(), key=lambda v: v[0])))
        if (stopped := self._guarded()) is not None:
            return stopped
        self._pass_on_news()
        self.say(f"{form}.{self.state.question}", **dict(self.state.values))
        return self.listen()

    def ask_again(self, *, with_keys: bool, keys_only: bool = False) -> Outcome:
        """Ask the open question in other words, and by the keypad where `with_keys`."""
        if (stopped := self._guarded()) is not None:
            return stopped
        values = dict(self.state.values)
        if not keys_only:
            self.say(f"again.{self.state.question}", **values)
        if with_keys or keys_only:
            self.say(f"keys.{self.state.question}", **values)
        return self.listen()

    def listen(self, no_input_s: float | None = None) -> Outcome:
        """Give the turn to the caller under the question that is open."""
        return self.act(
            Listen(
                expectation(self.business, self.state),
                no_input_s=no_input_s,
                dtmf=dtmf_mode(self.business, self.state),
            )
        )

    def tell(self, news: str) -> None:
        """Something newly understood, for the next question to confirm in passing."""
        self.state = replace(self.state, news=(*self.state.news, news))

    def drop_news(self) -> None:
        """The next words say it anyway."""
        self.state = replace(self.state, news=())

    def listen_quietly(self) -> Outcome:
        """Listen on without a word: what was said was no turn."""
        stopped = self._guarded()
        return stopped if stopped is not None else self.listen()

    def act(self, act: SystemAct) -> Outcome:
        """End the turn with an action or an ending."""
        self.state = replace(self.state, spoken=tuple(self.says))
        return self.state, (*self.says, act)

    def interpose(self, question: Question, **values: Value) -> Outcome:
        """Open a question that the present one is come back to after."""
        self.state = replace(self.state, before=(self.state.question, self.state.values))
        return self.ask(question, **values)

    def restore(self) -> None:
        """Close an interposed question."""
        if self.state.before is not None:
            question, values = self.state.before
            self.state = replace(self.state, question=question, values=values, before=None)

    def offer_human(self, reason: HandOffReason) -> Outcome:
        """Ask whether a human shall help; the second time it isn't asked any more."""
        self.state = replace(self.state, handoff_reason=reason, stalls=0)
        if self.state.humans_offered >= MAX_HUMANS_OFFERED:
            return self.hand_over(reason)
        self.state = replace(self.state, humans_offered=self.state.humans_offered + 1)
        question = Question.NO_OPENINGS if reason is HandOffReason.NO_OPENINGS else Question.HUMAN
        self.state = replace(self.state, question=question, values=(), before=None)
        self.say(f"ask.{question}")
        return self.listen()

    def hand_over(self, reason: HandOffReason) -> Outcome:
        """To a human; where no human can be reached any more, to a callback or the end."""
        state = self.state
        is_asked = reason is HandOffReason.ASKED
        is_exhausted = state.handoffs_failed >= MAX_HANDOFFS_FAILED
        if is_exhausted or (state.handoffs_failed and not is_asked):
            return self.settle_callback()
        if state.question in CALLBACK_QUESTIONS and not is_asked and reason is not HandOffReason.FAILURE:
            return self.settle_callback()
        self.say(f"handoff.{reason}")
        return self.act(HandOff(reason, summary_text(self.business, state, reason)))

    def settle_callback(self, preferred: str = "") -> Outcome:
        """Keep the callback with what is known; without any number only an apology is left."""
        number = self.state.callback_number or self.state.reach
        if not number:
            self.say("handoff.impossible")
            return self.act(HangUp())
        self.state = replace(self.state, is_keeping_callback=True)
        about = summary_text(self.business, self.state, HandOffReason.ASKED)
        return self.act(KeepCallback(number, preferred, about))

    def end(self, text_id: str, **values: Value) -> Outcome:
        """Last words, then the line."""
        self.say(text_id, **values)
        return self.act(HangUp())

    def _pass_on_news(self) -> None:
        if self.state.news:
            news = ", ".join(self.state.news)
            self.drop_news()
            self.say("noted", what=news)

    def _guarded(self) -> Outcome | None:
        """Count progress; an outcome where there was none for too long."""
        state = self.state
        if state.turns >= MAX_TURNS:
            return self.hand_over(HandOffReason.LOOP)
        standing = _standing(state)
        if standing not in state.seen:
            self.state = replace(state, seen=state.seen | {standing}, stalls=0)
            return None
        self.state = replace(state, stalls=state.stalls + 1)
        if self.state.stalls < MAX_STALLS:
            return None
        if state.question in CALLBACK_QUESTIONS:
            return self.settle_callback()
        if state.question in _HUMAN_QUESTIONS:
            return self.hand_over(HandOffReason.LOOP)
        if state.question in _CLOSING_QUESTIONS:
            return self.end("goodbye")
        return self.offer_human(HandOffReason.LOOP)


def values_of(**values: Value) -> Values:
    """Values in the order that states keep them in."""
    return tuple(sorted(values.items(), key=lambda item: item[0]))


def _standing(state: State) -> int:
    """A fingerprint of everything that can count as progress."""
    return hash(
        (
            state.question,
            state.values,
            state.task,
            state.suspended,
            state.wanted,
            state.target,
            state.identity,
            state.offered,
            state.refused,
            state.proposal,
            state.service_candidates,
            state.time_candidates,
            state.callback_number if state.question in CALLBACK_QUESTIONS else "",
            (state.contact_name, state.contact_number, state.contact_settled, state.contact_tries),
            state.done,
            state.answered,
        )
    )
