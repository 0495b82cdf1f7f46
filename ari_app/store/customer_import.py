"""A customer file brought into the store."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from ari_app.errors import BadInput
from ari_app.store.customer_file import Problem, read_customers
from ari_app.store.customers import Change, Customer, upsert
from ari_app.store.database import Database

_LINES_A_TRANSACTION = 300


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did."""

    added: int
    updated: int
    unchanged: int
    problems: tuple[Problem, ...]

    @property
    def left_out(self) -> int:
        return sum(problem.is_left_out for problem in self.problems)


async def import_csv(database: Database, path: Path, *, region: str, now: datetime) -> ImportReport:
    """Bring the good lines of a file into the store and report the others; raises BadInput.

    Stored a few hundred lines at a time; an import that was cut off is simply run again.
    """
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except OSError as exc:
        raise BadInput(f"{path}: {exc.strerror}") from exc
    try:
        file = read_customers(data, region=region, this_year=now.year)
    except BadInput as exc:
        raise BadInput(f"{path}: {exc}") from exc
    changes: Counter[Change] = Counter()
    for start in range(0, len(file.customers), _LINES_A_TRANSACTION):
        some = [customer for _, customer in file.customers[start : start + _LINES_A_TRANSACTION]]
        changes.update(await database.run(partial(_store, some=some, now=now)))
    return ImportReport(changes[Change.ADDED], changes[Change.UPDATED], changes[Change.UNCHANGED], file.problems)


def _store(conn: Connection, some: list[Customer], now: datetime) -> list[Change]:
    return [upsert(conn, customer, now=now) for customer in some]
