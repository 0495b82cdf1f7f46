"""Stores on real databases: SQLite files, and a PostgreSQL of the tests' own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from ari_app.store.database import Database
from ari_app.store.migrate import migrate

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


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
