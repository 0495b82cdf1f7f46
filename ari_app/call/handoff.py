"""To a human, warmly: find one whose phone is free, ring it with music for the caller, whisper what it is about.

Whom to ring comes from the dialplan's original callee or the settings, and only if the allow-list has it: never from
anything that a caller or a header said. A refusal (`*`), a busy or a silent phone goes on to the next of the ladder.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from ari_app.asterisk.ami import QueueState
from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.handles import Bridge, Channel, DialFailed, Digits, dial, open_bridge, quietly
from ari_app.asterisk.media_leg import MediaLeg
from ari_app.config import HandoffSettings
from ari_app.errors import AmiUnavailable, CallerHungUp, ChannelGone, PbxError, SpeechError
from ari_app.logs import get_logger
from ari_app.speech.synthesiser import Synthesiser

log = get_logger()

ACCEPT, DECLINE = "1", "*"
ACCEPT_WAIT_S = 2.0
"""After the whisper: no key within this is a yes."""
WHISPER_S = 15.0
"""The whisper with all that belongs to it; a human who has picked up isn't kept longer."""
QUEUE_PREFIX = "queue:"
_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,60}")
_DEVICE = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9_.+-]{1,80}")


class Lines(Protocol):
    """What AMI knows of phones, and its way to move a caller when ARI is gone."""

    async def is_available(self, extension: str, context: str, *, device: str = "") -> bool:
        """Registered and idle, by the extension's hint or its device. Raises AmiUnavailable."""

    async def queue(self, name: str) -> QueueState | None:
        """A queue now; None: there is none of that name. Raises AmiUnavailable."""

    async def redirect(self, channel: str, *, context: str, extension: str, priority: int = 1) -> None:
        """Send a channel elsewhere in the dialplan. Raises ChannelGone, AmiUnavailable."""


@dataclass(frozen=True, slots=True)
class Target:
    """A phone or a queue that may be rung."""

    extension: str
    endpoint: str
    """A dial string out of the settings."""
    queue: str = ""


class Unreachable(Exception):
    """No human took the call; `reason`: busy, no_answer, declined, unavailable."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reached:
    """A human in the caller's bridge."""

    human: Channel
    ending: AsyncExitStack
    """To be left when the two have done: hangs the human up."""


def targets(settings: HandoffSettings, callee: str) -> tuple[Target, ...]:
    """Whom to ring, in order: the original callee where allowed, else the scheduling extension; then the ladder.

    A step of the ladder is an allowed extension, or `queue:NAME`: a queue of the dialplan, by the owner's own settings.
    """
    first = callee if callee in settings.allowed else settings.extension
    found = (_target(settings, step) for step in dict.fromkeys((first, *settings.ladder)))
    return tuple(target for target in found if target is not None)


def _target(settings: HandoffSettings, step: str) -> Target | None:
    if step.startswith(QUEUE_PREFIX):
        name = step.removeprefix(QUEUE_PREFIX)
        if not _QUEUE.fullmatch(name):
            return None
        return Target(step, f"Local/{name}@{settings.queue_context}/n", queue=name)
    if step not in settings.allowed:
        return None
    return Target(step, settings.endpoints.get(step, f"PJSIP/{step}"))


