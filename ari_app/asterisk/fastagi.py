"""FastAGI: the dialplan asks who takes a call, `AGI(agi://127.0.0.1:4573/route)` -> ${ROUTE}, ${CALLER_NAME}.

panoramisk's `Request` speaks the commands; the reader is ours, since panoramisk's own spins for ever when a peer
closes before it has sent its headers. A peer gets `HEADERS_S` for its headers, 64 kB, and one of `MAX_PEERS`
places, which it loses first while it has sent nothing. Whatever goes wrong in routing, the answer is "human".
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from panoramisk.fast_agi import Request

from ari_app.config import FastagiSettings
from ari_app.logs import get_logger

log = get_logger()

HEADERS_S = 2.0
ROUTE_S = 1.0
COMMAND_S = 2.0
CLOSE_S = 1.0
MAX_PEERS = 256
"""Beyond it a peer is closed: one that has sent no headers yet, the oldest first, else the new one.

The dialplan then goes on without an answer, to a human.
"""
MAX_HEADER_BYTES = 65_536
MAX_NAME_CHARS = 60

Route = Literal["agent", "human", "closed"]


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """What Asterisk says of the call; every word of it may come from a stranger."""

    headers: Mapping[str, str]
    """AGI's own: agi_channel, agi_uniqueid, agi_context, agi_arg_1, ..."""

    @property
    def script(self) -> str:
        return self.headers.get("agi_network_script", "")

    @property
    def caller_number(self) -> str:
        return _known(self.headers.get("agi_callerid", ""))

    @property
    def caller_name(self) -> str:
        return _known(self.headers.get("agi_calleridname", ""))

    @property
    def extension(self) -> str:
        return self.headers.get("agi_extension", "")

    @property
    def dialled_number(self) -> str:
        return _known(self.headers.get("agi_dnid", ""))

    @property
    def channel_id(self) -> str:
        return self.headers.get("agi_uniqueid", "")


@dataclass(frozen=True, slots=True)
class Decision:
    """Who takes the call."""

    route: Route
    caller_name: str = ""
    """Any text; made harmless before it reaches the dialplan. "": CALLER_NAME isn't set."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """More to set; names from the code, values made harmless too."""


Router = Callable[[RouteRequest], Awaitable[Decision]]


@dataclass(slots=True)
class AgiCounters:
    """What came in."""

    routed: int = 0
    malformed: int = 0
    """Peers without proper headers: port scans, half-open ones, oversized ones."""
    refused: int = 0
    """Peers beyond MAX_PEERS."""
    failed: int = 0
    """Routes that raised or took too long."""


class FastAgi:
    """The server: `async with FastAgi(settings.fastagi, route)` listens until left; raises OSError when it can't."""

    def __init__(
        self, settings: FastagiSettings, route: Router, *, headers_s: float = HEADERS_S, max_peers: int = MAX_PEERS
    ) -> None:
        self._settings = settings
        self._route = route
        self._headers_s = headers_s
        self._max_peers = max_peers
        self._server: asyncio.Server | None = None
        self._peers: set[asyncio.Task[None]] = set()
        self._silent: dict[asyncio.Task[None], None] = {}
        """Peers that have sent no headers yet, oldest first."""
        self.counters = AgiCounters()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, self._settings.host, self._settings.port, limit=MAX_HEADER_BYTES, backlog=512
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._peers):
            task.cancel()
        if self._peers:
            await asyncio.wait(list(self._peers), timeout=CLOSE_S)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None:
            raise RuntimeError("FastAgi is used outside its `async with`")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def peers(self) -> int:
        """Connections now."""
        return len(self._peers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # a server's callback always runs in a task
        if not self._has_place():
            self.counters.refused += 1
            writer.close()
            return
        self._peers.add(task)
        self._silent[task] = None
        try:
            await self._answer(reader, writer, task)
        finally:
            self._peers.discard(task)
            self._silent.pop(task, None)
            writer.close()

    def _has_place(self) -> bool:
        if len(self._peers) < self._max_peers:
            return True
        if not self._silent:
            return False
        oldest = next(iter(self._silent))
        del self._silent[oldest]
        self._peers.discard(oldest)
        oldest.cancel()
        self.counters.refused += 1
        return True

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: "asyncio.Task[None]"
    ) -> None:
        try:
            async with asyncio.timeout(self._headers_s):
                request = parse_headers(await reader.readuntil(b"\n\n"))
            self._silent.pop(task, None)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError, ValueError) as exc:
            self.counters.malformed += 1
            log.info("fastagi.malformed", reason=type(exc).__name__)
            return
        decision = await self._decided(request)
        try:
            async with asyncio.timeout(COMMAND_S):
                await _tell(Request(None, request.headers, reader, writer), decision)
        except (OSError, TimeoutError, asyncio.LimitOverrunError, ValueError) as exc:
            log.warning("fastagi.unanswered", reason=type(exc).__name__, channel_id=request.channel_id)
            return
        self.counters.routed += 1

    async def _decided(self, request: RouteRequest) -> Decision:
        if request.script.strip("/") != "route":
            log.warning("fastagi.unknown_script", channel_id=request.channel_id)
            return Decision("human")
        try:
            async with asyncio.timeout(ROUTE_S):
                return await self._route(request)
        except Exception:  # the supervisor: whatever is wrong with routing, the caller reaches a human
            self.counters.failed += 1
            log.exception("fastagi.route_failed", channel_id=request.channel_id)
            return Decision("human")


def parse_headers(block: bytes) -> RouteRequest:
    """AGI's header block; raises ValueError for what is none."""
    headers: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\n"):
        name, separator, value = line.partition(":")
        if separator and name.startswith("agi_"):
            headers.setdefault(name, value.strip())
    if "agi_network_script" not in headers:
        raise ValueError("no agi_network_script")
    return RouteRequest(headers)


def harmless(text: str) -> str:
    """Text that a dialplan may hold: letters, digits, spaces and . ' - + only, at most 60 characters.

    So no `${...}`, `$[...]`, quote, comma, bracket, semicolon, backslash, newline or bidirectional trick is left.
    """
    kept = "".join(char if char.isalnum() or char in " .'-+" else " " for char in text)
    return " ".join(kept.split())[:MAX_NAME_CHARS].strip()


async def _tell(request: Request, decision: Decision) -> None:
    variables = {"ROUTE": decision.route, **{name: harmless(value) for name, value in decision.variables.items()}}
    if name := harmless(decision.caller_name):
        variables["CALLER_NAME"] = name
    for variable, value in variables.items():
        answer: Mapping[str, object] = await request.send_command(f'SET VARIABLE {variable} "{value}"')
        if "error" in answer:
            raise ValueError(str(answer["error"]))


def _known(value: str) -> str:
    return "" if value == "unknown" else value
