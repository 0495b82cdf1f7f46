"""A recogniser or a voice that stands still: every wait ends."""

import asyncio
from collections.abc import Sequence

import pytest

from ari_app.call.bounds import CLOSE_S, BoundedStream
from ari_app.errors import SpeechError
from ari_app.speech.recogniser import Partial, Transcript


class HangingStream:
    """A C library that doesn't come back."""

    async def begin(self, phrases: Sequence[str] = ()) -> None:
        await asyncio.Event().wait()

    def feed(self, audio: bytes) -> None:
        return

    def partial(self) -> Partial:
        return Partial("", "", 0.0)

    async def finish(self) -> Transcript:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        await asyncio.Event().wait()


async def test_a_recogniser_that_hangs_is_an_error_within_its_time() -> None:
    stream = BoundedStream(HangingStream(), limit_s=0.1)
    for wait in (stream.begin(), stream.finish()):
        with pytest.raises(SpeechError):
            await asyncio.wait_for(wait, 2)


async def test_one_that_is_given_back_and_hangs_keeps_its_caller_no_longer_than_needed() -> None:
    began_s = asyncio.get_running_loop().time()
    await BoundedStream(HangingStream()).close()
    assert asyncio.get_running_loop().time() - began_s < CLOSE_S + 1.0
