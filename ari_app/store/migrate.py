"""Bring a database to this program's schema, by Alembic; run at every start.

Workers that start at once wait for each other: on SQLite by BEGIN IMMEDIATE, on PostgreSQL by an advisory lock. The
whole way up is one transaction: all of it or nothing.
"""

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ari_app.errors import BadInput, StoreUnavailable
from ari_app.logs import get_logger
from ari_app.store.database import database_url, make_engine

log = get_logger()

_SCRIPTS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x6172695F617070


def migrate(url: str, *, timeout_s: float = 60.0) -> str:
    """Upgrade to the newest revision and return the database's; raises StoreUnavailable.

    A database one revision newer than this program (another worker was upgraded first) is used as it is; a newer one
    still is refused.
    """
    target = database_url(url)
    shown = target.render_as_string(hide_password=True)
    if target.get_backend_name() == "sqlite":
        _create_private(Path(str(target.database)))
    engine = make_engine(target, timeout_s=timeout_s, connections=1)
    try:
        with engine.connect().execution_options(is_writing=True) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            return _upgrade(connection, shown)
    except DBAPIError as exc:
        raise StoreUnavailable(f"database {shown}: {str(exc.orig).splitlines()[0]}") from exc
    finally:
        engine.dispose()


def require_database(url: str) -> None:
    """Raise BadInput where the SQLite file isn't there: most likely another one was meant."""
    target = database_url(url)
    if target.get_backend_name() == "sqlite" and not Path(str(target.database)).exists():
        raise BadInput(f"there is no database at {target.database}: give the worker's settings file with --config")


def newest_revision() -> str:
    """The revision that this program's code is written for."""
    return str(_scripts(_config()).get_current_head())


def is_usable_schema(revision: str) -> bool:
    """This program can work on a database of that revision, after an upgrade or as it is."""
    scripts = _scripts(_config())
    newest = str(scripts.get_current_head())
    return _is_known(scripts, revision) or _is_one_newer(revision, newest)


def _upgrade(connection: Connection, shown: str) -> str:
    config = _config()
    scripts = _scripts(config)
    newest = str(scripts.get_current_head())
    present = MigrationContext.configure(connection).get_current_revision()
    if present == newest:
        return newest
    if present is not None and not _is_known(scripts, present):
        return _tolerated(present, newest=newest, shown=shown)
    config.attributes["connection"] = connection
    command.upgrade(config, newest)
    log.info("store.migrated", before=present, now=newest)
    return newest


def _tolerated(present: str, *, newest: str, shown: str) -> str:
    if _is_one_newer(present, newest):
        log.warning("store.schema_newer", database=present, program=newest)
        return present
    raise StoreUnavailable(
        f"database {shown} has schema {present}, this program knows {newest}: upgrade ari-app, or restore a backup"
    )


def _is_one_newer(revision: str, newest: str) -> bool:
    return revision.isdigit() and int(revision) == int(newest) + 1


def _is_known(scripts: ScriptDirectory, revision: str) -> bool:
    try:
        return scripts.get_revision(revision) is not None
    except CommandError:
        return False


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts(config: Config) -> ScriptDirectory:
    return ScriptDirectory.from_config(config)


def _create_private(path: Path) -> None:
    """Make the file readable by its owner only: it holds names, numbers and what callers said."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as exc:
        raise StoreUnavailable(f"database {path}: {exc.strerror}: make its folder writable, or mend store.url") from exc
