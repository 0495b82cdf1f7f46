"""A backup: one .tar of the database, the settings file and a manifest with digests; taken while calls go on.

SQLite is copied by its online backup, PostgreSQL by pg_dump. Secrets that come from the environment and the phrase
cache are not in it.
"""

import os
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from ari_app import __version__
from ari_app.errors import BadInput, StoreUnavailable
from ari_app.store import outbox
from ari_app.store.backup_archive import DATABASES, SETTINGS, Manifest, entry_of, pack
from ari_app.store.database import database_url, make_engine
from ari_app.store.migrate import migrate, require_database


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    schema_before: str
    schema_now: str
    texts_stopped: int
    """Messages that were still to be sent when the backup was made; they may have been since."""
    kept_aside: str
    """Where the database that was there before lies now; empty: there was none."""


def write_backup(url: str, settings: Path | None, target: Path, *, now: datetime) -> Manifest:
    """Write the backup to `target`, which appears only when it is whole; raises BadInput, StoreUnavailable."""
    require_database(url)
    revision = migrate(url)
    source = database_url(url)
    kind = source.get_backend_name()
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".ari-app-backup-") as folder:
            copies = {DATABASES[kind]: Path(folder) / DATABASES[kind]}
            _copy_out(source, copies[DATABASES[kind]])
            if settings is not None:
                copies[SETTINGS] = Path(folder) / SETTINGS
                copies[SETTINGS].write_bytes(settings.read_bytes())
            manifest = Manifest(
                format=1,
                program=__version__,
                schema_revision=revision,
                created=now,
                database=kind,
                files={name: entry_of(path) for name, path in copies.items()},
            )
            whole = Path(folder) / "whole.tar"
            pack(whole, manifest, copies, now)
            whole.replace(target)
    except OSError as exc:
        raise BadInput(f"{exc.filename or target}: {exc.strerror}") from exc
    return manifest


def restore_database(manifest: Manifest, folder: Path, url: str, *, force: bool, now: datetime) -> Restored:
    """Put the backup's database in the place of the one at `url`, then migrate it.

    What was there is kept aside (SQLite) and needs `force`. Texts that were still to be sent are marked failed: they
    may have been sent since the backup, and no booking texts twice.
    """
    target = database_url(url)
    if target.get_backend_name() != manifest.database:
        raise BadInput(f"the backup holds a {manifest.database} database, store.url names {target.get_backend_name()}")
    copy = folder / DATABASES[manifest.database]
    if manifest.database == "sqlite":
        aside = _into_sqlite(copy, Path(str(target.database)), force=force, now=now)
    else:
        aside = _into_postgresql(copy, target, force=force)
    return Restored(manifest.schema_revision, migrate(url), _stop_texts(url, now), aside)


def as_json(value: Manifest | Restored) -> dict[str, object]:
    """Plain values, for `--json`."""
    return value.model_dump(mode="json") if isinstance(value, Manifest) else asdict(value)


def _copy_out(source: URL, target: Path) -> None:
    if source.get_backend_name() == "sqlite":
        _copy_sqlite(Path(str(source.database)), target)
        return
    _run_postgresql("pg_dump", source, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(source, timeout=10)) as live, closing(sqlite3.connect(target, timeout=10)) as copy:
            live.backup(copy)
            verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
            if verdict != "ok":
                raise StoreUnavailable(f"database {source} is damaged: {verdict}")
    except sqlite3.Error as exc:
        raise StoreUnavailable(f"database {source}: {exc}") from exc


def _into_sqlite(copy: Path, target: Path, *, force: bool, now: datetime) -> str:
    if not target.exists() or not target.stat().st_size:
        migrate(f"sqlite:///{target}")
        _copy_sqlite(copy, target)
        return ""
    if not force:
        raise BadInput(f"{target} is there already: stop the workers and give --force; it will be kept aside")
    aside = target.with_name(f"{target.name}.before-{now:%Y%m%d-%H%M%S}")
    _copy_sqlite(target, aside)
    aside.chmod(0o600)
    _copy_sqlite(copy, target)
    return str(aside)


def _into_postgresql(copy: Path, target: URL, *, force: bool) -> str:
    if not force:
        raise BadInput("all tables of the PostgreSQL database are replaced: stop the workers and give --force")
    _run_postgresql(
        "pg_restore",
        target,
        "--clean",
        "--if-exists",
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
        str(copy),
    )
    return ""


def _run_postgresql(program: str, url: URL, *words: str) -> None:
    """Run PostgreSQL's own tool; the password goes by its environment, not by the command line."""
    plain = url.set(drivername="postgresql", password=None).render_as_string()
    environ = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    try:
        done = subprocess.run(
            [program, f"--dbname={plain}", "--no-password", *words],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as exc:
        raise BadInput(f"{program} is not installed: apt-get install postgresql-client") from exc
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:300])
        raise StoreUnavailable(f"{program}: {said}")


def _stop_texts(url: str, now: datetime) -> int:
    engine = make_engine(database_url(url), timeout_s=30, connections=1)
    try:
        with engine.connect().execution_options(is_writing=True) as connection, connection.begin():
            return outbox.fail_unsent(connection, now=now, reason="in doubt: it may have been sent after the backup")
    except DBAPIError as exc:
        raise StoreUnavailable(str(exc.orig)) from exc
    finally:
        engine.dispose()
