"""A scripted ARI and media server, and a client that is connected to it."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scripted_ari import ScriptedAri

from ari_app.asterisk.ari_client import AriClient
from ari_app.config import AriSettings


def settings_for(url: str, **changes: object) -> AriSettings:
    return AriSettings.model_validate({"url": url, "user": "booking", "password": "secret", **changes})


@pytest.fixture
async def server() -> AsyncIterator[ScriptedAri]:
    async with ScriptedAri() as server:
        yield server


@pytest.fixture
async def ari(server: ScriptedAri) -> AsyncIterator[AriClient]:
    async with AriClient(settings_for(server.url)) as ari:
        await ari.wait_connected(3)
        yield ari
