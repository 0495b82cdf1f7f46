"""For all tests: in CI hypothesis takes the same examples each time, so that a change is judged by what it changed."""

import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    """Load `tests/plugins/postgres.py` for all folders that use it."""
    path = Path(__file__).parent / "plugins" / "postgres.py"
    spec = importlib.util.spec_from_file_location("ari_app_postgres", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    config.pluginmanager.register(module, spec.name)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A command run in this process sets its own log level; the next test hears what it heard before."""
    is_configured, before, level = structlog.is_configured(), structlog.get_config(), logging.getLogger().level
    yield
    if is_configured:
        structlog.configure(**before)
    logging.getLogger().setLevel(level)
