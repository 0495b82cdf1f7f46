"""The turn loop: the policy decides, the mouth speaks, the ear listens, the actions act.

It knows no technology: ear, mouth and actions are given. Everything that was said, heard and done goes to the diary.
"""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from ari_app.clock import Clock
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business
from ari_app.dialogue.policy import begin, step
from ari_app.dialogue.state import State
from ari_app.prompts.catalogue import Catalogue
from ari_app.understanding.meaning import CallerAct

FILLER_AFTER_S = 0.7
FILLER_TEXT_ID = "let_me_look"


class Ear(Protocol):
    """What hears the caller."""

    async def turn(self, listen: a.Listen) -> a.CallerSpoke | a.CallerPressed | a.CallerSilent:
        """Wait for the caller's turn; cancelling loses what was said in it."""


@runtime_checkable
class Foreseeing(Protocol):
    """An ear that tells what the caller is probably saying before they have done."""

    speculate: Callable[[CallerAct], None]


class Mouth(Protocol):
    """What speaks to the caller."""

    def say(self, text: str, *, is_shielded: bool = False) -> None:
        """Queue words; returns at once."""

    async def drained(self) -> None:
        """Wait until everything queued was heard or stopped."""

    @property
    def is_speaking(self) -> bool:
        """Something queued is not yet heard in full."""

    def prepare(self, text: str) -> None:
        """Have the audio of `text` made ahead, if there is time."""


class Actor(Protocol):
    """What touches the world: the calendar, the store, the PBX."""

    async def act(self, act: a.SystemAct, state: State) -> a.Event | None:
        """Run one action act and give its result event; None: the call has gone to a human for good."""


class Diary(Protocol):
    """Where the call's story is kept."""

    def note(self, kind: str, text: str, **data: str) -> None: ...

    def turn(self, state: State, event: a.Event, system_acts: tuple[a.SystemAct, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class Conversation:
    """One caller's conversation, from greeting to goodbye or hand-off."""

    business: Business
    catalogue: Catalogue
    clock: Clock
    ear: Ear
    mouth: Mouth
    actor: Actor
    diary: Diary
    shield_notice: bool = False

    async def run(self, started: a.CallStarted, resumed: tuple[State, tuple[a.SystemAct, ...]] | None = None) -> State:
        """Talk until the call has ended or gone to a human; the last state. Cancelled when the caller hangs up."""
        state, system_acts = resumed or begin(self.business, started)
        self.diary.turn(state, started, system_acts)
        is_first = True
        while True:
            event = await self._perform(state, system_acts, is_first=is_first)
            if event is None:
                return state
            state, system_acts = step(self.business, state, event)
            self.diary.turn(state, event, system_acts)
            is_first = False

    async def _perform(self, state: State, system_acts: tuple[a.SystemAct, ...], *, is_first: bool) -> a.Event | None:
        spoken: list[str] = []
        for act in system_acts:
            match act:
                case a.Say():
                    text = self.render(act)
                    spoken.append(text)
                    self.diary.note("agent", text, text_id=act.text_id)
                    self.mouth.say(text, is_shielded=self.shield_notice and is_first and len(spoken) == 1)
                case a.Listen():
                    expectation = replace(act.expectation, prompt=" ".join(spoken))
                    if isinstance(self.ear, Foreseeing):
                        self.ear.speculate = functools.partial(self._foresee, state)
                    return await self.ear.turn(replace(act, expectation=expectation))
                case a.HangUp():
                    await self.mouth.drained()
                    return None
                case a.HandOff():
                    await self.mouth.drained()
                    return await self.actor.act(act, state)
                case _:
                    return await self._act(act, state)
        await self.mouth.drained()
        return None

    def _foresee(self, state: State, act: CallerAct) -> None:
        """Have the words made that would answer `act`; nothing else is done, and other words may come of it."""
        _, system_acts = step(self.business, state, a.CallerSpoke(act, self.clock.now()))
        for each in system_acts:
            if isinstance(each, a.Say):
                self.mouth.prepare(self.render(each))

    async def _act(self, act: a.SystemAct, state: State) -> a.Event | None:
        """Run a slow action; say that we look only where it takes so long that silence would be felt."""
        async with asyncio.TaskGroup() as group:
            action = group.create_task(self.actor.act(act, state))
            await asyncio.wait({action}, timeout=FILLER_AFTER_S)
            if not action.done():
                await self._fill(action)
        return action.result()

    async def _fill(self, action: "asyncio.Task[a.Event | None]") -> None:
        while self.mouth.is_speaking and not action.done():
            await asyncio.wait({action}, timeout=0.1)
        if not action.done():
            text = self.render(a.Say(FILLER_TEXT_ID))
            self.diary.note("agent", text, text_id=FILLER_TEXT_ID)
            self.mouth.say(text)

    def render(self, say: a.Say) -> str:
        """The words of a Say."""
        return self.catalogue.render(say.text_id, dict(say.values), variant=say.variant, now=self.clock.now())
