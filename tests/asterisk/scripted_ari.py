"""An ARI and media server over real sockets that does what Asterisk won't do on demand.

Its media socket keeps a queue like chan_websocket's: a frame goes every `tick_s`, marks in their turn, XOFF at 900
frames and XON below 800, binaries ignored at 1,000, FLUSH_MEDIA dropping marks with the audio, tails lost.
"""

import asyncio
import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

FRAME_BYTES = 640


@dataclass(slots=True)
class Asked:
    """One REST request as it came in."""

    method: str
    path: str
    query: dict
    """Parameters, from the address and from a JSON body."""
    body: str
    authorization: str
    address: str


@dataclass
class Queue:
    """chan_websocket's queue and what came out of it."""

    items: deque = field(default_factory=deque)
    played: bytearray = field(default_factory=bytearray)
    ignored: int = 0
    lost_tail_bytes: int = 0
    longest: int = 0

    @property
    def frames(self) -> int:
        return sum(isinstance(item, bytes) for item in self.items)


class MediaSocket:
    """One connected media socket."""

    def __init__(self, server: "ScriptedAri", connection_id: str, socket: web.WebSocketResponse) -> None:
        self.server = server
        self.connection_id = connection_id
        self.socket = socket
        self.queue = Queue()
        self.commands: list[str] = []
        self.is_full = False
        self.is_paused = False
        self.is_stalled = False
        """True: nothing is taken from the queue, nothing answered."""
        self.wants_drained = False

    async def event(self, name: str, **fields: object) -> None:
        await self.socket.send_str(json.dumps({"event": name, "channel_id": "media", **fields}))

    async def run(self) -> None:
        await self.event("MEDIA_START", **self.server.media_start)
        ticking = asyncio.create_task(self._tick())
        try:
            async for message in self.socket:
                if message.type is WSMsgType.TEXT:
                    await self._command(json.loads(message.data))
                elif message.type is WSMsgType.BINARY:
                    await self._binary(message.data)
        finally:
            ticking.cancel()

    async def _command(self, fields: dict) -> None:
        command = fields["command"]
        self.commands.append(command)
        match command:
            case "MARK_MEDIA":
                self.queue.items.append({"event": "MEDIA_MARK_PROCESSED", "correlation_id": fields["correlation_id"]})
            case "FLUSH_MEDIA":
                self.queue.items.clear()
            case "GET_STATUS" if not self.server.ignores_status:
                await self.event(
                    "STATUS",
                    queue_length=self.queue.frames,
                    queue_full=self.is_full,
                    bulk_media=False,
                    media_paused=self.is_paused,
                )
            case "PAUSE_MEDIA":
                self.is_paused = True
            case "CONTINUE_MEDIA":
                self.is_paused = False
            case "REPORT_QUEUE_DRAINED":
                self.wants_drained = True

    async def _binary(self, data: bytes) -> None:
        if self.queue.frames >= 1000:
            self.queue.ignored += 1
            return
        whole = len(data) // FRAME_BYTES * FRAME_BYTES
        self.queue.lost_tail_bytes += len(data) - whole
        self.queue.items.extend(data[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES))
        self.queue.longest = max(self.queue.longest, self.queue.frames)
        if not self.is_full and self.queue.frames >= 900:
            self.is_full = True
            await self.event("MEDIA_XOFF")

    async def _tick(self) -> None:
        with suppress(ConnectionError):
            while True:
                await asyncio.sleep(self.server.tick_s)
                if not self.is_paused and not self.is_stalled:
                    await self._take_one()

    async def _take_one(self) -> None:
        if self.is_full and self.queue.frames < 800:
            self.is_full = False
            await self.event("MEDIA_XON")
        while self.queue.items and not isinstance(self.queue.items[0], bytes):
            await self.socket.send_str(json.dumps(self.queue.items.popleft()))
        if self.queue.items:
            self.queue.played += self.queue.items.popleft()
        elif self.wants_drained:
            self.wants_drained = False
            await self.event("QUEUE_DRAINED")


