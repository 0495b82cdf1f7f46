"""The database: SQLite by default, PostgreSQL (psycopg 3) for several workers; SQLAlchemy Core in threads of its own.

On SQLite one thread writes (BEGIN IMMEDIATE) and others read beside it (WAL). On PostgreSQL each statement, lock wait
and idle transaction is bounded by the server too, so that a frozen worker can't hold the others up.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import ConnectionPoolEntry

from ari_app.errors import BadInput, StoreUnavailable

T = TypeVar("T")

_RETRIED_SQLSTATES = {"40001", "40P01"}
"""Serialization failure and deadlock: the transaction was undone and may be run again."""


class Database:
    """Transactions run in threads; the event loop never waits for a disk."""

    def __init__(self, url: str, *, timeout_s: float = 3.0, threads: int = 4) -> None:
        self.url = database_url(url)
        self.timeout_s = timeout_s
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = make_engine(self.url, timeout_s=timeout_s, connections=threads + 1)
        self._writers = ThreadPoolExecutor(1 if self.is_sqlite else threads, "store-write")
        self._readers = ThreadPoolExecutor(threads, "store-read") if self.is_sqlite else self._writers

    async def run(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in one writing transaction and commit it; raises StoreUnavailable.

        An error from `fn` undoes the transaction and comes out as it is; so does IntegrityError. After a deadlock
        `fn` is run again, so it must do nothing outside the connection. Cancelled or out of time: all of it is
        undone, unless the commit had begun; then a timeout waits once more, and only a commit that gets no answer
        leaves the outcome open (the error's text says so).
        """
        fate = _Fate()
        return await self._finished(self._writers.submit(self._write, fn, fate), fate)

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in one reading transaction (a consistent view); nothing it wrote would stay."""
        fate = _Fate()
        return await self._finished(self._readers.submit(self._read, fn, fate), fate)

    async def close(self) -> None:
        """Let what runs end, then close all connections."""
        await asyncio.to_thread(self._shut_down)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _finished(self, job: "Future[T]", fate: "_Fate") -> T:
        waiter = asyncio.wrap_future(job)
        waiter.add_done_callback(_retrieve)
        try:
            done, _ = await asyncio.wait({waiter}, timeout=self.timeout_s)
            if not done and not fate.abandon():
                done, _ = await asyncio.wait({waiter}, timeout=self.timeout_s)
                if not done:
                    raise StoreUnavailable(f"{self._shown}: the commit was not confirmed; it may have been done")
        except asyncio.CancelledError:
            fate.abandon()
            job.cancel()
            raise
        if not done:
            job.cancel()
            raise StoreUnavailable(f"{self._shown}: no answer within {self.timeout_s:g} s; nothing was written")
        return waiter.result()

    def _write(self, fn: Callable[[Connection], T], fate: "_Fate") -> T:
        for attempt in range(3):
            try:
                return self._write_once(fn, fate)
            except DBAPIError as exc:
                if getattr(exc.orig, "sqlstate", None) not in _RETRIED_SQLSTATES or attempt == 2:
                    raise self._translated(exc) from exc
            except PoolExhausted as exc:
                raise StoreUnavailable(f"{self._shown}: {exc}") from exc
        raise AssertionError("unreachable")

    def _write_once(self, fn: Callable[[Connection], T], fate: "_Fate") -> T:
        with self._engine.connect() as connection:
            connection.execution_options(is_writing=True)
            transaction = connection.begin()
            try:
                result = fn(connection)
            except BaseException:
                transaction.rollback()
                raise
            if not fate.begin_commit():
                transaction.rollback()
                raise StoreUnavailable(f"{self._shown}: given up before the commit")
            self._commit(transaction)
            return result

    def _commit(self, transaction: RootTransaction) -> None:
        try:
            transaction.commit()
        except DBAPIError as exc:
            if exc.connection_invalidated:
                raise StoreUnavailable(f"{self._shown}: the connection was lost in the commit; it may be done") from exc
            raise

    def _read(self, fn: Callable[[Connection], T], fate: "_Fate") -> T:
        try:
            with self._engine.connect() as connection:
                if not self.is_sqlite:
                    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                return fn(connection)
        except DBAPIError as exc:
            raise self._translated(exc) from exc
        except PoolExhausted as exc:
            raise StoreUnavailable(f"{self._shown}: {exc}") from exc

    def _translated(self, exc: DBAPIError) -> Exception:
        if isinstance(exc, IntegrityError):
            return exc
        return StoreUnavailable(f"{self._shown}: {_first_line(exc)}")

    def _shut_down(self) -> None:
        self._writers.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._engine.dispose()

    @property
    def _shown(self) -> str:
        return f"database {self.url.render_as_string(hide_password=True)}"


class _Fate:
    """Who was first: the waiter that gave up, or the thread that began to commit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._is_committing = False

    def abandon(self) -> bool:
        with self._lock:
            self._is_abandoned = not self._is_committing
            return self._is_abandoned

    def begin_commit(self) -> bool:
        with self._lock:
            self._is_committing = not self._is_abandoned
            return self._is_committing


