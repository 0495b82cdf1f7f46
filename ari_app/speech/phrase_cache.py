"""Synthesised phrases on disk and in memory, shared by all workers of a machine.

An entry is a file `ab/abcd...pcm` named by its key, with a digest in front of the audio: an entry that was cut short or
changed on disk is removed and made again, never played. Files are written beside their place and renamed into it, so a
reader sees a whole entry or none. The disk is bounded by bytes, least recently used first (a file's mtime is its last
use, to the minute). Where the disk is full or read-only the memory front goes on alone; `stats.write_failures` counts.
"""

import hashlib
import os
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

SUFFIX = ".pcm"
MAGIC = b"ariph1\n\0"
DIGEST_BYTES = 16
USE_RESOLUTION_S = 60.0
LEFT_OVER_S = 3600.0
"""A temporary file older than this belongs to a process that died."""


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counts since this process opened the cache; the two `bytes` are what is held now."""

    memory_hits: int = 0
    disk_hits: int = 0
    misses: int = 0
    corrupt: int = 0
    evicted: int = 0
    write_failures: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0

    @property
    def hits(self) -> int:
        return self.memory_hits + self.disk_hits


class PhraseCache:
    """Audio by key. Thread-safe; `recall` never touches the disk, `get` and `put` may."""

    def __init__(self, directory: Path, *, max_bytes: int, memory_bytes: int = 64_000_000) -> None:
        self.directory = directory
        self.max_bytes = max_bytes
        self.max_memory_bytes = memory_bytes
        self._stats = CacheStats()
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._disk_lock = threading.Lock()
        self._measure()

    @property
    def stats(self) -> CacheStats:
        return self._stats

    @staticmethod
    def key(voice_digest: str, text: str, settings: str = "") -> str:
        """The name of a phrase spoken by this voice with these settings; white space in `text` is one space."""
        parts = (voice_digest, settings, " ".join(text.split()))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def recall(self, key: str) -> bytes | None:
        """What the memory front holds, None where it doesn't; a hit counts, a miss does not (`get` decides that)."""
        with self._lock:
            audio = self._memory.get(key)
            if audio is not None:
                self._memory.move_to_end(key)
                self._count(memory_hits=self._stats.memory_hits + 1)
            return audio

    def get(self, key: str) -> bytes | None:
        """The phrase from memory or disk; None (a miss) where there is none or it is corrupt."""
        audio = self.recall(key)
        if audio is not None:
            return audio
        audio = self._read(key)
        with self._lock:
            if audio is None:
                self._count(misses=self._stats.misses + 1)
            else:
                self._count(disk_hits=self._stats.disk_hits + 1)
                self._remember(key, audio)
        return audio

    def put(self, key: str, audio: bytes) -> None:
        """Keep a phrase; a disk that can't be written is counted, not raised."""
        with self._lock:
            self._remember(key, audio)
        if not self._write(key, audio):
            with self._lock:
                self._count(write_failures=self._stats.write_failures + 1)
        elif self._stats.disk_bytes > self.max_bytes:
            self._evict()

    def __contains__(self, key: str) -> bool:
        return key in self._memory or self._path(key).is_file()

    def _count(self, **changes: int) -> None:
        self._stats = replace(self._stats, **changes)

    def _remember(self, key: str, audio: bytes) -> None:
        held = self._stats.memory_bytes - len(self._memory.pop(key, b"")) + len(audio)
        self._memory[key] = audio
        while held > self.max_memory_bytes and len(self._memory) > 1:
            _, oldest = self._memory.popitem(last=False)
            held -= len(oldest)
        self._count(memory_bytes=held)

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / f"{key}{SUFFIX}"

    def _read(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        audio = _opened(key, content)
        if audio is None:
            _remove(path)
            with self._lock:
                self._count(
                    corrupt=self._stats.corrupt + 1,
                    disk_bytes=max(self._stats.disk_bytes - len(content), 0),
                )
            return None
        _mark_used(path)
        return audio

    def _write(self, key: str, audio: bytes) -> bool:
        path = self._path(key)
        content = _sealed(key, audio)
        temporary = path.with_name(f".{key}.{secrets.token_hex(6)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            previous = path.stat().st_size if path.exists() else 0
            temporary.write_bytes(content)
            os.replace(temporary, path)
        except OSError:
            _remove(temporary)
            return False
        with self._lock:
            self._count(disk_bytes=self._stats.disk_bytes + len(content) - previous)
        return True

    def _measure(self) -> None:
        """Make the directory, count what is there (other workers write too) and clear what dead processes left."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            return
        held = 0
        for entry in self.directory.glob("*/*"):
            try:
                found = entry.stat()
            except OSError:
                continue
            if entry.suffix == SUFFIX:
                held += found.st_size
            elif time.time() - found.st_mtime > LEFT_OVER_S:
                _remove(entry)
        with self._lock:
            self._count(disk_bytes=held)

    def _evict(self) -> None:
        """Remove the least recently used down to nine tenths of the bound."""
        with self._disk_lock:
            entries: list[tuple[float, int, Path]] = []
            for path in self.directory.glob(f"*/*{SUFFIX}"):
                try:
                    found = path.stat()
                except OSError:
                    continue
                entries.append((found.st_mtime, found.st_size, path))
            held = sum(size for _, size, _ in entries)
            removed = 0
            for _, size, path in sorted(entries):
                if held <= self.max_bytes * 9 // 10:
                    break
                if _remove(path):
                    removed += 1
                held -= size
        with self._lock:
            self._count(disk_bytes=held, evicted=self._stats.evicted + removed)


def _sealed(key: str, audio: bytes) -> bytes:
    return MAGIC + _digest(key, audio) + audio


def _opened(key: str, content: bytes) -> bytes | None:
    start = len(MAGIC) + DIGEST_BYTES
    audio = content[start:]
    return audio if content[:start] == MAGIC + _digest(key, audio) else None


def _digest(key: str, audio: bytes) -> bytes:
    return hashlib.blake2b(audio, digest_size=DIGEST_BYTES, key=key[:64].encode()).digest()


def _mark_used(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > USE_RESOLUTION_S:
            os.utime(path)
    except OSError:
        return


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
