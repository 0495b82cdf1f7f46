"""For all tests: in CI hypothesis takes the same examples each time, so that a change is judged by what it changed."""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A command run in this process sets its own log level; the next test hears what it heard before."""
    is_configured, before, level = structlog.is_configured(), structlog.get_config(), logging.getLogger().level
    yield
    if is_configured:
        structlog.configure(**before)
    logging.getLogger().setLevel(level)
