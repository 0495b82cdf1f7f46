"""`ari-app bench fastagi`: the dialplan's question who takes a call, asked at a steady rate with strangers at the port.

The handler and the route are a worker's own, on a SQLite store with customers in it. Askers, strangers and handler
share one process, so that what the askers cost is in the figures too.
"""

import asyncio
import functools
import json
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Connection

from ari_app.app import route_of_caller
from ari_app.asterisk.fastagi import FastAgi
from ari_app.config import FastagiSettings
from ari_app.lab.bench.servers import machine
from ari_app.lab.bench.turn_figures import quantile
from ari_app.lab.places import LOOPBACK
from ari_app.store import customers
from ari_app.store.customers import Customer
from ari_app.store.database import Database
from ari_app.store.migrate import migrate

P95_TARGET_MS = 20.0
CUSTOMERS = 500
STRANGERS_A_SECOND = 20
ANSWER = b"200 result=1\n"
ANSWER_WITHIN_S = 5.0
STRANGE: tuple[bytes, ...] = (
    b"",
    b"GET / HTTP/1.1\r\n\r\n",
    b"agi_network: yes\n",
    b"\x16\x03\x01\x02\x00",
    b"x" * 10_000 + b"\n\n",
)
"""A port scan, a web browser, a peer that says half and stays, TLS, a line of 10 kB."""


@dataclass(slots=True)
class Asked:
    """What the askers saw."""

    waits_ms: list[float] = field(default_factory=list)
    """From connecting to the handler's closing, both variables set."""
    wrong: int = 0
    """Not answered, or not by what the store says."""


@click.command(name="fastagi")
@click.option("--rate", default=200, show_default=True, type=click.IntRange(1, 2000), help="Requests a second.")
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(1, 600), help="How long.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(rate: int, seconds: float, as_json: bool) -> None:
    """Ask for routes at a steady rate, with strangers and half-open peers at the same port.

    Exit code 0: every request was answered rightly, 95 % of them within 20 ms.

    Example: ari-app bench fastagi --rate 200 --seconds 10 --json
    """
    asked = asyncio.run(bench(rate, seconds))
    figures = figures_of(asked)
    p95_ms = quantile(asked.waits_ms, 0.95)
    is_ok = asked.wrong == 0 and p95_ms is not None and p95_ms <= P95_TARGET_MS
    if as_json:
        click.echo(json.dumps({"bench": "fastagi", "ok": is_ok, "figures": figures, "machine": machine()}))
    else:
        for name, value in figures.items():
            click.echo(f"{name:12} {value}")
    sys.exit(0 if is_ok else 1)


async def bench(rate: int, seconds: float) -> Asked:
    """A store, a handler, askers and strangers."""
    with tempfile.TemporaryDirectory(prefix="ari-app-fastagi-") as folder:
        url = f"sqlite:///{Path(folder) / 'store.db'}"
        await asyncio.to_thread(migrate, url)
        async with Database(url) as database:
            await database.run(_fill)
            route = functools.partial(route_of_caller, database, blocked=(), country="GB")
            async with FastAgi(FastagiSettings(port=0), route) as agi:
                return await _ask_all(agi.port, rate, seconds)


async def _ask_all(port: int, rate: int, seconds: float) -> Asked:
    asked = Asked()
    async with asyncio.TaskGroup() as group:
        strangers = group.create_task(_strangers(port))
        async with asyncio.TaskGroup() as askers:
            await _paced(askers, [_ask(port, number, asked) for number in range(round(rate * seconds))], rate)
        strangers.cancel()
    return asked


async def _paced(group: asyncio.TaskGroup, each: Sequence[Coroutine[None, None, None]], rate: float) -> None:
    """Start one after the other at this rate, whatever became of those before."""
    began_s = time.perf_counter()
    for number, coroutine in enumerate(each):
        await asyncio.sleep(max(0.0, began_s + number / rate - time.perf_counter()))
        group.create_task(coroutine)


async def _ask(port: int, number: int, asked: Asked) -> None:
    """As Asterisk asks: headers, an answer to each command, until the handler closes."""
    began_s = time.perf_counter()
    commands: list[str] = []
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(_headers(number))
                while line := await reader.readline():
                    commands.append(line.decode().strip())
                    writer.write(ANSWER)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        commands = []
    asked.waits_ms.append((time.perf_counter() - began_s) * 1000)
    wanted = ['SET VARIABLE ROUTE "agent"', f'SET VARIABLE CALLER_NAME "{_name(number)}"']
    asked.wrong += commands != wanted


async def _strangers(port: int) -> None:
    """Come by all the while, and stay until the handler closes; cancelled at the end."""
    number = 0
    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(_stray(port, STRANGE[number % len(STRANGE)]))
            number += 1
            await asyncio.sleep(1 / STRANGERS_A_SECOND)


async def _stray(port: int, sent: bytes) -> None:
    with suppress(OSError):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(sent)
            await reader.read()
        finally:
            writer.close()


def _headers(number: int) -> bytes:
    return (
        "agi_network: yes\nagi_network_script: route\nagi_channel: PJSIP/trunk-00000001\n"
        f"agi_uniqueid: 1795376544.{number}\nagi_callerid: {_number(number)}\nagi_calleridname: unknown\n"
        "agi_extension: 700\nagi_dnid: unknown\n\n"
    ).encode()


def _fill(conn: Connection) -> None:
    now = datetime.now(UTC)
    for index in range(CUSTOMERS):
        customers.upsert(conn, Customer(_number(index), _name(index)), now=now)


def _number(index: int) -> str:
    return f"+44207946{index % CUSTOMERS:04d}"


def _name(index: int) -> str:
    return f"Customer {index % CUSTOMERS}"


def figures_of(asked: Asked) -> dict[str, object]:
    """Milliseconds, as they are told."""
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
    return {
        "requests": len(asked.waits_ms),
        "wrong": asked.wrong,
        **{name: quantile(asked.waits_ms, share) for name, share in shares.items()},
    }
