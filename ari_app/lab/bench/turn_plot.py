"""The bench's picture: how the gaps are distributed, where their time goes, how many calls hold."""

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
    figure, axes = plt.subplots(1, 3 if ladder else 2, figsize=(15 if ladder else 10, 4.2))
    _distribution(axes[0], main, baseline)
    _steps(axes[1], main)
    if ladder:
        _capacity(axes[2], ladder)
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
            shares = [(index + 1) / len(found) for index in range(len(found))]
            axis.plot(found, shares, style, color=colour, label=f"{name}, {kind} ({len(found)})")
    axis.axvline(0.2, color="grey", linewidth=0.7)
    axis.set(xlabel="gap at the caller's ear, s", ylabel="share of turns", xlim=(0, 3), ylim=(0, 1))
    axis.set_title(f"{main.plan.calls} calls at once, {main.plan.codec}")
    axis.legend(loc="lower right", fontsize=8)


def _steps(axis: "plt.Axes", main: Run) -> None:
    for kind, steps in breakdown(main.measured.turns).items():
        left = 0.0
        for index, step in enumerate(STEPS):
            width = max(steps[step], 0.0)
            label = step.removesuffix("_s").replace("_", " ") if kind == "closed" else None
            axis.barh(kind, width, left=left, color=plt.get_cmap("tab10")(index), label=label)
            left += width
    axis.set(xlabel="mean seconds")
    axis.set_title("where the time goes")
    axis.legend(fontsize=8)


def _capacity(axis: "plt.Axes", ladder: Sequence[CapacityPoint]) -> None:
    axis.plot([point.calls for point in ladder], [point.closed_p95_s or 0.0 for point in ladder], "o-")
    axis.axhline(1.0, color="grey", linewidth=0.7)
    axis.set(xlabel="calls at once", ylabel="closed p95, s", ylim=(0, None))
    axis.set_title("capacity")
