"""The worker's event log of one call, as the bench reads it: questions, decisions, and where a turn's time went."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line; `at_s` is the machine's wall clock, in seconds."""

    at_s: float
    kind: str
    text: str
    data: dict[str, str]

    def number(self, name: str) -> float:
        """A figure of the event; 0 where it has none."""
        return float(self.data.get(name) or 0.0)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Seconds of one turn's gap, in the order in which they pass."""

    way_in_s: float
    """From the caller's last sample until the worker's VAD has seen the end: network, bridge, VAD."""
    silence_s: float
    """Silence that was waited for."""
    flush_s: float
    """Until the recogniser had its final word."""
    deciding_s: float
    """Understanding, policy, wording."""
    calendar_s: float
    first_audio_s: float
    """From the words to their first audio on its way."""
    way_out_s: float
    """Media queue, bridge, network, until it is heard at the caller's ear."""


STEPS = tuple(Breakdown.__dataclass_fields__)


@dataclass(slots=True)
class CallLog:
    """Follows one call's file."""

    path: Path
    events: list[LogEvent] = field(default_factory=list)
    _offset: int = 0

    def refresh(self) -> None:
        """Read what was added; a line that isn't whole yet is left for the next time."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                added = file.read()
        except OSError:
            return
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        self.events += [_event(line) for line in whole.splitlines()]

    @property
    def question(self) -> str:
        """The id of the sentence that was said last."""
        return next((each.data.get("text_id", "") for each in reversed(self.events) if each.kind == "agent"), "")

    @property
    def is_over(self) -> bool:
        return any(each.kind == "state" and each.text == "DISCONNECTED" for each in self.events)

    def between(self, kind: str, since_s: float, until_s: float) -> list[LogEvent]:
        return [each for each in self.events if each.kind == kind and since_s <= each.at_s <= until_s]

    def breakdown(self, spoke_until_s: float, heard_at_s: float) -> tuple[str, Breakdown] | None:
        """The kind of the turn and where its time went; None where the log shows no single turn in between."""
        callers = self.between("caller", spoke_until_s - 1.0, heard_at_s)
        gaps = self.between("gap", spoke_until_s - 1.0, heard_at_s)
        if len(callers) != 1 or len(gaps) != 1:
            return None
        caller, gap = callers[0], gaps[0]
        results = self.between("result", caller.at_s, gap.at_s)
        worked_until_s = results[-1].at_s if results else caller.at_s
        spoken = [each.at_s for each in self.between("agent", worked_until_s, gap.at_s)]
        worded_s = spoken[0] if spoken else gap.at_s
        ended_s = caller.at_s - caller.number("decide_s") - caller.number("flush_s")
        silence_s = caller.number("wait_s")
        return gap.text, Breakdown(
            way_in_s=ended_s - silence_s - spoke_until_s,
            silence_s=silence_s,
            flush_s=caller.number("flush_s"),
            deciding_s=caller.number("decide_s") + worded_s - worked_until_s,
            calendar_s=worked_until_s - caller.at_s,
            first_audio_s=gap.at_s - worded_s,
            way_out_s=heard_at_s - gap.at_s,
        )


def _event(line: bytes) -> LogEvent:
    fields: dict[str, object] = json.loads(line)
    data = {name: str(value) for name, value in fields.items() if name not in {"at", "at_s", "kind", "text"}}
    at = datetime.fromisoformat(str(fields["at"])).timestamp()
    return LogEvent(at, str(fields["kind"]), str(fields["text"]), data)