class ScriptedAri:
    """`async with ScriptedAri() as server:`; what it answers can be changed at any time."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[tuple[str, str], tuple[int, object]] = {}
        """(method, path below /ari) -> status and JSON; "*" for any path."""
        self.hangs: set[str] = set()
        """Paths that are never answered."""
        self.channels: dict[str, dict] = {}
        self.media: list[MediaSocket] = []
        self.media_arrived = asyncio.Event()
        self.media_start: dict[str, object] = {"format": "slin16", "optimal_frame_size": FRAME_BYTES, "ptime": 20}
        self.refuses_media = False
        self.forgets_stasis_start = False
        self.forgets_first_starts = 0
        self.ignores_status = False
        self.refuses_events = 0
        """How many of the next event sockets are refused with 503."""
        self.event_sockets: list[web.WebSocketResponse] = []
        self.event_sockets_opened = 0
        self.tick_s = 0.002
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "ScriptedAri":
        await self.listen(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def listen(self, port: int) -> None:
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_get("/media/{id}", self._media)
        app.router.add_route("*", "/ari/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As Asterisk stopping: every socket ends."""
        for socket in [*self.event_sockets, *(media.socket for media in self.media)]:
            with suppress(ConnectionError, asyncio.TimeoutError):
                await asyncio.wait_for(socket.close(), 0.2)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def emit(self, kind: str, **fields: object) -> None:
        """Send an event to all event sockets."""
        await self.emit_raw(json.dumps({"type": kind, "application": "booking", "timestamp": "now", **fields}))

    async def emit_raw(self, message: str | bytes) -> None:
        for socket in self.event_sockets:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message)

    def requests(self, method: str, path: str) -> list[Asked]:
        return [each for each in self.asked if each.method == method and each.path == path]

    async def wait_media(self) -> MediaSocket:
        async with asyncio.timeout(3):
            await self.media_arrived.wait()
        return self.media[-1]

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.event_sockets_opened += 1
        if self.refuses_events:
            self.refuses_events -= 1
            return web.json_response({"message": "not now"}, status=503)
        if request.headers.get("Authorization") != self.expected_authorization:
            return web.json_response({"message": "Authentication required"}, status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.event_sockets.append(socket)
        async for _ in socket:
            pass
        self.event_sockets.remove(socket)
        return socket

    expected_authorization = "Basic Ym9va2luZzpzZWNyZXQ="

    async def _media(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_media:
            return web.Response(status=404)
        socket = web.WebSocketResponse(protocols=("media",))
        await socket.prepare(request)
        connection_id = request.match_info["id"]
        media = MediaSocket(self, connection_id, socket)
        self.media.append(media)
        self.media_arrived.set()
        is_forgotten = self.forgets_stasis_start or len(self.media) <= self.forgets_first_starts
        if not is_forgotten:
            await self.emit("StasisStart", channel=channel(connection_id.removeprefix("to-")), args=[])
        with suppress(ConnectionError):
            await media.run()
        return socket

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["path"]
        body = await request.text()
        given = {**request.query, **(json.loads(body) if body else {})}
        self.asked.append(
            Asked(request.method, path, given, body, request.headers.get("Authorization", ""), str(request.rel_url))
        )
        if path in self.hangs:
            await asyncio.sleep(60)
        for key in ((request.method, path), (request.method, "*"), ("*", "*")):
            if key in self.answers:
                status, answer = self.answers[key]
                return web.json_response(answer, status=status)
        gone = self.channels.get(path.removeprefix("/channels/")) if request.method == "DELETE" else None
        response = self._usual(request.method, path, given)
        if gone is not None:
            await self.emit("ChannelDestroyed", channel=gone, cause=16, cause_txt="Normal Clearing")
        return response

    def _usual(self, method: str, path: str, given: dict) -> web.Response:
        parts = path.strip("/").split("/")
        match method, parts:
            case "POST", ["channels", "externalMedia"]:
                made = channel(given["channelId"])
                made["channelvars"] = {"MEDIA_WEBSOCKET_CONNECTION_ID": f"to-{made['id']}"}
                self.channels[made["id"]] = made
                return web.json_response(made)
            case "GET", ["channels"]:
                return web.json_response(list(self.channels.values()))
            case "GET", ["channels", channel_id]:
                if channel_id not in self.channels:
                    return web.json_response({"message": "Channel not found"}, status=404)
                return web.json_response(self.channels[channel_id])
            case "POST", ["channels", channel_id]:
                self.channels[channel_id] = channel(channel_id)
                return web.json_response(self.channels[channel_id])
            case "DELETE", ["channels", channel_id]:
                if self.channels.pop(channel_id, None) is None:
                    return web.json_response({"message": "Channel not found"}, status=404)
                return web.Response(status=204)
            case "POST", ["bridges", bridge_id]:
                return web.json_response(bridge(bridge_id))
            case "GET", ["bridges"]:
                return web.json_response([])
            case _:
                return web.Response(status=204)


def channel(channel_id: str, *, app_name: str = "Stasis", number: str = "123", name: str = "Jane") -> dict:
    """A channel as ARI shows it."""
    return {
        "id": channel_id,
        "name": f"PJSIP/x-{channel_id}",
        "state": "Up",
        "caller": {"name": name, "number": number},
        "connected": {"name": "", "number": ""},
        "dialplan": {"context": "booking", "exten": "700", "priority": 2, "app_name": app_name, "app_data": ""},
        "creationtime": "2026-01-01T00:00:00.000+0000",
        "language": "en",
    }


def bridge(bridge_id: str) -> dict:
    """A bridge as ARI shows it."""
    return {
        "id": bridge_id,
        "technology": "simple_bridge",
        "bridge_type": "mixing",
        "bridge_class": "base",
        "creator": "Stasis",
        "name": "",
        "channels": [],
    }


class Road:
    """A TCP road to the server that can be black-holed: open, and nothing passes."""

    def __init__(self, target: ScriptedAri) -> None:
        self.target = target
        self._open = asyncio.Event()
        self._open.set()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def swallow(self) -> None:
        """From now on nothing passes, and nothing is closed."""
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    async def __aenter__(self) -> "Road":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target.port)
            try:
                await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
            finally:
                far_writer.close()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(asyncio.current_task())

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        writer.close()
