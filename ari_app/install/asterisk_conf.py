"""Asterisk's configuration as Asterisk reads it: includes followed, comments taken out (main/config.c)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SECTION = re.compile(r"\[([^\]]+)\]")
_INCLUDE = re.compile(r"#\s*(?:try)?include\s+[<\"]?([^>\"]+?)[>\"]?\s*$", re.IGNORECASE)
_VARIABLE = re.compile(r"([^=]+?)\s*=>?\s*(.*)")
_BLOCK_COMMENT = re.compile(r";--(?!-).*?--;", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\);.*")
MAX_DEPTH = 10
"""As Asterisk: a file that includes itself ends there."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One line `key = value` under `[section]`."""

    section: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration file with all that it includes."""

    variables: tuple[Variable, ...]
    sections: frozenset[str]
    includes: tuple[str, ...]
    """What the top file includes, as written there."""

    def value(self, section: str, key: str) -> str | None:
        """The last one given counts."""
        found = [each.value for each in self.variables if each.section == section and each.key.lower() == key]
        return found[-1] if found else None

    def is_true(self, section: str, key: str, *, default: bool) -> bool:
        value = self.value(section, key)
        return default if value is None else value.lower() in ("yes", "true", "y", "t", "1", "on")


def read(etc: Path, name: str, *, ignored: frozenset[Path] = frozenset()) -> Configuration:
    """`etc/name`; empty where it is missing. Files and folders in `ignored` count as not there."""
    lines = list(_lines(etc, etc / name, ignored, 0))
    variables: list[Variable] = []
    sections: set[str] = set()
    section = ""
    for line in lines:
        if header := _SECTION.match(line):
            section = header[1]
            sections.add(section)
        elif found := _VARIABLE.fullmatch(line):
            variables.append(Variable(section, found[1].strip(), found[2].strip()))
    top = _plain(etc / name)
    includes = tuple(found[1] for line in top if (found := _INCLUDE.match(line)))
    return Configuration(tuple(variables), frozenset(sections), includes)


def _lines(etc: Path, path: Path, ignored: frozenset[Path], depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH or path in ignored or path.parent in ignored:
        return
    for line in _plain(path):
        if found := _INCLUDE.match(line):
            for each in _included(etc, found[1]):
                yield from _lines(etc, each, ignored, depth + 1)
        else:
            yield line


def _included(etc: Path, pattern: str) -> list[Path]:
    """Files of an include line: relative to the configuration's folder, wildcards allowed."""
    if pattern.startswith("/"):
        return [Path(pattern)]
    return sorted(etc.glob(pattern))


def _plain(path: Path) -> list[str]:
    """Lines without comments and without what surrounds them; none for a file that isn't there."""
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except (FileNotFoundError, IsADirectoryError):
        return []
    text = _BLOCK_COMMENT.sub("", text)
    stripped = (_COMMENT.sub("", line).strip() for line in text.splitlines())
    return [line for line in stripped if line]
