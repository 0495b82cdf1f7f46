"""`ari-app bench fastagi` asks a real handler and knows a wrong answer."""

from ari_app.lab.bench.fastagi import bench, figures_of


async def test_every_request_is_answered_by_what_the_store_says_with_strangers_at_the_port() -> None:
    asked = await bench(rate=100, seconds=1.0)
    figures = figures_of(asked)
    assert (figures["requests"], figures["wrong"]) == (100, 0)
    assert 0.1 < float(str(figures["p50_ms"])) <= float(str(figures["p95_ms"])) <= float(str(figures["max_ms"]))
