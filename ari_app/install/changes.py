"""What an installation changes, shown before it is done, and taken back from its record.

Two kinds of change: a file of our own, and a block of lines added at the end of a file that was there. The record in
`etc/ari_app/installed.json` holds what is needed to take each back; what an admin has changed since is left alone.
"""

import difflib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ari_app.errors import BadInput

RECORD = "etc/ari_app/installed.json"
BEGIN = "; >>> ari_app: `ari-app install --uninstall` takes this away"
END = "; <<< ari_app"


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file that belongs to ari_app."""

    path: str
    """Below the prefix, without a leading slash."""
    text: str
    mode: int = 0o644
    owner_like: str = ""
    """A file whose owner and group this one gets; empty: whoever installs."""
    is_kept: bool = False
    """True: the admin's from the moment it is there; a later version doesn't replace it."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines at the end of a file of the PBX."""

    path: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join((BEGIN, *self.lines, END)) + "\n"


Wanted = OwnFile | Block


@dataclass(frozen=True, slots=True)
class Entry:
    """One change that was made: how it is taken back."""

    path: str
    was_there: bool
    """Whether the file was there before the first installation."""
    sha256: str = ""
    """An own file as it was written."""
    added: str = ""
    """A block with the line break that had to go before it."""
    folders: tuple[str, ...] = ()
    """Folders that were made for it, outermost first."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file before and after; None: it isn't there."""

    path: str
    before: str | None
    after: str | None
    mode: int | None = None
    owner_like: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes, the record after them, and what the admin should know."""

    changes: tuple[Change, ...]
    record: dict[str, Entry]
    notes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def diff(self) -> str:
        """The changes as a unified diff, passwords masked."""
        text = "".join(part for change in self.changes for part in _diff(change))
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "********")
        return text


def plan_install(prefix: Path, wanted: Iterable[Wanted], *, secrets: Iterable[str] = ()) -> Plan:
    """What has to change so that all of `wanted` is there."""
    record = read_record(prefix)
    changes: list[Change] = []
    notes: list[str] = []
    for each in wanted:
        known = record.get(each.path)
        before = _read(prefix, each.path)
        if isinstance(each, Block):
            after, record[each.path] = _with_block(prefix, each, before, known)
        elif before is not None and each.is_kept:
            if known is None:
                notes.append(f"{each.path} is there already: kept as it is")
            continue
        elif before is not None and before != each.text and (known is None or known.sha256 != _digest(before)):
            notes.append(f"{each.path} has been changed by hand: kept as it is")
            continue
        else:
            after = each.text
            if known is None:
                known = Entry(each.path, before is not None, folders=_missing_folders(prefix, each.path))
            record[each.path] = Entry(each.path, known.was_there, sha256=_digest(after), folders=known.folders)
        if after != before:
            is_own = isinstance(each, OwnFile)
            changes.append(
                Change(each.path, before, after, each.mode, each.owner_like)
                if is_own and isinstance(each, OwnFile)
                else Change(each.path, before, after)
            )
    return Plan(tuple(changes), record, tuple(notes), tuple(secrets))


def plan_uninstall(prefix: Path) -> Plan:
    """What has to change so that nothing of an installation is left but what has been changed by hand since."""
    record = read_record(prefix)
    if not record:
        raise BadInput(f"{prefix / RECORD} isn't there: nothing was installed with this prefix")
    changes: list[Change] = []
    notes: list[str] = []
    left: dict[str, Entry] = {}
    for entry in record.values():
        before = _read(prefix, entry.path)
        if before is None:
            continue
        if entry.added:
            if entry.added not in before:
                notes.append(f"{entry.path}: the lines of ari_app were changed by hand; take them out yourself")
                continue
            rest = before.replace(entry.added, "", 1)
            changes.append(Change(entry.path, before, rest if rest or entry.was_there else None))
        elif entry.was_there or _digest(before) != entry.sha256:
            notes.append(f"{entry.path} has been changed by hand: left where it is")
        else:
            changes.append(Change(entry.path, before, None))
    return Plan(tuple(changes), left, tuple(notes))


def apply_plan(prefix: Path, plan: Plan) -> None:
    """Do it. The record is written first, so that an interrupted run can be repeated or taken back."""
    before = read_record(prefix)
    if plan.record:
        _write_record(prefix, plan.record)
    for change in plan.changes:
        path = _inside(prefix, change.path)
        if change.after is None:
            path.unlink()
        else:
            owner = _inside(prefix, change.owner_like) if change.owner_like else None
            write_whole(path, change.after, mode=change.mode, owner_like=owner)
    if not plan.record:
        _inside(prefix, RECORD).unlink(missing_ok=True)
        _remove_empty(prefix, before.values())


def write_whole(path: Path, text: str, *, mode: int | None = None, owner_like: Path | None = None) -> None:
    """Replace a file at once. One that was there keeps its mode and owner; a new one is never wider than `mode`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    like = _stat(path) or (_stat(owner_like) if owner_like else None)
    existing = _stat(path)
    bits = stat.S_IMODE(existing.st_mode) if existing else (0o644 if mode is None else mode)
    part = path.with_name(f".{path.name}.ari_app")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
        if like is not None and os.geteuid() == 0:
            os.fchown(file.fileno(), like.st_uid, like.st_gid)
        os.fchmod(file.fileno(), bits)
    part.replace(path)


