"""Recogniser and synthesiser with an end to every wait: a C library that hangs must not leave a caller in silence."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from ari_app.errors import SpeechError, SynthesisFailed
from ari_app.logs import get_logger
from ari_app.speech.recogniser import Partial, RecogniserStream, Transcript
from ari_app.speech.synthesiser import Synthesiser

log = get_logger()

RENDER_S = 5.0
"""For one clause."""
RECOGNISE_S = 4.0
"""A flush takes 20 ms, on a machine that is far behind half a second."""
CLOSE_S = 0.5
"""A caller waits for it: what hangs is left behind, to end when it does."""


@dataclass(frozen=True, slots=True)
class BoundedStream:
    """A recogniser's stream; where it doesn't answer, SpeechError."""

    inner: RecogniserStream
    limit_s: float = RECOGNISE_S

    async def begin(self, phrases: Sequence[str] = ()) -> None:
        try:
            async with asyncio.timeout(self.limit_s):
                await self.inner.begin(phrases)
        except TimeoutError as exc:
            raise SpeechError(f"the recogniser took no phrase list within {self.limit_s:g} s") from exc

    def feed(self, audio: bytes) -> None:
        self.inner.feed(audio)

    def partial(self) -> Partial:
        return self.inner.partial()

    async def finish(self) -> Transcript:
        try:
            async with asyncio.timeout(self.limit_s):
                return await self.inner.finish()
        except TimeoutError as exc:
            raise SpeechError(f"the recogniser gave no transcript within {self.limit_s:g} s") from exc

    async def close(self) -> None:
        """Give the recognisers back; one that hangs is left behind, which is no error of this call's."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.inner.close()
        except TimeoutError:
            log.warning("recogniser.left_behind")


@dataclass(frozen=True, slots=True)
class BoundedSynthesiser:
    """A synthesiser; where it doesn't answer, SynthesisFailed."""

    inner: Synthesiser
    limit_s: float = RENDER_S

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        for clause in self.inner.clauses(text):
            yield await self.render(clause)

    async def render(self, text: str) -> bytes:
        try:
            async with asyncio.timeout(self.limit_s):
                return await self.inner.render(text)
        except TimeoutError as exc:
            raise SynthesisFailed(f"no audio within {self.limit_s:g} s") from exc

    async def prerender(self, texts: Sequence[str]) -> int:
        return await self.inner.prerender(texts)

    def clauses(self, text: str) -> list[str]:
        return self.inner.clauses(text)

    def close(self) -> None:
        self.inner.close()
