"""Stores on real databases: SQLite files, and a PostgreSQL of the tests' own."""

import importlib.util
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from ari_app.store.database import Database
from ari_app.store.migrate import migrate

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
_POSTGRES = "ari_app_postgres"


def pytest_configure(config: pytest.Config) -> None:
    """Load `tests/plugins/postgres.py`, once for all folders that use it."""
    if config.pluginmanager.has_plugin(_POSTGRES):
        return
    path = Path(__file__).parents[1] / "plugins" / "postgres.py"
    spec = importlib.util.spec_from_file_location(_POSTGRES, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_POSTGRES] = module
    spec.loader.exec_module(module)
    config.pluginmanager.register(module, _POSTGRES)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """A migrated database of each kind."""
    migrate(empty_database_url)
    return empty_database_url


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as opened:
        yield opened
