"""The sentinel's status: one JSON line for whoever connects and asks."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ari_app.call.heartbeat_protocol import LONGEST_LINE, StatusAsked, encode
from ari_app.errors import BadInput
from ari_app.sentinel.ledger import Ledger, Worker


def status_line(ledger: Ledger, *, is_ami_up: bool, redirects: int, now: float) -> bytes:
    """`state` of a worker: watched, silent (its channels were taken) or lost (it may still come back)."""
    status = {
        "t": "status",
        "ami": is_ami_up,
        "redirects": redirects,
        "owed": len(ledger.owed),
        "with_human": len(ledger.kept) // 2,
        "workers": [
            {
                "name": worker.name,
                "pid": worker.pid,
                "state": _state(worker),
                "beat_age_s": round(now - worker.beat_at, 3),
                "channels": Counter(each.state.value for each in worker.channels.values()),
            }
            for worker in ledger.workers
        ],
    }
    return json.dumps(status, separators=(",", ":")).encode() + b"\n"


async def ask_status(path: Path, *, timeout_s: float = 2.0) -> Mapping[str, object]:
    """What the sentinel at `path` says of itself; raises BadInput where none answers."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
            try:
                writer.write(encode(StatusAsked()))
                status = json.loads(await reader.readline())
            finally:
                writer.close()
    except (OSError, ValueError) as exc:
        raise BadInput(
            f"no sentinel answers at {path} ({exc or type(exc).__name__}): start `ari-app sentinel`"
        ) from exc
    if not isinstance(status, dict):
        raise BadInput(f"what answers at {path} is no sentinel")
    return status


def _state(worker: Worker) -> str:
    if worker.is_silent:
        return "silent"
    return "watched" if worker.link is not None else "lost"
