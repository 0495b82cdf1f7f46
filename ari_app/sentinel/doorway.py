"""The sentinel's Unix socket."""

import asyncio
import os
import stat
from asyncio import Server
from collections.abc import Awaitable, Callable
from pathlib import Path

from ari_app.call.heartbeat_protocol import LONGEST_LINE
from ari_app.errors import BadInput

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def listen(path: Path, serve: Serve) -> Server:
    """The socket, for the owner and its group; raises BadInput with what to do."""
    try:
        is_there = _prepare(path)
    except OSError as exc:
        raise _unusable(path, exc) from exc
    if is_there and await _somebody_listens(path):
        raise BadInput(f"another sentinel listens at {path}: stop it first, or set sentinel.socket")
    mask = os.umask(0o117)
    try:
        return await asyncio.start_unix_server(serve, path, limit=LONGEST_LINE)
    except OSError as exc:
        raise _unusable(path, exc) from exc
    finally:
        os.umask(mask)


def _prepare(path: Path) -> bool:
    """Whether a socket stands there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return False
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise BadInput(f"{path} exists and is no socket: set sentinel.socket to another path")
    return True


async def _somebody_listens(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


def _unusable(path: Path, exc: OSError) -> BadInput:
    return BadInput(f"{path} can't be made ({exc.strerror or exc}): set sentinel.socket to a path in a folder of yours")
