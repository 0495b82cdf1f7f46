import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ari_app.cli.callbacks import command
from ari_app.store import callbacks
from ari_app.store.database import Database
from ari_app.store.migrate import migrate


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def config(tmp_path: Path, url: str) -> Path:
    migrate(url)
    path = tmp_path / "ari_app.toml"
    path.write_text(f'[store]\nurl = "{url}"\n')
    return path


def _promise(url: str, uid: str, due_in: timedelta) -> None:
    asyncio.run(_promise_async(url, uid, due_in))


async def _promise_async(url: str, uid: str, due_in: timedelta) -> None:
    now = datetime.now(UTC)
    async with Database(url) as database:
        await database.run(
            lambda c: callbacks.promise(
                c, uid=uid, number="+441632960001", about="[red]a cleaning", now=now, due=now + due_in
            )
        )


def _run(config: Path, *words: str) -> Result:
    result = CliRunner().invoke(command, [*words, "--config", str(config)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_overdue_promises_stand_first_and_are_marked(config: Path, url: str) -> None:
    _promise(url, "later", timedelta(hours=2))
    assert _run(config).exit_code == 0
    _promise(url, "late", timedelta(minutes=-5))
    result = _run(config, "--json")
    assert result.exit_code == 1
    assert [(c["uid"], c["overdue"]) for c in json.loads(result.output)["callbacks"]] == [
        ("late", True),
        ("later", False),
    ]
    printed = _run(config).output
    assert "OVERDUE" in printed


def test_a_promise_is_ticked_off(config: Path, url: str) -> None:
    _promise(url, "late", timedelta(minutes=-5))
    assert _run(config, "done", "1").exit_code == 0
    assert _run(config, "done", "1").exit_code == 1
    assert "no callbacks" in _run(config).output
    (kept,) = json.loads(_run(config, "--all", "--json").output)["callbacks"]
    assert kept["status"] == "done"
