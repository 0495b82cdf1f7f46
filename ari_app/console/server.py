"""The console's HTTP server: the front desk's page, `/live`, `/ready`, `/metrics`."""

import asyncio
import json
from collections.abc import Mapping
from importlib.resources import files
from types import TracebackType
from typing import Self

from aiohttp import web

from ari_app import metrics
from ari_app.config import ConsoleSettings
from ari_app.console.board import Board
from ari_app.console.guard import HEADERS, Guard
from ari_app.console.markup import Markup, element, join, page
from ari_app.console.views import Check, DeskNames, DeskView
from ari_app.errors import AriAppError
from ari_app.logs import get_logger

log = get_logger()

CHECK_S = 2.0
KEEP_ALIVE_S = 15.0
_ASSETS = files("ari_app.console") / "assets"
_PARTS = {"calls": "On the phone now", "appointments": "Appointments", "callbacks": "To call back", "outbox": "Texts"}


class Console:
    """`async with Console(...) as console:` serves until the body ends; `console.url` is where.

    `checks`: name -> readiness of each part. Raises ConfigInvalid where the settings would let strangers in, and
    OSError where the port is taken.
    """

    def __init__(
        self, settings: ConsoleSettings, view: DeskView, names: DeskNames, checks: Mapping[str, Check]
    ) -> None:
        self._settings = settings
        self._view = view
        self._names = names
        self._checks = checks
        self._guard = Guard(settings)
        self._board = Board(view, names)
        self._runner: web.AppRunner | None = None
        self._fresh: asyncio.Task[None] | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        host, port, *_ = self._runner.addresses[0]
        self.url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        self._fresh = asyncio.create_task(self._board.run(), name="console-board")
        log.info("console.started", url=self.url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._board.close()
        if self._fresh is not None:
            self._fresh.cancel()
            await asyncio.gather(self._fresh, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard.middleware], client_max_size=16_384)
        application.add_routes(
            [
                web.get("/", self._desk),
                web.get("/stream", self._stream),
                web.get("/desk.css", self._style),
                web.get("/desk.js", self._script),
                web.get("/token", self._ask_token),
                web.post("/token", self._take_token),
                web.post("/callbacks/{uid}/done", self._callback_done),
                web.get("/live", self._live),
                web.get("/ready", self._ready),
                web.get("/metrics", self._metrics),
            ]
        )
        return application

    # --- the page

    async def _desk(self, request: web.Request) -> web.Response:
        parts = await self._board.parts()
        now = self._view.now()
        header = element(
            "header",
            element("h1", self._names.business),
            element("span", f"{now:%H:%M}", id="clock"),
            element("span", "not live", id="live", role="status"),
        )
        side = join(_section("callbacks", parts), _section("outbox", parts))
        body = element(
            "body",
            header,
            element("main", _section("calls", parts), _section("appointments", parts), element("div", side)),
            element("script", src="desk.js", defer=True),
            data_name=self._names.business,
            data_now=now.isoformat(timespec="milliseconds"),
        )
        return _html(page(_head(self._names.business, refreshes=True), body))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: each one a JSON object, part -> HTML."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        response.headers.update(HEADERS)
        await response.prepare(request)
        version = 0
        while not self._board.is_closed:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    version, parts = await self._board.changes(version)
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            if parts:
                await response.write(f"data: {json.dumps(parts)}\n\n".encode())
        return response

    async def _callback_done(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        try:
            done = await self._view.callback_done(uid)
        except AriAppError as exc:
            raise web.HTTPServiceUnavailable(text=f"Not done: {exc}\n") from exc
        if not done:
            raise web.HTTPNotFound(text="There is no such open callback.\n")
        await self._board.refresh_rest()
        raise web.HTTPSeeOther("/")

    async def _style(self, request: web.Request) -> web.Response:
        return web.Response(body=(_ASSETS / "desk.css").read_bytes(), content_type="text/css", charset="utf-8")

    async def _script(self, request: web.Request) -> web.Response:
        return web.Response(body=(_ASSETS / "desk.js").read_bytes(), content_type="text/javascript", charset="utf-8")

    # --- the token

    async def _ask_token(self, request: web.Request) -> web.Response:
        return _html(self._token_page(""))

    async def _take_token(self, request: web.Request) -> web.Response:
        given = (await request.post()).get("token")
        if not isinstance(given, str) or not self._guard.is_token(given.strip()):
            log.warning("console.token_refused", remote=request.remote)
            return _html(self._token_page("That isn't the token."), status=403)
        answer = web.Response(status=303, headers={"Location": "/"})
        self._guard.remember(answer, is_secure=request.secure)
        return answer

    def _token_page(self, trouble: str) -> str:
        form = element(
            "form",
            element("label", "Console token (console.token in the settings)", for_="token"),
            element("input", type="password", name="token", id="token", required=True, autofocus=True),
            element("p", trouble, class_="trouble", role="alert") if trouble else None,
            element("button", "Look in"),
            method="post",
            action="/token",
            class_="token",
        )
        return page(_head(self._names.business), element("body", form))

    # --- for machines

    async def _live(self, request: web.Request) -> web.Response:
        """200 while the event loop runs."""
        return web.json_response({"live": True})

    async def _ready(self, request: web.Request) -> web.Response:
        """200 where every part works, else 503; for those who may look also what is wrong, by part."""
        names = list(self._checks)
        reasons = await asyncio.gather(*(_trouble(self._checks[name]) for name in names))
        is_ready = not any(reasons)
        answer: dict[str, object] = {"ready": is_ready}
        if self._guard.may_look(request):
            answer["checks"] = {name: reason or "ok" for name, reason in zip(names, reasons, strict=True)}
        return web.json_response(answer, status=200 if is_ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})


async def _trouble(check: Check) -> str:
    """What is wrong; empty: nothing."""
    try:
        async with asyncio.timeout(CHECK_S):
            await check()
    except AriAppError as exc:
        return str(exc)
    except TimeoutError:
        return f"no answer in {CHECK_S:.0f} s"
    return ""


def _section(name: str, parts: Mapping[str, Markup]) -> Markup:
    title = element("h2", _PARTS[name], id=f"{name}-title")
    return element(
        "section", title, element("div", parts[name], id=name, class_="part"), aria_labelledby=f"{name}-title"
    )


def _head(title: str, *, refreshes: bool = False) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="stylesheet", href="desk.css"),
        element("noscript", element("meta", http_equiv="refresh", content="5")) if refreshes else None,
    )


def _html(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)
