"""The seam to speech synthesis."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol


class Synthesiser(Protocol):
    """Text in, s16le mono 16 kHz out."""

    def speak(self, text: str) -> AsyncIterator[bytes]:
        """Audio of `text`, clause by clause, each as soon as it is made (from the cache where it is there).

        Raises SynthesisFailed. Cancelling stops after the clause in work, which still goes to the cache.
        """

    async def render(self, text: str) -> bytes:
        """The whole of `text`; cached."""

    async def prerender(self, texts: Sequence[str]) -> int:
        """Make sure that all are cached; the number newly made."""

    def clauses(self, text: str) -> list[str]:
        """How `speak` would split `text`; joined by spaces they are `text`."""

    def close(self) -> None:
        """End the pool; idempotent."""
