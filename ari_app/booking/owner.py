"""Who owns a journalled step: this process, told apart from every other, and whether such a process still lives."""

import os
import socket
from functools import cache
from pathlib import Path


def this_process() -> str:
    """place:pid:start of the running process; its start time tells it from a later one of the same pid."""
    return f"{_place()}:{os.getpid()}:{_started(os.getpid())}"


def is_dead(owner: str) -> bool:
    """Whether that process is known to be gone. Of one elsewhere nothing is known: its lease decides."""
    place, _, pid = owner.rpartition(":")[0].rpartition(":")
    started = owner.rpartition(":")[2]
    if place != _place() or not pid.isdecimal() or not _can_tell():
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """Boot and start time of a process; "" where there is none (or it is a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in {"Z", "X"} else f"{_boot()}-{fields[19]}"


@cache
def _place() -> str:
    """Host and PID namespace: containers on one host see different processes under one number."""
    try:
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        namespace = "0"
    return f"{socket.gethostname()}/{namespace}"


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()[:8]
    except OSError:
        return "boot"


@cache
def _can_tell() -> bool:
    return Path(f"/proc/{os.getpid()}/stat").exists()
