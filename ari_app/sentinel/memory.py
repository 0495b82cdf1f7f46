"""The ledger on disk, so that a worker that dies while the sentinel restarts is not forgotten."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ari_app.call.heartbeat_protocol import HeldChannel, ProtocolError, held_channel
from ari_app.logs import get_logger
from ari_app.sentinel.ledger import Death, Ledger, Owed, Worker

log = get_logger()

VERSION = 1


def save(ledger: Ledger, path: Path) -> None:
    """Replace the file in one step; raises OSError."""
    data = {
        "version": VERSION,
        "workers": [
            {
                "name": worker.name,
                "run": worker.run,
                "pid": worker.pid,
                "channels": [asdict(each) for each in worker.channels.values()],
            }
            for worker in ledger.workers
        ],
        "owed": [
            {"worker": owed.worker, "why": owed.why, "channel": asdict(owed.channel)}
            for owed in (*ledger.owed.values(), *ledger.lent)
        ],
        "chores": list(ledger.chores),
        "kept": ledger.kept,
        "taken": ledger.taken,
    }
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        draft.write_text(json.dumps(data), "utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def restore(ledger: Ledger, path: Path, now: float) -> None:
    """Fill the ledger from the file; an absent or unreadable one is an empty one, said in the log."""
    try:
        data = json.loads(path.read_text("utf-8"))
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ProtocolError("another version's")
        workers = [_worker(item, now) for item in _mappings(data, "workers")]
        owed = [_owed(item, now) for item in _mappings(data, "owed")]
        kept, taken = _texts(data, "kept"), _texts(data, "taken")
        chores = data.get("chores")
        if not isinstance(chores, list):
            raise ProtocolError("chores is no list")
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError) as exc:
        log.warning("sentinel.state_unreadable", path=path, reason=str(exc))
        return
    ledger.restore(workers, now)
    ledger.owed.update({each.channel.id: each for each in owed})
    ledger.chores.update({str(each): now for each in chores})
    ledger.kept.update(kept)
    ledger.taken.update(taken)
    log.info("sentinel.state_restored", workers=[each.name for each in workers], owed=len(owed), kept=len(kept) // 2)


def _worker(item: Mapping[str, object], now: float) -> Worker:
    worker = Worker(_text(item, "name"), _text(item, "run"), int(str(item.get("pid"))), None, now)
    for fields in _mappings(item, "channels"):
        channel = held_channel(fields)
        worker.channels[channel.id] = channel
    return worker


def _owed(item: Mapping[str, object], now: float) -> Owed:
    fields = item.get("channel")
    if not isinstance(fields, dict):
        raise ProtocolError("owed without channel")
    channel: HeldChannel = held_channel(fields)
    return Owed(channel, _text(item, "worker"), Death(_text(item, "why")), now, is_restored=True)


def _mappings(data: Mapping[str, object], key: str) -> list[dict[str, object]]:
    items = data.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ProtocolError(f"{key} is no list of objects")
    return items


def _texts(data: Mapping[str, object], key: str) -> dict[str, str]:
    items = data.get(key)
    if not isinstance(items, dict):
        raise ProtocolError(f"{key} is no object")
    return {str(name): str(value) for name, value in items.items()}


def _text(item: Mapping[str, object], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise ProtocolError(f"{key} is no text")
    return value
