import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.callback_book import CallbackBook
from ari_app.booking.model import KeptCallback
from ari_app.cli.callbacks import command
from ari_app.config import load_settings
from ari_app.store import callbacks
from ari_app.store.database import Database
from ari_app.store.migrate import migrate


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def config(tmp_path: Path, url: str, calendar_url: str) -> Path:
    migrate(url)
    path = tmp_path / "ari_app.toml"
    path.write_text(f'[store]\nurl = "{url}"\n[caldav]\nurl = "{calendar_url}"\nuser = "desk"\npassword = "x"\n')
    return path


@pytest.fixture(scope="module")
def calendar_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Radicale of this module's own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("radicale")
    (folder / "collection-root" / "desk").mkdir(parents=True)
    options = ["--auth-type", "none", "--storage-filesystem-folder", str(folder), "--rights-type", "owner_only"]
    words = [sys.executable, "-m", "radicale", "--config", "", "--hosts", f"127.0.0.1:{port}", *options]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/desk/"
    finally:
        server.terminate()
        server.wait()


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


def test_what_is_ticked_off_in_the_calendar_is_done_here_and_the_other_way_round(config: Path, url: str) -> None:
    first, second = asyncio.run(_keep_in_calendar(config, "Ann", "Bob"))
    listed = json.loads(_run(config, "--json").output)
    assert {c["uid"] for c in listed["callbacks"]} == {first, second}
    assert listed["calendar"] == "ok"
    ids = {c["uid"]: c["id"] for c in listed["callbacks"]}
    asyncio.run(_tick_off(config, first))
    assert [c["uid"] for c in json.loads(_run(config, "--json").output)["callbacks"]] == [second]
    assert _run(config, "done", str(ids[second])).exit_code == 0
    assert asyncio.run(_open_in_calendar(config)) == []
    assert json.loads(_run(config, "--json").output)["callbacks"] == []


def test_without_the_calendar_the_store_is_shown(config: Path, url: str) -> None:
    _promise(url, "late", timedelta(hours=1))
    config.write_text(re.sub(r"http://127\.0\.0\.1:\d+/", "http://127.0.0.1:1/", config.read_text()))
    result = _run(config, "--json")
    assert result.exit_code == 0
    assert json.loads(result.output)["calendar"] != "ok"
    done = _run(config, "done", "1", "--json")
    assert done.exit_code == 0
    assert json.loads(done.output)["done"] is True


@asynccontextmanager
async def _book(config: Path) -> AsyncIterator[CallbackBook]:
    settings = load_settings(config, {})
    store = CaldavStore(settings.caldav)
    await store.connect()
    yield CallbackBook(store, settings.callbacks.calendar)
    await store.close()


async def _keep_in_calendar(config: Path, *names: str) -> list[str]:
    now = datetime.now(UTC)
    due = now + timedelta(hours=1)
    async with _book(config) as book:
        return [
            await book.keep(KeptCallback("", "+441632960001", name, "a cleaning", "", due, name), now=now)
            for name in names
        ]


async def _tick_off(config: Path, uid: str) -> None:
    async with _book(config) as book:
        await book.complete(uid, now=datetime.now(UTC))


async def _open_in_calendar(config: Path) -> list[str]:
    async with _book(config) as book:
        return [kept.uid for kept in await book.open()]
