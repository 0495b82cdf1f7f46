"""Who may look: anybody on this machine where no token is set, else whoever has the token.

A browser on this machine may be made to ask by any page it shows, so requests with another host name in them (DNS
rebinding) and changes that come from another origin are refused.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from ari_app.config import ConsoleSettings
from ari_app.errors import ConfigInvalid

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE = "ari_app_console"
OPEN_PATHS = frozenset({"/live", "/ready", "/desk.css", "/token"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Decides on each request; raises ConfigInvalid where the settings would let strangers in."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._token = settings.token.get_secret_value()
        self._is_loopback = is_loopback(settings.host)
        if not self._is_loopback and not self._token:
            raise ConfigInvalid(
                "settings", "console.token", f"needed because console.host is {settings.host}, which others can reach"
            )

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse, ask for the token, or let through; puts the security headers on every answer."""
        try:
            response = await self._answer(request, handler)
        except web.HTTPException as answer:
            answer.headers.update(HEADERS)
            raise
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._token and not _names_loopback(request.host):
            raise web.HTTPMisdirectedRequest(text="This console answers at a loopback address only.\n")
        if request.method not in ("GET", "HEAD") and not _is_same_origin(request):
            raise web.HTTPForbidden(text="That came from another site.\n")
        if request.path in OPEN_PATHS or self.may_look(request):
            return await handler(request)
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            raise web.HTTPSeeOther("/token")
        raise web.HTTPUnauthorized(text="Token missing.\n", headers={"WWW-Authenticate": "Bearer"})

    def is_token(self, given: str) -> bool:
        """Whether this is the token; compared in constant time."""
        return bool(self._token) and hmac.compare_digest(given.encode(), self._token.encode())

    def remember(self, response: web.StreamResponse, *, is_secure: bool) -> None:
        """Let this browser in from now on; the cookie doesn't hold the token itself."""
        response.set_cookie(
            COOKIE, self._proof(), httponly=True, samesite="Strict", secure=is_secure, max_age=30 * 86400, path="/"
        )

    def may_look(self, request: web.Request) -> bool:
        """Whether this visitor may see calls and names."""
        if not self._token:
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self._proof().encode())

    def _proof(self) -> str:
        return hmac.new(self._token.encode(), b"ari_app console", hashlib.sha256).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens at `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_loopback(host_header: str) -> bool:
    return is_loopback(urlsplit(f"//{host_header}").hostname or "")


def _is_same_origin(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    return urlsplit(origin).netloc == request.host
