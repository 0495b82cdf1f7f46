"""Figures from what the bench's callers measured; pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ari_app.lab.bench.turn_caller import Measured, MeasuredTurn, Prompt, SpokenOver
from ari_app.lab.bench.turn_log import STEPS

HOLE_S = 0.1
"""A murmur that makes a longer hole than this in what the agent says has stopped it."""
CLIPPED_S = 0.08
"""A prompt that sounded shorter than it is by more than this was clipped; longer: torn."""
TORN_S = 0.12

Figures = dict[str, float | None]
LengthOf = Callable[[Sequence[str]], float]


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of all don't exceed; None without values."""
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3) if ordered else None


def gaps(turns: Sequence[MeasuredTurn], kind: str) -> list[float]:
    return [turn.gap_s for turn in turns if turn.kind == kind]


def turn_figures(measured: Measured, lengths_s: LengthOf) -> Figures:
    """Gaps by kind, interruptions, prompts."""
    figures: Figures = {}
    for kind in ("closed", "open"):
        found = gaps(measured.turns, kind)
        figures |= {f"{kind}_p{round(share * 100)}_s": quantile(found, share) for share in (0.5, 0.95, 0.99)}
        figures[f"{kind}_turns"] = len(found)
    differences = [prompt.sounded_s - lengths_s(prompt.texts) for prompt in measured.prompts]
    return figures | {
        "yield_p50_s": quantile(measured.yields_s, 0.5),
        "yield_p95_s": quantile(measured.yields_s, 0.95),
        "barge_in_p50_s": quantile(measured.barge_ins_s, 0.5),
        "barge_in_p95_s": quantile(measured.barge_ins_s, 0.95),
        "barge_ins": len(measured.barge_ins_s),
        "barge_ins_ignored": measured.cut_ins_ignored,
        "false_stops": sum(is_stopped(each, lengths_s) for each in measured.spoken_over),
        "backchannels": len(measured.spoken_over),
        "prompts": len(differences),
        "prompts_clipped": sum(difference < -CLIPPED_S for difference in differences),
        "prompts_torn": sum(difference > TORN_S for difference in differences),
        "unanswered": measured.unanswered,
        "untold": measured.untold,
        "calls_made": measured.calls,
        "calls_completed": measured.completed,
        "calls_failed": len(measured.failed),
    }


def is_stopped(over: SpokenOver, lengths_s: LengthOf) -> bool:
    """Whether the agent gave its turn away for a murmur, or fell silent for it so that it can be heard."""
    return over.prompt is None or hole_s(over.prompt, lengths_s) > HOLE_S


def hole_s(prompt: Prompt, lengths_s: LengthOf) -> float:
    """By how much it sounded longer than it is."""
    return prompt.sounded_s - lengths_s(prompt.texts)


def stopped_by(measured: Measured, lengths_s: LengthOf) -> dict[str, str]:
    """By the murmur: how many of how many stopped the agent, and what each did: s of silence, or the turn taken."""
    found = {}
    for name in sorted({each.murmur for each in measured.spoken_over}):
        of_name = [each for each in measured.spoken_over if each.murmur == name]
        holes = ["taken" if each.prompt is None else f"{hole_s(each.prompt, lengths_s):.2f}" for each in of_name]
        found[name] = f"{sum(is_stopped(each, lengths_s) for each in of_name)} of {len(of_name)} ({' '.join(holes)})"
    return found


def breakdown(turns: Sequence[MeasuredTurn]) -> dict[str, dict[str, float]]:
    """By kind: the mean seconds of each step, in the order in which they pass; they add up to the mean gap."""
    return {
        kind: {
            step: round(fmean(getattr(turn.breakdown, step) for turn in turns if turn.kind == kind), 3)
            for step in STEPS
        }
        for kind in ("closed", "open")
        if gaps(turns, kind)
    }


def by_question(turns: Sequence[MeasuredTurn]) -> dict[str, dict[str, float | None]]:
    """Gap by the question answered, for finding what is slow."""
    questions = sorted({turn.question for turn in turns})
    return {
        question: {
            "turns": sum(turn.question == question for turn in turns),
            "p50_s": quantile([turn.gap_s for turn in turns if turn.question == question], 0.5),
            "p95_s": quantile([turn.gap_s for turn in turns if turn.question == question], 0.95),
        }
        for question in questions
    }


def ratios(ours: Mapping[str, float | None], plain: Mapping[str, float | None]) -> Figures:
    """How many times longer the plain way takes."""
    found: Figures = {}
    for name in ("closed_p50_s", "closed_p95_s", "open_p50_s", "open_p95_s"):
        mine, theirs = ours.get(name), plain.get(name)
        found[name.removesuffix("_s")] = round(theirs / mine, 2) if mine and theirs else None
    return found


@dataclass(frozen=True, slots=True)
class CapacityPoint:
    """A number of calls at once, and how they fared."""

    calls: int
    closed_p50_s: float | None
    closed_p95_s: float | None
    frames_dropped: int
    prompts_clipped: int
    failed: int

    @property
    def holds(self) -> bool:
        return not self.why

    @property
    def why(self) -> str:
        """What did not hold; empty where all did."""
        lost = {"frames lost": self.frames_dropped, "prompts clipped": self.prompts_clipped, "failed": self.failed}
        found = [f"{count} {what}" for what, count in lost.items() if count]
        if self.closed_p95_s is None or self.closed_p95_s > 1.0:
            found.append("too slow")
        return ", ".join(found)


def capacity(points: Sequence[CapacityPoint]) -> int:
    """The largest number of calls that held, with all smaller ones that were tried; 0: none did."""
    held = 0
    for point in sorted(points, key=lambda point: point.calls):
        if not point.holds:
            break
        held = point.calls
    return held
