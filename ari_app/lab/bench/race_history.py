"""What each party of a race did and was told, one JSON line each, written at once: a kill loses nothing.

Times are wall-clock seconds of the one machine that all run on.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Line:
    """One fact."""

    at: float
    who: str
    what: str
    fields: dict[str, str]

    def time_of(self, field: str) -> float:
        return float(self.fields[field])


class History:
    """Appends facts to a file of its own."""

    def __init__(self, folder: Path, who: str) -> None:
        self._who = who
        self._file = os.open(folder / f"{who}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tell(self, what: str, **fields: object) -> None:
        """Write one fact down; it is in the kernel when this returns."""
        line = {"at": time.time(), "who": self._who, "what": what, "fields": {k: str(v) for k, v in fields.items()}}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_histories(folder: Path) -> list[Line]:
    """Every fact of every party, by time."""
    return sorted(_lines(folder), key=lambda line: line.at)


def _lines(folder: Path) -> Iterator[Line]:
    for path in folder.glob("*.jsonl"):
        for text in path.read_text("utf-8").splitlines():
            yield Line(**json.loads(text))
