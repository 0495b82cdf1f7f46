"""`ari-app bench turns`: concurrent scripted calls through both Asterisks, measured at the callers' ears."""

import asyncio
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

import click
import numpy as np

from ari_app.audio.frames import FRAME_BYTES, RATE_HZ
from ari_app.config import load_settings
from ari_app.lab.bench.servers import machine
from ari_app.lab.bench.turn_figures import (
    CapacityPoint,
    Figures,
    breakdown,
    by_question,
    capacity,
    ratios,
    stopped_by,
    turn_figures,
)
from ari_app.lab.bench.turn_run import Plan, Report, Run, health, run
from ari_app.lab.bench.turn_script import rehearse
from ari_app.lab.places import port_offset
from ari_app.lab.runtime import Lab
from ari_app.lab.timeline import SOUND_DBFS
from ari_app.speech.clauses import SENTENCE_PAUSE_S, Clause, split
from ari_app.speech.factory import build_synthesiser
from ari_app.speech.piper_synthesiser import PiperSynthesiser

LADDER = (4, 8, 12, 16, 20, 24, 28, 32)
LADDER_SECONDS = 45.0
OURS = ("worker-1", "pbx", "calendar", "sentinel")
"""Processes of the answering side; the rest plays the callers."""
OF_CLAUSES = frozenset({"prompts", "prompts_clipped", "prompts_torn", "false_stops", "backchannels"})
"""Measured by how long a prompt is when it is made clause by clause, which the plain way doesn't do."""


@dataclass(slots=True)
class Result:
    """All runs of one bench."""

    main: Run
    figures: Figures
    stopped_by: dict[str, str]
    baseline: Run | None = None
    baseline_figures: Figures = field(default_factory=dict)
    ladder: list[CapacityPoint] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        """Turns of both kinds were measured, and nothing was lost on the way."""
        lost = self.main.frames_dropped or self.figures["prompts_clipped"] or self.figures["calls_failed"]
        return bool(self.figures["closed_turns"] and self.figures["open_turns"]) and not lost


