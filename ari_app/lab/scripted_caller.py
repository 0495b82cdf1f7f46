"""A scripted caller in a call: hears the agent, answers by its persona, until the call has ended."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from ari_app.lab.persona import Persona
from ari_app.lab.phone import Call, NothingHeard

TURNS = 24
THINKS_S = 0.2
"""A person's pause before answering."""

Report = Callable[[str, str], None]


@dataclass(slots=True)
class Conversed:
    """What the caller went through."""

    heard: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    is_ended: bool = False
    """The far side hung up."""


async def converse(call: Call, persona: Persona, *, silence_s: float = 0.7, report: Report | None = None) -> Conversed:
    """Talk until the agent hangs up, the persona does, or nothing more is heard."""
    story = Conversed()
    for _ in range(TURNS):
        try:
            heard = await call.hear(silence_s=silence_s, within_s=15.0)
        except NothingHeard:
            break
        story.heard.append(heard.text)
        if report:
            report("hears", heard.text)
        if call.ended.is_set():
            break
        await asyncio.sleep(THINKS_S)
        reply = persona.reply(heard.text)
        if reply.hangs_up:
            await call.hang_up()
            return story
        try:
            if reply.presses:
                story.said.append(f"[{reply.presses}]")
                await call.press(reply.presses)
            elif reply.says:
                story.said.append(reply.says)
                await call.say(reply.says, persona.voice)
        except NothingHeard:
            break
        call.skip_heard()
    story.is_ended = call.ended.is_set()
    return story
