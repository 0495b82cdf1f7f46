import importlib
import pkgutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

import ari_app.store
from ari_app.errors import StoreUnavailable
from ari_app.store.database import Database, database_url, make_engine
from ari_app.store.migrate import migrate, newest_revision
from ari_app.store.schema import metadata


def test_migrating_is_done_once_and_can_be_repeated(empty_database_url: str) -> None:
    assert migrate(empty_database_url) == newest_revision()
    assert migrate(empty_database_url) == newest_revision()


def test_the_migrations_lead_to_the_tables_of_the_code(empty_database_url: str) -> None:
    for module in pkgutil.iter_modules(ari_app.store.__path__, "ari_app.store."):
        importlib.import_module(module.name)
    migrate(empty_database_url)
    engine = make_engine(database_url(empty_database_url), timeout_s=5, connections=1)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_workers_that_start_at_once_wait_for_each_other(empty_database_url: str) -> None:
    code = "import sys; from ari_app.store.migrate import migrate; print('at', migrate(sys.argv[1]))"
    workers = [
        subprocess.Popen([sys.executable, "-c", code, empty_database_url], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 3
    assert all(f"at {newest_revision()}" in text for text in said)


async def _mark(url: str, revision: str) -> None:
    async with Database(url) as database:
        await database.run(lambda c: c.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision}))


async def test_a_schema_one_newer_is_used_as_it_is(database_url: str) -> None:
    newer = f"{int(newest_revision()) + 1:04}"
    await _mark(database_url, newer)
    assert migrate(database_url) == newer


@pytest.mark.parametrize("revision", [f"{int(newest_revision()) + 2:04}", "somebody_elses"])
async def test_a_schema_newer_still_is_refused(database_url: str, revision: str) -> None:
    await _mark(database_url, revision)
    with pytest.raises(StoreUnavailable, match="upgrade ari-app, or restore a backup"):
        migrate(database_url)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "with a blank, ä.db"
    migrate(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"No such file or directory: make its folder"):
        migrate(f"sqlite:///{tmp_path / 'none' / 'store.db'}")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_text("this is a letter, not a database" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        migrate(f"sqlite:///{path}")
    assert path.read_text().startswith("this is a letter")


def test_a_database_in_no_encoding_of_its_own_is_used(postgres_url: str) -> None:
    engine = make_engine(database_url(postgres_url), timeout_s=5, connections=1).execution_options(
        isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(
            text("CREATE DATABASE plain ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        )
    engine.dispose()
    assert migrate(postgres_url.rpartition("/")[0] + "/plain") == newest_revision()