@click.command(name="turns")
@click.option("--calls", default=1, show_default=True, type=click.IntRange(1, 64), help="Calls at once.")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(10, 600), help="How long.")
@click.option("--codec", type=click.Choice(["ulaw", "alaw", "g722", "opus"]), default="ulaw", show_default=True)
@click.option("--loss", default=0.0, show_default=True, type=click.FloatRange(0, 50), help="Percent of packets lost.")
@click.option("--barge-in", type=click.Choice(["yield", "stop"]), default="yield", show_default=True, help="Setting.")
@click.option("--baseline", is_flag=True, help="Run the plain way beside it: fixed silence, no cache; gives ratios.")
@click.option("--find-capacity", is_flag=True, help="Raise the calls until closed p95 passes 1 s or anything is lost.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw distribution and capacity curve.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(
    calls: int,
    seconds: float,
    codec: str,
    loss: float,
    barge_in: str,
    baseline: bool,
    find_capacity: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Measure each turn from the caller's last sample to the agent's first, both at the caller's phone.

    Example: ari-app bench turns --calls 4 --codec ulaw --json --plot turns.png
    """
    result = asyncio.run(
        _bench(Plan(calls, seconds, codec, loss / 100, barge_in=barge_in), baseline, find_capacity, _say)
    )
    if plot is not None:
        from ari_app.lab.bench.turn_plot import draw

        draw(plot, result.main, result.baseline, result.ladder)
    if as_json:
        click.echo(json.dumps(_as_json(result)))
    else:
        _show(result)
    sys.exit(0 if result.is_ok else 1)


async def _bench(plan: Plan, with_baseline: bool, with_capacity: bool, report: Report) -> Result:
    folder = Path(tempfile.mkdtemp(prefix="ari-app-turns-"))
    numbers = itertools.count()
    try:
        async with Lab.running(offset=port_offset() or None, worker=False, report=report) as lab:
            await lab.start_sentinel()
            await rehearse()
            lengths = _Lengths(lab)
            try:
                main = await run(lab, plan, folder / "main", numbers, report)
                result = Result(main, _figures(main, lengths), stopped_by(main.measured, lengths.of))
                if with_baseline:
                    plain = replace(plan, is_baseline=True)
                    result.baseline = await run(lab, plain, folder / "baseline", numbers, report)
                    found = _figures(result.baseline, lengths)
                    result.baseline_figures = {name: found[name] for name in found if name not in OF_CLAUSES}
                if with_capacity:
                    result.ladder = await _ladder(lab, plan, folder, numbers, lengths, report)
                    result.figures["capacity_calls"] = capacity(result.ladder)
            finally:
                lengths.close()
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return result


async def _ladder(
    lab: Lab, plan: Plan, folder: Path, numbers: "itertools.count[int]", lengths: "_Lengths", report: Report
) -> list[CapacityPoint]:
    """More and more calls, until a step doesn't hold."""
    points: list[CapacityPoint] = []
    for calls in LADDER:
        step = await run(
            lab, replace(plan, calls=calls, seconds=LADDER_SECONDS), folder / f"ladder-{calls}", numbers, report
        )
        figures = _figures(step, lengths)
        points.append(
            CapacityPoint(
                calls,
                figures["closed_p50_s"],
                figures["closed_p95_s"],
                step.frames_dropped,
                int(figures["prompts_clipped"] or 0),
                len(step.measured.failed) + step.measured.unanswered,
            )
        )
        report(f"  {points[-1]}")
        if not points[-1].holds:
            break
    return points


class _Lengths:
    """How long a prompt sounds when nothing is lost of it, from the same voice and phrase cache."""

    def __init__(self, lab: Lab) -> None:
        synthesiser = build_synthesiser(load_settings(lab.settings_path, lab.environment()))
        self._synthesiser: PiperSynthesiser = synthesiser
        self._clause = cache(self._render)

    def of(self, texts: Sequence[str]) -> float:
        """Seconds from the first loud sample to the end of the last loud frame."""
        clauses = [replace(clause, pause_s=_pause_s(text, clause)) for text in texts for clause in split(text)]
        audio = b"".join(self._clause(clause.text, clause.pause_s) for clause in clauses)
        samples = np.abs(np.frombuffer(audio, "<i2").astype(np.int32))
        loud = np.flatnonzero(samples > 32768 * 10 ** (SOUND_DBFS / 20))
        if not len(loud):
            return 0.0
        frame = FRAME_BYTES // 2
        return float((loud[-1] // frame + 1) * frame - loud[0]) / RATE_HZ

    def close(self) -> None:
        self._synthesiser.close()

    def _render(self, text: str, pause_s: float) -> bytes:
        return self._synthesiser.clause_audio(text) + bytes(2 * int(pause_s * RATE_HZ))


def _pause_s(text: str, clause: Clause) -> float:
    """Between two texts there is as much as between two sentences."""
    return SENTENCE_PAUSE_S if text.rstrip().endswith(clause.text) else clause.pause_s


def _figures(done: Run, lengths: _Lengths) -> Figures:
    figures = turn_figures(done.measured, lengths.of)
    minutes = max(done.call_minutes, 1e-9)
    ours_s = sum(done.used[name].cpu_s for name in OURS if name in done.used)
    return figures | {
        "frames_dropped": done.frames_dropped,
        "capacity_calls": None,
        "cpu_s_per_call_min": round(ours_s / minutes, 2),
        "call_minutes": round(done.call_minutes, 2),
    }


def _as_json(result: Result) -> dict[str, object]:
    main = result.main
    figures: dict[str, object] = {
        **result.figures,
        "breakdown_s": breakdown(main.measured.turns),
        "by_question": by_question(main.measured.turns),
        "cpu_s_per_call_min_by_process": {
            name: round(used.cpu_s / max(main.call_minutes, 1e-9), 2) for name, used in main.used.items()
        },
        "memory_mb_by_process": {name: round(used.resident_bytes / 1e6) for name, used in main.used.items()},
        "worker": health(main),
        "stopped_by": result.stopped_by,
        "failed": main.measured.failed[:10],
    }
    if result.baseline is not None:
        figures["baseline"] = result.baseline_figures
        figures["baseline_breakdown_s"] = breakdown(result.baseline.measured.turns)
        figures["baseline_ratio"] = ratios(result.figures, result.baseline_figures)
    if result.ladder:
        figures["capacity_curve"] = [
            {
                "calls": point.calls,
                "closed_p50_s": point.closed_p50_s,
                "closed_p95_s": point.closed_p95_s,
                "why_not": point.why,
            }
            for point in result.ladder
        ]
    plan = asdict(main.plan)
    return {"bench": "turns", "ok": result.is_ok, "figures": figures, "plan": plan, "machine": machine()}


def _show(result: Result) -> None:
    figures = _as_json(result)["figures"]
    assert isinstance(figures, dict)
    for name, value in figures.items():
        click.echo(f"{name:32} {value}")


def _say(line: str) -> None:
    click.echo(line, err=True)
