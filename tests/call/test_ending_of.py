"""What a session's exception means for its call; the other calls never see it."""

import asyncio

import pytest

from ari_app.call.answering import Ending, ending_of
from ari_app.errors import AriUnavailable, CallEnded, CallerHungUp

GONE = CallerHungUp("gone")


@pytest.mark.parametrize(
    ("raised", "ending"),
    [
        (GONE, Ending("hung_up")),
        (BaseExceptionGroup("call", [GONE]), Ending("hung_up")),
        (ExceptionGroup("call", [ExceptionGroup("ear", [GONE])]), Ending("hung_up")),
        (BaseExceptionGroup("call", [GONE, asyncio.CancelledError()]), Ending("hung_up")),
        (ExceptionGroup("call", [CallEnded("redirected")]), Ending("human", "taken over")),
        (AriUnavailable("http://127.0.0.1"), Ending("failed", "AriUnavailable")),
        (ExceptionGroup("call", [ExceptionGroup("mouth", [ValueError("a bug")])]), Ending("failed", "ValueError")),
        (BaseExceptionGroup("call", [ValueError("a bug"), asyncio.CancelledError()]), Ending("failed", "ValueError")),
        (ExceptionGroup("call", [GONE, ValueError("a bug")]), Ending("failed", "ValueError")),
        (asyncio.CancelledError(), Ending("failed", "CancelledError", is_cancelled=True)),
        (
            BaseExceptionGroup("call", [asyncio.CancelledError()]),
            Ending("failed", "CancelledError", is_cancelled=True),
        ),
        (KeyboardInterrupt(), None),
        (BaseExceptionGroup("call", [GONE, SystemExit(1)]), None),
    ],
)
def test_the_ending_of_a_session(raised: BaseException, ending: Ending | None):
    assert ending_of(raised) == ending
