"""A short, seeded run of `ari-app bench chaos`: nobody is stranded, nothing is left in Asterisk."""

from pathlib import Path

import pytest

from ari_app.lab.bench.chaos import Plan, as_mapping, on_lab
from ari_app.lab.runtime import Lab

pytestmark = pytest.mark.live


async def test_nobody_is_stranded_while_workers_are_killed(lab: Lab, tmp_path: Path) -> None:
    await lab.start_sentinel()
    try:
        plan = Plan(calls=8, seconds=30.0, at_once=3, workers=2, seed=7)
        result = await on_lab(lab, plan, tmp_path, lambda _line: None)
    finally:
        await lab.stop("sentinel")
    figures = as_mapping(result)["figures"]
    assert isinstance(figures, dict)
    assert figures["calls"] == 8 or figures["deeds"], figures
    assert figures["deeds"].get("kill"), figures
    assert figures["stranded"] == 0, figures
    assert figures["channels_left"] == 0, result.channels_left
    assert sum(figures[name] for name in ("booked", "human", "callback", "hung_up")) == figures["calls"]
