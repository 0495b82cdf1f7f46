"""A text message by HTTP POST, as JSON or a form, to whatever service or modem the owner runs."""

import json
from urllib.parse import parse_qsl, quote, urlencode

import aiohttp

from ari_app.errors import ConfigInvalid, SmsFailed

DEFAULT_TEMPLATE = '{"to": "${to}", "from": "${from}", "text": "${text}", "key": "${key}"}'

_WORTH_RETRYING = {401, 403, 407, 408, 409, 423, 425, 429, 500, 502, 503}
"""The service's or the settings' present trouble; a wrong password is mended while messages wait."""
_IN_DOUBT = {504, 520, 522, 524}
"""A proxy gave up waiting for a service that may have done it."""


class HttpGateway:
    """POSTs one request a message, with its key as `Idempotency-Key`."""

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        password: str = "",
        sender: str = "",
        template: str = "",
        deduplicates: bool = False,
        timeout_s: float = 10.0,
    ) -> None:
        """`template`: a JSON object or a form ("to=${to}&text=${text}") with ${to}, ${from}, ${text}, ${key}.

        `user` and `password`: basic authentication; a password alone: a bearer token. `deduplicates`: the service
        promises that a repeated Idempotency-Key is sent once. Raises ConfigInvalid.
        """
        if not url.startswith(("http://", "https://")):
            raise ConfigInvalid("ari_app.toml", "sms.url", f'"{url}" is no http:// or https:// address')
        self._url, self._sender, self._timeout_s = url, sender, timeout_s
        self._template = _Template(template or DEFAULT_TEMPLATE)
        self._authorization = _authorization(user, password)
        self._session: aiohttp.ClientSession | None = None
        self._deduplicates = deduplicates

    @property
    def deduplicates(self) -> bool:
        return self._deduplicates

    async def send(self, number: str, text: str, key: str) -> None:
        body, content_type = self._template.filled({"to": number, "from": self._sender, "text": text, "key": key})
        headers = {"Content-Type": content_type, "Idempotency-Key": quote(key, safe=":@+"), **self._authorization}
        try:
            async with self._open_session().post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                self._judge(response.status, await _excerpt(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise SmsFailed(f"{self._url} can't be reached: {exc}") from exc
        except aiohttp.InvalidURL as exc:
            raise SmsFailed(f"{self._url} is no address", is_permanent=True) from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            reason = str(exc) or type(exc).__name__
            raise SmsFailed(f"{self._url} gave no answer: {reason}", is_in_doubt=True) from exc

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _judge(self, status: int, said: str) -> None:
        if 200 <= status < 300:
            return
        raise SmsFailed(
            f"{self._url} answered {status}{': ' + said if said else ''}",
            is_permanent=status not in _WORTH_RETRYING | _IN_DOUBT,
            is_in_doubt=status in _IN_DOUBT,
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout_s, connect=self._timeout_s / 2)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


class _Template:
    """A request body with places; values are put into whole strings, so that no text can break out of its own."""

    def __init__(self, text: str) -> None:
        self._json: object = None
        self._form: list[tuple[str, str]] = []
        if text.lstrip().startswith("{"):
            try:
                self._json = json.loads(text)
            except ValueError as exc:
                raise ConfigInvalid("ari_app.toml", "sms.template", f"is no JSON: {exc}") from exc
        else:
            self._form = parse_qsl(text, keep_blank_values=True)
        for needed in ("${to}", "${text}"):
            if needed not in text:
                raise ConfigInvalid("ari_app.toml", "sms.template", f"has no {needed}")

    def filled(self, values: dict[str, str]) -> tuple[bytes, str]:
        """Body and content type."""
        if self._json is not None:
            return json.dumps(_filled(self._json, values)).encode(), "application/json"
        form = urlencode([(name, _put_in(text, values)) for name, text in self._form])
        return form.encode(), "application/x-www-form-urlencoded"


def _filled(part: object, values: dict[str, str]) -> object:
    match part:
        case str():
            return _put_in(part, values)
        case list():
            return [_filled(item, values) for item in part]
        case dict():
            return {key: _filled(item, values) for key, item in part.items()}
        case _:
            return part


def _put_in(text: str, values: dict[str, str]) -> str:
    """Replace in one pass: a value that looks like a place stays as it is."""
    pieces = text.split("${")
    done = [pieces[0]]
    for piece in pieces[1:]:
        name, brace, rest = piece.partition("}")
        done.append(f"{values[name]}{rest}" if brace and name in values else f"${{{piece}")
    return "".join(done)


def _authorization(user: str, password: str) -> dict[str, str]:
    if user:
        return {"Authorization": aiohttp.encode_basic_auth(user, password)}
    return {"Authorization": f"Bearer {password}"} if password else {}


async def _excerpt(response: aiohttp.ClientResponse) -> str:
    """The start of an error's body, on one line."""
    if response.status < 300:
        return ""
    raw = await response.content.read(300)
    text = raw.decode("utf-8", "replace")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
