"""Unpacking a model's archive: beside its place, then into it as a whole; what would reach elsewhere is refused."""

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ari_app.errors import DownloadFailed
from ari_app.speech.models import ModelKind, is_present

BLOCK_BYTES = 1 << 18
MAX_UNPACKED_RATIO = 20
MAX_ENTRIES = 10_000

Progress = Callable[[str, int, int], None]
"""(what is being done, bytes done, bytes in all)."""


def unpack(archive: Path, kind: ModelKind, place: Path, progress: Progress) -> None:
    """Put the model in a zip `archive` at `place`, instead of what is there. Raises DownloadFailed, OSError.

    Refused: entries that would leave the folder, links, devices, bombs, an archive without a model of this kind.
    """
    target = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        try:
            with zipfile.ZipFile(archive) as source:
                _extract(source, archive, target, progress)
        except zipfile.BadZipFile as exc:
            raise DownloadFailed(f"{archive.name} is no whole zip archive: {exc}") from exc
        root = _model_root(target, kind)
        if root is None:
            raise DownloadFailed(f"{archive.name} holds no {kind}")
        _swap(root, place)
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _extract(source: zipfile.ZipFile, archive: Path, target: Path, progress: Progress) -> None:
    entries = source.infolist()
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES or total > MAX_UNPACKED_RATIO * max(archive.stat().st_size, 1 << 16):
        raise DownloadFailed(f"{archive.name} would unpack to {total:,} bytes in {len(entries):,} files: refused")
    if shutil.disk_usage(target).free < total:
        raise DownloadFailed(no_room(target, total))
    done = 0
    for entry in entries:
        path = _safe_path(target, entry, archive.name)
        if entry.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with source.open(entry) as packed, path.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, BLOCK_BYTES)
        done += entry.file_size
        progress(f"unpacking {archive.name}", done, total)


def _safe_path(target: Path, entry: zipfile.ZipInfo, archive: str) -> Path:
    """Where an entry goes; raises DownloadFailed if that were outside, or it is a link or device."""
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if name.is_absolute() or ".." in name.parts or (name.parts and ":" in name.parts[0]):
        raise DownloadFailed(f"{archive} holds an entry that would be written elsewhere ({entry.filename!r}): refused")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DownloadFailed(f"{archive} holds a link or device ({entry.filename!r}): refused")
    return target.joinpath(*name.parts)


def _model_root(unpacked: Path, kind: ModelKind) -> Path | None:
    """The folder that is the model: the archive's only folder, or its top."""
    for candidate in (unpacked, *sorted(path for path in unpacked.iterdir() if path.is_dir())):
        if is_present(kind, candidate):
            return candidate
    return None


def _swap(new: Path, place: Path) -> None:
    """Put a folder in place of another one."""
    aside = place.with_name(f".{place.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if place.exists():
        os.replace(place, aside)
    os.replace(new, place)
    shutil.rmtree(aside, ignore_errors=True)


def no_room(place: Path, needed: int) -> str:
    """What to tell where a disk is too small."""
    free = shutil.disk_usage(place).free
    return f"{place} has {free / 1e6:,.0f} MB free, {needed / 1e6:,.0f} MB are needed: make room or name another place"
