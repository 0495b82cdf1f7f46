"""What is said on a media leg, as things to wait for: a play, and marks in it."""

import asyncio
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from ari_app.asterisk.media_protocol import MediaProtocol
from ari_app.audio.frames import FRAME_S


class Outcome(Enum):
    """How a play or a mark ended."""

    HEARD = auto()
    """All before it left Asterisk's queue."""
    FLUSHED = auto()
    """Cut short: it never will be heard."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a play."""

    outcome: Outcome
    heard_s: float
    """Audio of it that was really played."""


class Mark:
    """A place in what is played, from `leg.new_mark` or `leg.mark`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    @property
    def outcome(self) -> Outcome | None:
        """None: not there yet."""
        return self._future.result() if self._future.done() else None

    async def wait(self) -> Outcome:
        """HEARD when all before it has been played, FLUSHED when it never will be. Cancelling loses nothing."""
        return await asyncio.shield(self._future)

    def _resolve(self, outcome: Outcome) -> None:
        if not self._future.done():
            self._future.set_result(outcome)


Chunks = AsyncIterable[bytes | Mark] | AsyncIterable[bytes] | Iterable[bytes | Mark] | Iterable[bytes]


class Play:
    """One utterance of ours on its way to the caller."""

    def __init__(self, protocol: MediaProtocol) -> None:
        self._protocol = protocol
        self._begin: int | None = None
        self._end: int | None = None
        """Position after its last frame, once that is queued."""
        self._cut: int | None = None
        """Position up to which it was heard, once flushed."""
        self._ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self._is_stopped = False

    @property
    def is_done(self) -> bool:
        return self._ended.done()

    @property
    def has_begun(self) -> bool:
        """True: audio of it has been sent."""
        return self._begin is not None and self._protocol.sent_frames > self._begin

    def heard_s(self) -> float:
        """Audio of it played so far; exact to one frame where a tick or a flush came back, else by the clock."""
        if self._begin is None:
            return 0.0
        position = self._protocol.played_frames(_now_s()) if self._cut is None else self._cut
        if self._end is not None:
            position = min(position, self._end)
        return max(0, position - self._begin) * FRAME_S

    async def wait(self) -> Played:
        """Wait until all of it was heard, or it was flushed.

        Raises what the chunks raised (after what came before has been heard), and MediaClosed. Cancelling doesn't stop
        the play: `leg.flush()` does, and so does cancelling `leg.say`.
        """
        failure = await asyncio.shield(self._ended)
        if failure is not None:
            raise failure
        return Played(Outcome.FLUSHED if self._is_stopped else Outcome.HEARD, self.heard_s())

    def _end_with(self, failure: BaseException | None) -> None:
        if not self._ended.done():
            self._ended.set_result(failure)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
