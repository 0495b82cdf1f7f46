"""A busy port, and who has it: said before the lab starts, not as a failure of something else later."""

import contextlib
import os
import socket
from pathlib import Path

from ari_app.errors import LabError
from ari_app.lab.places import LOOPBACK

_LISTENING = "0A"


def require_free(what: str, *, protocol: str, port: int) -> None:
    """Raise LabError naming the port and its owner, if anything is bound to 127.0.0.1:`port`."""
    if is_free(protocol, port):
        return
    owner = owner_of(protocol, port)
    raise LabError(
        f"port {port}/{protocol} ({what}) is taken{f' by {owner}' if owner else ''}: "
        "stop it, or run the lab elsewhere with ARI_APP_LAB_PORT_OFFSET=10000"
    )


def is_free(protocol: str, port: int) -> bool:
    """Whether 127.0.0.1:`port` can be bound."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if protocol == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def owner_of(protocol: str, port: int) -> str | None:
    """ "asterisk, pid 1234", as far as /proc shows it to this user."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(protocol, port)}
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and inodes & _sockets(process):
            return f"{_name(process)}, pid {process.name}"
    return None


def _inodes(protocol: str, port: int) -> set[str]:
    found = set()
    for table in (protocol, f"{protocol}6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            is_bound = protocol == "udp" or fields[3] == _LISTENING
            if is_bound and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _sockets(process: Path) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed since it was listed
                found.add(os.readlink(entry))
    return found


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a process"
