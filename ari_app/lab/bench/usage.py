"""CPU seconds and memory of processes and all their children, from /proc."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process tree has used since it began."""

    cpu_s: float = 0.0
    resident_bytes: int = 0


def usage_of(roots: Mapping[str, int]) -> dict[str, Usage]:
    """Usage by name of each process tree given by its root's pid, without the other trees in it.

    One that has ended counts as nothing.
    """
    table = _table()
    pids = frozenset(roots.values())
    return {name: _tree(pid, table, pids - {pid}) for name, pid in roots.items()}


def machine_cpu_s() -> tuple[float, float]:
    """Seconds that all cores together were busy, and idle, since boot."""
    fields = [int(each) for each in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / _TICKS, idle / _TICKS


@dataclass(frozen=True, slots=True)
class _Entry:
    parent: int
    cpu_s: float
    resident_bytes: int


def _table() -> dict[int, _Entry]:
    found: dict[int, _Entry] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        cpu_s = sum(int(each) for each in fields[11:15]) / _TICKS
        found[int(path.parent.name)] = _Entry(int(fields[1]), cpu_s, int(fields[21]) * _PAGE)
    return found


def _tree(root: int, table: Mapping[int, _Entry], others: frozenset[int]) -> Usage:
    cpu_s, resident = 0.0, 0
    waiting = [root] if root in table else []
    while waiting:
        pid = waiting.pop()
        cpu_s += table[pid].cpu_s
        resident += table[pid].resident_bytes
        waiting += [child for child, entry in table.items() if entry.parent == pid and child not in others]
    return Usage(cpu_s, resident)
