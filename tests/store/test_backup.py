import asyncio
import io
import json
import tarfile
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from ari_app.errors import BadInput, StoreUnavailable
from ari_app.store import customers, outbox
from ari_app.store.backup import restore_database, write_backup
from ari_app.store.backup_archive import MANIFEST, opened_backup
from ari_app.store.customers import Customer
from ari_app.store.database import Database
from ari_app.store.migrate import migrate
from ari_app.store.schema import OutboxState

JANE = Customer("+441632960001", "Jane")


async def _fill(url: str, now: datetime) -> None:
    async with Database(url) as database:
        await database.run(lambda c: customers.upsert(c, JANE, now=now))
        for key in ("held", "due"):
            await database.run(lambda c, key=key: outbox.hold(c, key=key, number="+44", text="x", now=now))  # type: ignore[misc]
        await database.run(lambda c: outbox.release(c, key="due", now=now))


async def test_a_restored_database_is_what_it_was_and_texts_nobody_twice(
    database_url: str, tmp_path: Path, now: datetime
) -> None:
    await _fill(database_url, now)
    saved = tmp_path / "saved.tar"
    write_backup(database_url, None, saved, now=now)
    async with Database(database_url) as database:
        await database.run(lambda c: customers.remove(c, JANE.number))
    with opened_backup(saved) as (manifest, folder):
        restored = restore_database(manifest, folder, database_url, force=True, now=now)
    assert restored.texts_stopped == 2
    async with Database(database_url) as database:
        assert await database.read(customers.listed) == [JANE]
        assert {m.state for m in await database.read(outbox.latest)} == {OutboxState.FAILED}
        assert await database.run(lambda c: outbox.release(c, key="held", now=now))
        assert {m.state for m in await database.read(outbox.latest)} == {OutboxState.FAILED}


async def test_a_backup_is_taken_while_calls_go_on(database_url: str, tmp_path: Path, now: datetime) -> None:
    await _fill(database_url, now)
    saved = tmp_path / "saved.tar"
    is_over = asyncio.Event()

    async def go_on(database: Database) -> int:
        written = 0
        while not is_over.is_set():
            customer = Customer(f"+4416329{written:05}", "Bob")
            await database.run(partial(customers.upsert, customer=customer, now=now))
            written += 1
        return written

    async with Database(database_url, timeout_s=20) as database:
        calls = asyncio.create_task(go_on(database))
        while await database.read(lambda c: customers.find(c, "+441632900000")) is None:
            assert not calls.done()
        await asyncio.to_thread(write_backup, database_url, None, saved, now=now)
        is_over.set()
        written = await calls
        found = await database.read(lambda c: customers.find(c, f"+4416329{written - 1:05}"))
    assert found is not None
    with opened_backup(saved) as (manifest, _):
        assert len(manifest.files) == 1


async def test_a_database_in_use_is_not_replaced_unasked(database_url: str, tmp_path: Path, now: datetime) -> None:
    await _fill(database_url, now)
    saved = tmp_path / "saved.tar"
    write_backup(database_url, None, saved, now=now)
    with opened_backup(saved) as (manifest, folder), pytest.raises(BadInput, match="--force"):
        restore_database(manifest, folder, database_url, force=False, now=now)


def test_a_wrong_password_is_told(postgres_url: str, tmp_path: Path, now: datetime) -> None:
    saved = tmp_path / "saved.tar"
    with pytest.raises(StoreUnavailable) as caught:
        write_backup(postgres_url.replace("tester@", "nobody:secret@"), None, saved, now=now)
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def saved(tmp_path: Path, now: datetime) -> Path:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    asyncio.run(_filled(url, now))
    settings = tmp_path / "settings.toml"
    settings.write_text('[business]\nname = "x"\n')
    path = tmp_path / "saved.tar"
    write_backup(url, settings, path, now=now)
    return path


async def _filled(url: str, now: datetime) -> None:
    migrate(url)
    await _fill(url, now)


def _rewritten(saved: Path, name: str, content: bytes | None) -> None:
    """Replace (None: drop) one member of an archive."""
    with tarfile.open(saved) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    members.pop(name, None)
    if content is not None:
        members[name] = content
    with tarfile.open(saved, "w") as tar:
        for each, data in members.items():
            info = tarfile.TarInfo(each)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _manifest(saved: Path) -> dict[str, object]:
    with tarfile.open(saved) as tar:
        content = tar.extractfile(MANIFEST)
        assert content is not None
        manifest: dict[str, object] = json.load(content)
        return manifest


def _refused(saved: Path, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught, opened_backup(saved):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["store.sqlite3", "ari_app.toml"])
def test_a_damaged_backup_is_refused(saved: Path, name: str) -> None:
    _rewritten(saved, name, b"something else")
    _refused(saved, f"{name} is not what was saved")
    _rewritten(saved, name, None)
    _refused(saved, f"{name} is missing")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_a_backup_cut_short_is_refused(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    content = len(whole.rstrip(b"\0"))
    saved.write_bytes(whole[: int(content * share)])
    _refused(saved, "damaged|no backup")


def test_a_backup_of_a_newer_program_is_refused(saved: Path) -> None:
    _rewritten(saved, MANIFEST, json.dumps(_manifest(saved) | {"schema_revision": "9999"}).encode())
    _refused(saved, "restore it with that version or a newer one")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "store.pgdump"])
def test_a_backup_writes_only_its_own_files(saved: Path, name: str) -> None:
    manifest = _manifest(saved)
    files = manifest["files"]
    assert isinstance(files, dict)
    files[name] = {"bytes": 1, "sha256": "0" * 64}
    _rewritten(saved, MANIFEST, json.dumps(manifest).encode())
    _refused(saved, "holds other files")


def test_what_is_no_tar_is_refused(tmp_path: Path) -> None:
    letter = tmp_path / "letter.tar"
    letter.write_text("Dear Jane, " * 200)
    _refused(letter, "no backup")
    _refused(tmp_path / "none.tar", "does not exist")
