"""`ari-app check` tells what works and how to mend what doesn't."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping

import pytest

from ari_app.lab.runtime import Lab

pytestmark = pytest.mark.live


async def checked(environ: Mapping[str, str]) -> tuple[int, dict[str, dict[str, object]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ari_app", "check", "--json", env=environ, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return process.returncode or 0, {part["part"]: part for part in json.loads(output)["parts"]}


@pytest.fixture
async def no_calendar(lab: Lab) -> AsyncIterator[Lab]:
    await lab.stop("calendar")
    try:
        yield lab
    finally:
        await lab.start_calendar()


async def test_every_part_of_the_lab_is_well(lab: Lab):
    code, parts = await checked(lab.environment())
    assert [part for part in parts.values() if not part["is_ok"]] == []
    assert code == 0
    assert {"ARI", "AMI", "media module", "CalDAV", "models", "database", "text messages"} <= set(parts)


async def test_what_is_broken_is_named_with_what_to_do(no_calendar: Lab):
    environ = no_calendar.environment() | {"ARI_APP_ARI__PASSWORD": "wrong", "ARI_APP_AMI__PASSWORD": "wrong"}
    code, parts = await checked(environ)
    assert code == 1
    broken = {name: part for name, part in parts.items() if not part["is_ok"]}
    assert {"ARI", "AMI", "CalDAV"} <= set(broken)
    assert "ARI_APP_ARI__PASSWORD" in str(broken["ARI"]["mend"])
    assert "ARI_APP_CALDAV__PASSWORD" in str(broken["CalDAV"]["mend"])
    assert parts["models"]["is_ok"]
