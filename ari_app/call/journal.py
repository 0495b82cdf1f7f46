"""The turn journal's words: what a conversation knows, as JSON and back, exactly.

Every value says what it is, so that nothing is guessed when it is read: {"$": "Opening", ...} is a dataclass, "$enum",
"$at" (with the zone's name), "$day", "$time" and "$set" are the rest; a list is a tuple. Fields that have their default
are left out, unknown ones are passed over, so that a worker of the version before or after can take a call up.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from ari_app.booking import model
from ari_app.dialogue import acts, state
from ari_app.understanding import meaning

Json = Mapping[str, object]
E = TypeVar("E")

_MODULES = (model, acts, state, meaning)
_TYPES: dict[str, type] = {
    name: kind
    for module in _MODULES
    for name, kind in vars(module).items()
    if isinstance(kind, type) and kind.__module__ == module.__name__
}
_ENUMS = {name: kind for name, kind in _TYPES.items() if issubclass(kind, StrEnum)}
_VALUES = {name: kind for name, kind in _TYPES.items() if is_dataclass(kind)}


class JournalUnreadable(ValueError):
    """An entry that no conversation can be made of."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a conversation stands: what it knows, and what it had just begun to say and do."""

    state: state.State
    system_acts: tuple[acts.SystemAct, ...]
    keys: int = 0
    """Booking keys that were used before these acts; an action that is done again must get the same one."""


def to_json(standing: Standing) -> Json:
    """One entry for the journal."""
    return {
        "state": _encoded(standing.state),
        "acts": [_encoded(act) for act in standing.system_acts],
        "keys": standing.keys,
    }


def from_json(entry: Json) -> Standing:
    """Read an entry; raises JournalUnreadable."""
    try:
        known, done, keys = _decoded(entry.get("state")), _decoded(entry.get("acts")), entry.get("keys")
    except (TypeError, ValueError, KeyError) as exc:
        raise JournalUnreadable(f"{type(exc).__name__}: {exc}") from exc
    if not isinstance(known, state.State) or not isinstance(done, tuple) or not isinstance(keys, int):
        raise JournalUnreadable("no state, no acts or no count of keys")
    if not done or not all(isinstance(act, acts.SystemAct) for act in done):
        raise JournalUnreadable("there is something else among the acts, or nothing")
    return Standing(known, done, keys)


def _encoded(value: object) -> object:
    match value:
        case StrEnum():
            return {"$enum": type(value).__name__, "value": value.value}
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
            local = value.replace(tzinfo=None, fold=0).isoformat() if zone else value.isoformat()
            return {"$at": local, **({"zone": zone, "fold": value.fold} if zone else {})}
        case date():
            return {"$day": value.isoformat()}
        case time():
            return {"$time": value.isoformat()}
        case frozenset():
            return {"$set": sorted((_encoded(item) for item in value), key=repr)}
        case tuple() | list():
            return [_encoded(item) for item in value]
        case _ if type(value).__name__ in _VALUES and is_dataclass(value):
            told = {
                item.name: _encoded(getattr(value, item.name))
                for item in fields(value)
                if getattr(value, item.name) != _default(item) or item.default is MISSING
            }
            return {"$": type(value).__name__, **told}
        case _:
            raise TypeError(f"{type(value).__name__} has no place in the journal")


def _decoded(value: object) -> object:
    if isinstance(value, list):
        return tuple(_decoded(item) for item in value)
    if not isinstance(value, dict):
        return value
    match value:
        case {"$": str(name)}:
            kind = _VALUES[name]
            known = {item.name for item in fields(kind)}
            return kind(**{key: _decoded(item) for key, item in value.items() if key in known})
        case {"$enum": str(name), "value": str(text)}:
            return _ENUMS[name](text)
        case {"$at": str(text), "zone": str(zone), "fold": int(fold)}:
            return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
        case {"$at": str(text)}:
            return datetime.fromisoformat(text)
        case {"$day": str(text)}:
            return date.fromisoformat(text)
        case {"$time": str(text)}:
            return time.fromisoformat(text)
        case {"$set": list(items)}:
            return frozenset(_decoded(item) for item in items)
        case _:
            raise ValueError(f"{sorted(value)} is nothing that the journal knows")


def _default(item: "Field[E]") -> E | object:
    return item.default if item.default_factory is MISSING else item.default_factory()
