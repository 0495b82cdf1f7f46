"""A clause whose job ends before its callback is set must not stop the thread that asked for it."""

from concurrent.futures import Executor, Future
from pathlib import Path

from ari_app.config import Settings
from ari_app.speech.factory import build_synthesiser


class _AtOnce(Executor):
    """Does each job in the caller's thread, so that it has ended when `submit` returns."""

    def submit(self, fn, /, *args, **kwargs):
        done: Future[bytes] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


async def test_a_job_that_is_done_when_it_is_asked_for_does_not_lock_up(tmp_path: Path):
    settings = Settings.model_validate({"speech": {"cache_dir": str(tmp_path)}})
    synthesiser = build_synthesiser(settings)
    pool, synthesiser._pool = synthesiser._pool, _AtOnce()
    try:
        assert await synthesiser.prerender(["A day like today.", "Another one."]) == 2
        assert not synthesiser._making
    finally:
        synthesiser._pool = pool
        synthesiser.close()
