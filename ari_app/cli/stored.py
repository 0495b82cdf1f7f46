"""What the commands that look into the store share: the settings file and an opened database."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from ari_app.config import Settings
from ari_app.store.database import Database
from ari_app.store.migrate import migrate, require_database

T = TypeVar("T")

config = click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file; default $ARI_APP_CONFIG, ./ari_app.toml."
)
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


def with_store(settings: Settings, work: Callable[[Database], Awaitable[T]], *, may_be_new: bool = False) -> T:
    """Open the settings' database, brought to this program's schema, and do `work` on it."""
    if not may_be_new:
        require_database(settings.store.url)
    migrate(settings.store.url)

    async def run() -> T:
        async with Database(settings.store.url, timeout_s=30) as database:
            return await work(database)

    return asyncio.run(run())


def settings_file(given: Path | None) -> Path | None:
    """The settings file that is in use; None where there is none."""
    named = os.environ.get("ARI_APP_CONFIG")
    found = given or (Path(named) if named else Path("ari_app.toml"))
    return found if found.exists() else None
