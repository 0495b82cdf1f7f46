"""A worker's Prometheus metrics, read by the bench: sums over labels, and what changed between two readings."""

import asyncio
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from ari_app.errors import LabError

Sample = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(url: str) -> Sample:
    """Every sample by name and labels; raises LabError where the worker doesn't answer."""
    try:
        text = await asyncio.to_thread(_get, url)
    except (OSError, urllib.error.URLError) as exc:
        raise LabError(f"no metrics at {url}: {exc}") from exc
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def change(before: Sample, after: Sample, name: str, **labels: str) -> float:
    """By how much a counter (with at least these labels) has grown."""
    wanted = set(labels.items())
    return sum(value - before.get(key, 0.0) for key, value in after.items() if key[0] == name and wanted <= set(key[1]))


def over(before: Sample, after: Sample, name: str, bound: str) -> float:
    """Observations of a histogram above one of its bounds, as it is written in `le`."""
    return change(before, after, f"{name}_count") - change(before, after, f"{name}_bucket", le=bound)


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5.0) as answer:
        return str(answer.read().decode("utf-8"))