def read_record(prefix: Path) -> dict[str, Entry]:
    """What is installed; raises BadInput for a record that can't be read."""
    path = prefix / RECORD
    try:
        entries = json.loads(path.read_text("utf-8"))["changes"]
        return {each["path"]: Entry(**each | {"folders": tuple(each["folders"])}) for each in entries}
    except FileNotFoundError:
        return {}
    except PermissionError as exc:
        raise BadInput(f"{path} can't be read: run it as root") from exc
    except (ValueError, TypeError, KeyError) as exc:
        raise BadInput(
            f"{path} can't be read ({exc}): put it back from a backup, or take the changes out by hand"
        ) from exc


def _write_record(prefix: Path, record: Mapping[str, Entry]) -> None:
    text = json.dumps({"version": 1, "changes": [asdict(entry) for entry in record.values()]}, indent=1) + "\n"
    write_whole(_inside(prefix, RECORD), text, mode=0o644)


def _with_block(prefix: Path, wanted: Block, before: str | None, known: Entry | None) -> tuple[str, Entry]:
    """The file with its block, which replaces an earlier one in its place."""
    text = before or ""
    if known is not None and known.added in text:
        lead = known.added[: len(known.added) - len(known.added.lstrip("\n"))]
        added = lead + wanted.text
        return text.replace(known.added, added, 1), Entry(wanted.path, known.was_there, added=added)
    lead = "" if not text or text.endswith("\n") else "\n"
    was_there = known.was_there if known is not None else before is not None
    return text + lead + wanted.text, Entry(wanted.path, was_there, added=lead + wanted.text)


def _diff(change: Change) -> Iterable[str]:
    old = (change.before or "").splitlines(keepends=True)
    new = (change.after or "").splitlines(keepends=True)
    names = (
        "/dev/null" if change.before is None else change.path,
        "/dev/null" if change.after is None else change.path,
    )
    for line in difflib.unified_diff(old, new, *names, n=1):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _read(prefix: Path, name: str) -> str | None:
    try:
        with _inside(prefix, name).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except PermissionError as exc:
        raise BadInput(f"{prefix / name} can't be read: run it as root") from exc


def _inside(prefix: Path, name: str) -> Path:
    """Where `name` really is; a symbolic link that leads out of the prefix is refused."""
    path = (prefix / name).resolve()
    if not path.is_relative_to(prefix.resolve()):
        raise BadInput(f"{prefix / name} leads out of {prefix}: install with the prefix it leads to")
    return path


def _missing_folders(prefix: Path, name: str) -> tuple[str, ...]:
    """Folders that will have to be made for this file."""
    parents = [parent for parent in reversed(Path(name).parents) if str(parent) != "."]
    return tuple(str(parent) for parent in parents if not (prefix / parent).exists())


def _remove_empty(prefix: Path, entries: Iterable[Entry]) -> None:
    folders = {folder for entry in entries for folder in entry.folders} | {str(Path(RECORD).parent)}
    for folder in sorted(folders, key=len, reverse=True):
        path = prefix / folder
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
