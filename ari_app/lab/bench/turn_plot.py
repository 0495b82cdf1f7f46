"""The bench's picture: how the gaps are distributed, where their time goes, interruptions, how many calls hold."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from ari_app.lab.bench.turn_figures import CapacityPoint, breakdown, gaps
from ari_app.lab.bench.turn_log import STEPS
from ari_app.lab.bench.turn_run import Run

_COLOURS = {"closed": "#1b7f5c", "open": "#2a5fa5"}


def draw(path: Path, main: Run, baseline: Run | None, ladder: Sequence[CapacityPoint]) -> None:
    """Write the picture; its kind follows the file's name."""
    figure, axes = plt.subplots(2, 2, figsize=(12, 8.4))
    _distribution(axes[0][0], main, baseline)
    _steps(axes[0][1], main)
    _interruptions(axes[1][0], main)
    _capacity(axes[1][1], ladder)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _distribution(axis: "plt.Axes", main: Run, baseline: Run | None) -> None:
    for run, style, name in ((main, "-", "ari_app"), (baseline, ":", "plain way")):
        if run is None:
            continue
        for kind, colour in _COLOURS.items():
            found = sorted(gaps(run.measured.turns, kind))
            axis.plot(found, _shares(found), style, color=colour, label=f"{name}, {kind} ({len(found)})")
    axis.axvline(0.2, color="grey", linewidth=0.7)
    axis.annotate("people", (0.2, 0.02), xytext=(3, 0), textcoords="offset points", color="grey", fontsize=8)
    axis.axhline(0.95, color="grey", linewidth=0.4, linestyle=":")
    axis.set(xlabel="gap at the caller's ear, s", ylabel="share of turns", xlim=(0, None), ylim=(0, 1))
    loss = f", {main.plan.loss:.0%} of packets lost" if main.plan.loss else ""
    axis.set_title(f"answers: {main.plan.calls} calls at once, {main.plan.codec}{loss}")
    axis.legend(loc="center", fontsize=8)


def _steps(axis: "plt.Axes", main: Run) -> None:
    for kind, steps in breakdown(main.measured.turns).items():
        left = 0.0
        for index, step in enumerate(STEPS):
            width = max(steps[step], 0.0)
            label = step.removesuffix("_s").replace("_", " ") if kind == "closed" else None
            axis.barh(kind, width, left=left, color=plt.get_cmap("tab10")(index), label=label)
            left += width
    axis.set(xlabel="mean seconds")
    axis.set_title("where an answer's time goes")
    axis.set_xlim(0, axis.get_xlim()[1] * 1.3)  # room for the legend
    axis.legend(fontsize=8, loc="center right")


def _interruptions(axis: "plt.Axes", main: Run) -> None:
    measured = main.measured
    for values, name, colour in (
        (measured.yields_s, "gives way", "#1b7f5c"),
        (measured.barge_ins_s, "silent", "#b5402a"),
    ):
        found = sorted(values)
        axis.plot(found, _shares(found), color=colour, marker=".", label=f"{name} ({len(found)})")
    axis.axvline(0.25, color="grey", linewidth=0.7)
    axis.set(xlabel="s after the caller's first sample, at their ear", ylabel="share of interruptions")
    axis.set(xlim=(0, None), ylim=(0, 1))
    axis.set_title(f"spoken over, turns.barge_in = {main.plan.barge_in}")
    axis.legend(loc="lower right", fontsize=8)


def _capacity(axis: "plt.Axes", ladder: Sequence[CapacityPoint]) -> None:
    if not ladder:
        axis.set_axis_off()
        return
    calls = [point.calls for point in ladder]
    for values, name in (
        ([point.closed_p95_s for point in ladder], "p95"),
        ([point.closed_p50_s for point in ladder], "p50"),
    ):
        axis.plot(calls, [value or 0.0 for value in values], "o-", label=f"closed {name}")
    for point in ladder:
        if not point.holds:
            axis.annotate(point.why, (point.calls, point.closed_p95_s or 0.0), ha="right", va="bottom", fontsize=8)
    axis.axhline(1.0, color="grey", linewidth=0.7)
    axis.set(xlabel="calls at once", ylabel="s", ylim=(0, None))
    axis.set_title("capacity")
    axis.legend(loc="upper left", fontsize=8)


def _shares(values: Sequence[float]) -> list[float]:
    return [(index + 1) / len(values) for index in range(len(values))]
