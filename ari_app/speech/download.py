"""Fetching models: resumed, checked, and in place as a whole or not at all.

A download goes on where it stopped, within one run and after it, through HTTP Range; a server without Range starts
anew. Size and SHA-256 are checked before anything is put in place. What was pulled is recorded with its digests for
`verify`.
"""

import contextlib
import errno
import fcntl
import hashlib
import http.client
import json
import os
import random
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ari_app.errors import BadInput, DownloadFailed
from ari_app.speech.models import Model, ModelFile, is_present, model_path
from ari_app.speech.unpacking import BLOCK_BYTES, Progress, no_room, unpack

ATTEMPTS = 5
"""Failed attempts in a row without one new byte."""
MAX_REQUESTS = 200


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull left on disk."""

    path: Path
    digests: dict[str, str]
    """SHA-256 by file name, of what was downloaded."""
    unconfirmed: tuple[str, ...]
    """Files for which the registry has no digest: theirs were taken on trust and recorded."""
    was_there: bool = False


class Puller:
    """Fetches models into one models directory; synchronous, for the command line."""

    def __init__(
        self,
        directory: Path,
        *,
        progress: Progress = lambda what, done, total: None,
        timeout_s: float = 30.0,
        backoff_s: float = 0.5,
    ) -> None:
        self.directory = directory
        self._progress = progress
        self._timeout_s = timeout_s
        self._backoff_s = backoff_s

    def pull(self, model: Model, *, force: bool = False) -> Pulled:
        """Fetch `model` unless it is there. Raises DownloadFailed, BadInput (a lab model, another pull running)."""
        if not model.files:
            raise BadInput(f"{model.name} comes with the checkout, in models/; there is nothing to pull")
        place = model_path(self.directory, model.kind, model.name)
        if is_present(model.kind, place) and not force:
            return Pulled(place, {}, (), was_there=True)
        with self._translated_disk_errors(), self._lock(model.name) as staging:
            self._check_room(model)
            fetched = [self._fetch(file, staging) for file in model.files]
            digests = {file.name: digest for file, digest in zip(model.files, fetched, strict=True)}
            self._install(model, staging, place)
            self._record(model, place, digests)
        unconfirmed = tuple(file.name for file in model.files if file.sha256 is None)
        return Pulled(place, digests, unconfirmed)

    def has(self, model: Model) -> bool:
        """Whether the model lies in this directory."""
        return is_present(model.kind, model_path(self.directory, model.kind, model.name))

    def verify(self, model: Model) -> list[str]:
        """What is wrong with an installed model, a line each; empty: all as it was pulled."""
        place = model_path(self.directory, model.kind, model.name)
        if not is_present(model.kind, place):
            return [f"{model.name}: not at {place}"]
        recorded = self._read_record(model.name)
        wrong = []
        for name, expected in recorded.items():
            path = self.directory / model.kind.folder / name
            if not path.is_file():
                wrong.append(f"{model.name}: {name} is missing")
            elif sha256_of(path) != expected:
                wrong.append(f"{model.name}: {name} is not what was pulled (SHA-256 {sha256_of(path)})")
        if not recorded and model.files:
            wrong.append(
                f"{model.name}: was not put there by `ari-app models pull`, so nothing is known to compare with"
            )
        return wrong

    def _fetch(self, file: ModelFile, staging: Path) -> str:
        """Download to `staging`; the checked digest."""
        part, tag = staging / f"{file.name}.part", staging / f"{file.name}.etag"
        self._download(file, part, tag)
        size = part.stat().st_size
        if size != file.size_bytes:
            _discard(part, tag)
            raise DownloadFailed(f"{file.url} has {size:,} bytes, expected are {file.size_bytes:,}: not installed")
        digest = sha256_of(part, lambda done: self._progress(f"checking {file.name}", done, size))
        if file.sha256 is not None and digest != file.sha256:
            _discard(part, tag)
            raise DownloadFailed(
                f"{file.url} has SHA-256 {digest}, expected is {file.sha256}: not installed. "
                "Pull again; if it stays so, the file was changed or your connection is tampered with"
            )
        os.replace(part, staging / file.name)
        _discard(tag)
        return digest

    def _download(self, file: ModelFile, part: Path, tag: Path) -> None:
        failures = 0
        for _ in range(MAX_REQUESTS):
            before = part.stat().st_size if part.exists() else 0
            try:
                if self._download_rest(file, part, tag):
                    return
                reason = "the connection ended early"
            except urllib.error.HTTPError as exc:
                with exc:
                    if exc.code < 500 and exc.code not in (408, 416, 429):
                        raise DownloadFailed(f"{file.url}: the server says {exc.code} {exc.reason}") from exc
                    if exc.code == 416:
                        _discard(part, tag)
                    reason = f"the server says {exc.code} {exc.reason}"
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as exc:
                reason = str(getattr(exc, "reason", None) or exc) or type(exc).__name__
            after = part.stat().st_size if part.exists() else 0
            failures = 0 if after > before else failures + 1
            if failures >= ATTEMPTS:
                raise DownloadFailed(
                    f"{file.url}: {reason}; {after:,} of {file.size_bytes:,} bytes are kept: run the same command again"
                )
            time.sleep(self._backoff_s * 2**failures * random.uniform(0.5, 1.0))
        raise DownloadFailed(f"{file.url}: not whole after {MAX_REQUESTS} requests; run the same command again later")

    def _download_rest(self, file: ModelFile, part: Path, tag: Path) -> bool:
        """One request for what is missing; whether the file is whole now."""
        have = part.stat().st_size if part.exists() else 0
        if have > file.size_bytes:
            _discard(part, tag)
            have = 0
        if have == file.size_bytes:
            return True
        headers = {"User-Agent": "ari-app", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if tag.exists():
                headers["If-Range"] = tag.read_text("utf-8")
        request = urllib.request.Request(file.url, headers=headers)
        with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
            is_rest = response.status == 206 and _starts_at(response.headers.get("Content-Range", ""), have)
            if response.status == 206 and not is_rest:
                _discard(part, tag)
                return False
            have = have if is_rest else 0
            declared = response.headers.get("Content-Length", "")
            if declared.isdigit() and have + int(declared) != file.size_bytes:
                _discard(part, tag)
                raise DownloadFailed(
                    f"{file.url} has {have + int(declared):,} bytes, expected are {file.size_bytes:,}: not installed"
                )
            if (etag := response.headers.get("ETag", "")) and not etag.startswith("W/"):
                tag.write_text(etag, "utf-8")
            with part.open("ab" if is_rest else "wb") as target:
                while block := response.read(BLOCK_BYTES):
                    target.write(block)
                    have += len(block)
                    self._progress(f"fetching {file.name}", have, file.size_bytes)
                    if have > file.size_bytes:
                        break
        return have >= file.size_bytes

    def _install(self, model: Model, staging: Path, place: Path) -> None:
        """Put the checked files in place, the .onnx after its config: a voice is present when its last file is."""
        place.parent.mkdir(parents=True, exist_ok=True)
        for file in model.files:
            if file.is_archive:
                unpack(staging / file.name, model.kind, place, self._progress)
                _discard(staging / file.name)
        for file in sorted(model.files, key=lambda file: file.name == place.name):
            if not file.is_archive:
                os.replace(staging / file.name, place.parent / file.name)
        if not is_present(model.kind, place):
            raise DownloadFailed(f"{model.name}: what was fetched holds no {model.kind}: not usable")

    def _check_room(self, model: Model) -> None:
        unpacked = sum(file.size_bytes for file in model.files if file.is_archive)
        needed = model.size_bytes + unpacked * 3 // 2
        if shutil.disk_usage(self.directory).free < needed:
            raise DownloadFailed(no_room(self.directory, needed))

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[Path]:
        """The model's staging directory, held by one process at a time; what is unfinished stays for the next run."""
        staging = self.directory / ".pulling" / name
        staging.mkdir(parents=True, exist_ok=True)
        with (staging / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise BadInput(f"{name} is being pulled by another process: wait for it") from exc
            yield staging
            shutil.rmtree(staging, ignore_errors=True)

    @contextlib.contextmanager
    def _translated_disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DownloadFailed(
                    f"the disk at {self.directory} is full; what was fetched is kept: make room, run the command again"
                ) from exc
            if exc.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise DownloadFailed(
                    f"{exc.filename or self.directory} can't be written ({exc.strerror}): "
                    "name another place with speech.models_dir or --models-dir"
                ) from exc
            raise

    def _record_path(self, name: str) -> Path:
        return self.directory / ".pulled" / f"{name}.json"

    def _record(self, model: Model, place: Path, downloads: dict[str, str]) -> None:
        """Digests of every installed file, for verify."""
        folder = place.parent
        paths = (
            [path for path in sorted(place.rglob("*")) if path.is_file()]
            if place.is_dir()
            else [folder / file.name for file in model.files]
        )
        record = {
            "model": model.name,
            "downloads": downloads,
            "files": {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths},
        }
        target = self._record_path(model.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".new")
        temporary.write_text(json.dumps(record, indent=1), "utf-8")
        os.replace(temporary, target)

    def _read_record(self, name: str) -> dict[str, str]:
        try:
            record = json.loads(self._record_path(name).read_text("utf-8"))
            return {str(path): str(digest) for path, digest in record["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def sha256_of(path: Path, progress: Callable[[int], None] = lambda done: None) -> str:
    """SHA-256 of a file, read in blocks."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            done += len(block)
            progress(done)
    return digest.hexdigest()


def _starts_at(content_range: str, offset: int) -> bool:
    return content_range.replace("bytes ", "").split("-", 1)[0].strip() == str(offset)


def _discard(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
