"""A message service over real HTTP, and a store for the outbox."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from ari_app.store.database import Database
from ari_app.store.migrate import migrate


@dataclass
class Arrived:
    """One request as the service saw it."""

    content_type: str
    body: str
    headers: dict[str, str]


@dataclass
class MessageService:
    """An HTTP message service; `answers` are used up one by one, then 202. A status of 0 cuts the connection."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    has_arrived: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        self.arrived.append(Arrived(request.content_type, await request.text(), dict(request.headers)))
        self.has_arrived.set()
        status = self.answers.pop(0) if self.answers else 202
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        await self.may_answer.wait()
        return web.Response(status=status or 500, text="what the service\r\nsays", headers={"Location": "/elsewhere"})


@pytest_asyncio.fixture
async def service() -> AsyncIterator[MessageService]:
    running = MessageService()
    running.may_answer.set()
    application = web.Application()
    application.router.add_post("/send", running.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running.url = f"http://127.0.0.1:{runner.addresses[0][1]}/send"
    yield running
    running.may_answer.set()
    await runner.cleanup()


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate(url)
    return url


@pytest_asyncio.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    async with Database(store_url) as opened:
        yield opened
