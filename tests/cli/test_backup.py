import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ari_app.cli.backup import command as backup
from ari_app.cli.restore import command as restore
from ari_app.errors import BadInput
from ari_app.store import customers
from ari_app.store.customers import Customer
from ari_app.store.database import Database
from ari_app.store.migrate import migrate


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ari_app.toml"
    path.write_text(f'[store]\nurl = "sqlite:///{tmp_path / "store.db"}"\n')
    return path


def _run(command: object, *words: object) -> Result:
    result = CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _known(config: Path, add: str = "") -> list[str]:
    return asyncio.run(_known_async(config, add))


async def _known_async(config: Path, add: str) -> list[str]:
    url = f"sqlite:///{config.with_name('store.db')}"
    migrate(url)
    async with Database(url) as database:
        if add:
            now = datetime.now(UTC)
            await database.run(lambda c: customers.upsert(c, Customer("+441632960001", add), now=now))
        return [customer.name for customer in await database.read(customers.listed)]


def test_a_lost_machine_is_brought_back(config: Path, tmp_path: Path) -> None:
    _known(config, "Jane")
    saved = tmp_path / "saved.tar"
    assert json.loads(_run(backup, saved, "--config", config, "--json").output)["file"] == str(saved)
    assert saved.stat().st_mode & 0o077 == 0
    for lost in (config, *tmp_path.glob("store.db*")):
        lost.unlink()
    facts = json.loads(_run(restore, saved, "--config", config, "--json").output)
    assert facts["settings_written"] == str(config)
    assert _known(config) == ["Jane"]


def test_a_database_that_is_there_is_replaced_only_by_force_and_kept_aside(config: Path, tmp_path: Path) -> None:
    _known(config, "Jane")
    saved = tmp_path / "saved.tar"
    _run(backup, saved, "--config", config)
    _known(config, "Somebody Else")
    with pytest.raises(BadInput, match="--force"):
        _run(restore, saved, "--config", config)
    assert _known(config) == ["Somebody Else"]
    facts = json.loads(_run(restore, saved, "--config", config, "--force", "--json").output)
    assert _known(config) == ["Jane"]
    assert Path(facts["restored"]["kept_aside"]).exists()


def test_settings_that_differ_are_left_alone(config: Path, tmp_path: Path) -> None:
    _known(config, "Jane")
    saved = tmp_path / "saved.tar"
    _run(backup, saved, "--config", config)
    before = config.read_text()
    config.write_text(before + "# changed\n")
    output = _run(restore, saved, "--config", config, "--force").output
    assert config.read_text().endswith("# changed\n")
    assert (tmp_path / "ari_app.toml.from-backup").read_text() == before
    assert "settings written to" in output


def test_a_backup_is_not_overwritten_unasked(config: Path, tmp_path: Path) -> None:
    _known(config, "Jane")
    saved = tmp_path / "saved.tar"
    saved.write_text("something else")
    with pytest.raises(BadInput, match="is there already"):
        _run(backup, saved, "--config", config)
    _run(backup, saved, "--force", "--config", config)
    assert "whole" in _run(restore, saved, "--verify", "--config", config).output


def test_nothing_to_back_up_is_told(config: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no database"):
        _run(backup, tmp_path / "saved.tar", "--config", config)