@dataclass(slots=True)
class HandOver:
    """One call's way to a human."""

    ari: AriClient
    lines: Lines
    settings: HandoffSettings
    synthesiser: Synthesiser
    note: Callable[..., None]
    on_ringing: Callable[[str], None]
    """Given the human's channel id before it rings, for the sentinel."""
    media_held: Callable[[str], AbstractContextManager[None]]
    """Tells the sentinel of a media channel for the length of a block."""

    async def reach(
        self, caller: Channel, bridge: Bridge, *, callee: str, summary: str, name: str, number: str
    ) -> "Reached":
        """Ring until somebody has accepted, and put them into the bridge.

        Raises Unreachable. Cancelling (the caller hung up) stops the ringing.
        """
        reason = "unavailable"
        await bridge.start_moh()
        try:
            for target in targets(self.settings, callee):
                if not await self.is_available(target):
                    self.note("action", "phone not available", extension=target.extension)
                    continue
                try:
                    return await self._ring(target, caller, bridge, summary=summary, name=name, number=number)
                except Unreachable as exc:
                    reason = exc.reason
                    self.note("action", "not taken", extension=target.extension, reason=reason)
            raise Unreachable(reason)
        finally:
            await quietly(bridge.stop_moh(), "handoff.moh")

    async def is_available(self, target: Target) -> bool:
        """Whether it can be rung; a phone of which nothing can be learnt is rung, a queue isn't."""
        try:
            if target.queue:
                queue = await self.lines.queue(target.queue)
                return queue is not None and queue.has_free_member
            device = target.endpoint if _DEVICE.fullmatch(target.endpoint) else ""
            return await self.lines.is_available(target.extension, self.settings.context, device=device)
        except AmiUnavailable as exc:
            log.warning("handoff.state_unknown", reason=str(exc))
            return not target.queue

    async def _ring(self, target: Target, caller: Channel, bridge: Bridge, **shown: str) -> "Reached":
        self.note("action", "ringing", extension=target.extension)
        phone = dial(
            self.ari,
            target.endpoint,
            ring_s=self.settings.ring_s,
            caller_name=shown["name"] or "Caller",
            caller_number=shown["number"],
            app_args="handoff",
            originator=caller,
            on_created=self.on_ringing,
        )
        try:
            async with AsyncExitStack() as stack:
                human = await stack.enter_async_context(phone)
                if self.settings.whisper and not await self.whisper(human, shown["summary"]):
                    raise Unreachable("declined")
                await bridge.stop_moh()
                await bridge.add(human)
                return Reached(human, stack.pop_all())
        except DialFailed as exc:
            raise Unreachable("busy" if exc.status == "BUSY" else "no_answer") from exc
        except CallerHungUp:
            raise
        except ChannelGone as exc:  # the human has hung up in the meantime, or the caller, whose watch then says so
            raise Unreachable("no_answer") from exc

    async def whisper(self, human: Channel, summary: str, *, unasked: str = ACCEPT) -> bool:
        """Tell the human what it is about, before the caller hears them; False: declined.

        `unasked` is what pressing no key means. Raises Unreachable where the human hangs up.
        """
        gone = asyncio.ensure_future(human.until_gone())
        whispered = asyncio.ensure_future(self._whispered(human, summary, unasked))
        try:
            await asyncio.wait({gone, whispered}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise Unreachable("no_answer")
            return whispered.result()
        finally:
            gone.cancel()
            whispered.cancel()
            await asyncio.gather(gone, whispered, return_exceptions=True)

    async def _whispered(self, human: Channel, summary: str, unasked: str) -> bool:
        pressed = unasked
        try:
            async with asyncio.timeout(WHISPER_S):
                pressed = await self._key_upon(human, summary) or unasked
        except SpeechError as exc:
            log.warning("handoff.no_whisper", reason=str(exc))
        except TimeoutError:
            log.warning("handoff.whisper_too_long")
        except PbxError as exc:
            raise Unreachable("no_answer") from exc
        return pressed != DECLINE

    async def _key_upon(self, human: Channel, summary: str) -> str:
        """Say it in a bridge apart; the first key that means something, "" where none comes."""
        with human.digits() as digits:
            async with open_bridge(self.ari) as aside, MediaLeg.open(self.ari) as leg:
                with self.media_held(leg.channel_id):
                    await aside.add(human)
                    await aside.add(leg.channel_id)
                    audio = await self.synthesiser.render(summary)
                    played = leg.play([audio])
                    key = asyncio.ensure_future(_first_key(digits))
                    spoken = asyncio.ensure_future(played.wait())
                    try:
                        await asyncio.wait({key, spoken}, return_when=asyncio.FIRST_COMPLETED)
                        if not key.done():
                            await asyncio.wait({key}, timeout=ACCEPT_WAIT_S)
                        return key.result() if key.done() else ""
                    finally:
                        key.cancel()
                        spoken.cancel()
                        await asyncio.gather(key, spoken, return_exceptions=True)
                        await aside.remove(human)


async def _first_key(digits: Digits) -> str:
    while (digit := await digits.get()) not in (ACCEPT, DECLINE):
        pass
    return digit