def database_url(text: str) -> URL:
    """The URL as SQLAlchemy wants it: "postgresql://" and "postgres://" go by psycopg 3; raises BadInput."""
    try:
        url = make_url(text)
        backend = url.get_backend_name()
        if backend in {"postgres", "postgresql"}:
            return url.set(drivername="postgresql+psycopg")
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        raise BadInput(f'store.url: "{_without_password(text)}" is no database URL: {_first_line(exc)}') from exc
    if backend != "sqlite" or url.database in {None, "", ":memory:"} or url.query:
        raise BadInput(
            'store.url: write "sqlite:///PATH" (a file, no options) or "postgresql://USER:PASSWORD@HOST/NAME",'
            f' not "{_without_password(text)}"'
        )
    return url


def insert_new(conn: Connection, table: Table, **values: object) -> bool:
    """Insert one row, unless a unique column's value is there already; True where it was inserted."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).values(**values).on_conflict_do_nothing()
    return conn.execute(statement, execution_options={"preserve_rowcount": True}).rowcount > 0


def make_engine(url: URL, *, timeout_s: float, connections: int) -> Engine:
    """An engine whose connections are set up for us; nothing is opened yet."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, timeout_s=timeout_s, connections=connections)
    millis = int(timeout_s * 1000)
    limits = {"statement_timeout": millis, "lock_timeout": millis, "idle_in_transaction_session_timeout": 2 * millis}
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_s,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": max(2, round(timeout_s)),
            "tcp_user_timeout": millis,
            "keepalives_idle": 5,
            "application_name": "ari_app",
            "client_encoding": "utf8",  # a database in SQL_ASCII names none, and psycopg would give bytes for text
            "options": " ".join(f"-c {name}={value}" for name, value in (limits | {"timezone": "UTC"}).items()),
        },
    )


def _sqlite_engine(url: URL, *, timeout_s: float, connections: int) -> Engine:
    engine = create_engine(url, pool_size=connections, max_overflow=0, pool_timeout=timeout_s, hide_parameters=True)

    def set_up(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {int(timeout_s * 1000)}")
        _use_wal(connection, timeout_s)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")

    def begin(connection: Connection) -> None:
        is_writing = connection.get_execution_options().get("is_writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", begin)
    return engine


def _use_wal(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Switch to WAL; SQLite's busy timeout doesn't cover the switch itself, which workers may try at once."""
    until = time.monotonic() + timeout_s
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _retrieve(waiter: "asyncio.Future[T]") -> None:
    if not waiter.cancelled():
        waiter.exception()


def _first_line(exc: BaseException) -> str:
    cause = exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc
    return (str(cause).splitlines() or [type(cause).__name__])[0]


def _without_password(text: str) -> str:
    head, at, tail = text.rpartition("@")
    return f"{head.rpartition(':')[0]}:***@{tail}" if at else text
