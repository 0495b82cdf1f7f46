"""The .tar of a backup: the files, and a manifest with their digests, checked when it is opened."""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ari_app import __version__
from ari_app.errors import BadInput
from ari_app.store.migrate import is_usable_schema

MANIFEST, SETTINGS = "manifest.json", "ari_app.toml"
DATABASES = {"sqlite": "store.sqlite3", "postgresql": "store.pgdump"}
_BLOCK = 1 << 20


class FileEntry(BaseModel):
    """One file of a backup, as its manifest has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What a backup says of itself."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: int
    program: str
    schema_revision: str
    created: datetime
    database: str
    files: dict[str, FileEntry]


def pack(whole: Path, manifest: Manifest, copies: dict[str, Path], now: datetime) -> None:
    """Write the archive, readable by its owner only, down to the disk."""
    with os.fdopen(os.open(whole, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
            described = manifest.model_dump_json(indent=2).encode()
            tar.addfile(_member(MANIFEST, len(described), now), io.BytesIO(described))
            for name, path in copies.items():
                with path.open("rb") as content:
                    tar.addfile(_member(name, path.stat().st_size, now), content)
        raw.flush()
        os.fsync(raw.fileno())


@contextmanager
def opened_backup(path: Path) -> Iterator[tuple[Manifest, Path]]:
    """The verified manifest and a folder with the backup's files; raises BadInput where anything is amiss."""
    try:
        with tarfile.open(path, "r:") as tar, tempfile.TemporaryDirectory(prefix="ari-app-restore-") as folder:
            manifest = _read_manifest(tar, path)
            for name, entry in manifest.files.items():
                _unpack(tar, name, entry, Path(folder) / name, path)
            yield manifest, Path(folder)
    except (tarfile.TarError, EOFError) as exc:
        raise BadInput(f"{path} is no backup of ari-app: {exc}") from exc
    except FileNotFoundError as exc:
        raise BadInput(f"{exc.filename} does not exist") from exc


def _member(name: str, size: int, now: datetime) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(now.timestamp())
    return member


def _read_manifest(tar: tarfile.TarFile, path: Path) -> Manifest:
    try:
        content = tar.extractfile(MANIFEST)
        manifest = Manifest.model_validate_json(content.read(_BLOCK) if content else b"")
    except (KeyError, ValidationError) as exc:
        raise BadInput(f"{path} is no backup of ari-app: its {MANIFEST} is missing or unreadable") from exc
    if manifest.format != 1 or not is_usable_schema(manifest.schema_revision):
        raise BadInput(
            f"{path} was made by ari-app {manifest.program} (schema {manifest.schema_revision}), this is {__version__}:"
            " restore it with that version or a newer one"
        )
    if set(manifest.files) - {SETTINGS} != {DATABASES.get(manifest.database)}:
        raise BadInput(f"{path} holds other files than a backup does")
    return manifest


def _unpack(tar: tarfile.TarFile, name: str, entry: FileEntry, target: Path, path: Path) -> None:
    try:
        content = tar.extractfile(name)
    except KeyError as exc:
        raise BadInput(f"{path} is damaged: {name} is missing") from exc
    if content is None:
        raise BadInput(f"{path} is damaged: {name} is no file")
    with content, target.open("wb") as out:
        while block := content.read(_BLOCK):
            out.write(block)
    if entry_of(target) != entry:
        raise BadInput(f"{path} is damaged: {name} is not what was saved")


def entry_of(path: Path) -> FileEntry:
    """Size and digest of a file."""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return FileEntry(bytes=path.stat().st_size, sha256=digest)
