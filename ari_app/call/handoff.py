"""To a human, warmly: find one whose phone is free, ring it with music for the caller, whisper what it is about.

Whom to ring comes from the dialplan's original callee or the settings, and only if the allow-list has it: never from
anything that a caller or a header said. A refusal (`*`), a busy or a silent phone goes on to the next of the ladder.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.handles import Bridge, Channel, DialFailed, Digits, dial, open_bridge
from ari_app.asterisk.media_leg import MediaLeg
from ari_app.config import HandoffSettings
from ari_app.errors import AmiUnavailable, PbxError, SpeechError
from ari_app.logs import get_logger
from ari_app.speech.synthesiser import Synthesiser

log = get_logger()

ACCEPT, DECLINE = "1", "*"
ACCEPT_WAIT_S = 2.0
"""After the whisper: no key within this is a yes."""


class Lines(Protocol):
    """Whether a phone can be rung, by AMI."""

    async def is_available(self, extension: str, context: str) -> bool:
        """Registered and idle. Raises AmiUnavailable."""


@dataclass(frozen=True, slots=True)
class Target:
    """A phone that may be rung."""

    extension: str
    endpoint: str
    """A dial string out of the settings."""


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
    """Whom to ring, in order: the original callee where allowed, else the scheduling extension; then the ladder."""
    first = callee if callee in settings.allowed else settings.extension
    wanted = dict.fromkeys((first, *settings.ladder))
    return tuple(
        Target(extension, settings.endpoints.get(extension, f"PJSIP/{extension}"))
        for extension in wanted
        if extension in settings.allowed
    )


@dataclass(slots=True)
class HandOver:
    """One call's way to a human."""

    ari: AriClient
    lines: Lines
    settings: HandoffSettings
    synthesiser: Synthesiser
    note: Callable[..., None]
    on_ringing: Callable[[str], None]
    """Given the human's channel id, for the sentinel."""

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
                if not await self._is_available(target):
                    self.note("action", "phone not available", extension=target.extension)
                    continue
                try:
                    return await self._ring(target, caller, bridge, summary=summary, name=name, number=number)
                except Unreachable as exc:
                    reason = exc.reason
                    self.note("action", "not taken", extension=target.extension, reason=reason)
            raise Unreachable(reason)
        finally:
            await _quiet_stop_moh(bridge)

    async def _is_available(self, target: Target) -> bool:
        try:
            return await self.lines.is_available(target.extension, self.settings.context)
        except AmiUnavailable as exc:
            log.warning("handoff.state_unknown", reason=str(exc))
            return True

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
        )
        try:
            async with AsyncExitStack() as stack:
                human = await stack.enter_async_context(phone)
                self.on_ringing(human.id)
                if self.settings.whisper and not await self._whisper(human, shown["summary"]):
                    raise Unreachable("declined")
                await bridge.stop_moh()
                await bridge.add(human)
                return Reached(human, stack.pop_all())
        except DialFailed as exc:
            raise Unreachable("busy" if exc.status == "BUSY" else "no_answer") from exc

    async def _whisper(self, human: Channel, summary: str) -> bool:
        """Tell the human what it is about, before the caller hears them; False: declined."""
        with human.digits() as digits:
            try:
                async with open_bridge(self.ari) as aside, MediaLeg.open(self.ari) as leg:
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
                        pressed = key.result() if key.done() else ACCEPT
                    finally:
                        key.cancel()
                        spoken.cancel()
                        await asyncio.gather(key, spoken, return_exceptions=True)
                    await aside.remove(human)
            except SpeechError as exc:
                log.warning("handoff.no_whisper", reason=str(exc))
                return True
            except PbxError as exc:
                raise Unreachable("no_answer") from exc
        return pressed != DECLINE


async def _first_key(digits: Digits) -> str:
    while (digit := await digits.get()) not in (ACCEPT, DECLINE):
        pass
    return digit


async def _quiet_stop_moh(bridge: Bridge) -> None:
    try:
        await bridge.stop_moh()
    except PbxError:
        log.debug("handoff.moh_already_off")
