"""The console over a real socket: the page, its stream, who may look, readiness, metrics."""

import asyncio
import json
import re

import aiohttp
import pytest

from ari_app import metrics
from ari_app.config import ConsoleSettings
from ari_app.console import server
from ari_app.console.server import Console
from ari_app.errors import AriUnavailable, ConfigInvalid

from .conftest import HOSTILE, NAMES, Desk, call, works


async def get(browser: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    async with browser.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.text()


async def next_parts(stream: aiohttp.ClientResponse) -> dict[str, str]:
    async with asyncio.timeout(5):
        while True:
            line = (await stream.content.readline()).decode()
            if line.startswith("data: "):
                parts: dict[str, str] = json.loads(line[6:])
                return parts


async def test_the_page_shows_calls_appointments_texts_and_callbacks(
    console: Console, browser: aiohttp.ClientSession
) -> None:
    status, html = await get(browser, console.url)
    assert status == 200
    for words in (
        "Jane Doe",
        "the tuesday one please",
        "Sofia Rossi",
        "Cleaning with Ben Okoro",
        "overdue",
        "no such number",
    ):
        assert words in html


async def test_a_hostile_caller_name_is_text_and_scripts_inline_are_forbidden(
    console: Console, desk: Desk, browser: aiohttp.ClientSession
) -> None:
    desk.live = [call("x", ("caller", HOSTILE), name=HOSTILE)]
    async with browser.get(console.url) as answer:
        html = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
    assert "<script>alert" not in html
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy


async def test_nothing_comes_from_another_host(console: Console, browser: aiohttp.ClientSession) -> None:
    texts = [(await get(browser, console.url + path))[1] for path in ("", "desk.css", "desk.js", "token")]
    for text in texts:
        assert not re.search(r"(?:https?:)?//[\w.-]+\.\w", text.replace("// The", ""))


async def test_a_change_in_a_call_reaches_the_page_within_a_second(
    console: Console, desk: Desk, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(console.url + "stream") as stream:
        assert set(await next_parts(stream)) <= {"calls", "appointments", "callbacks", "outbox"}
        desk.live = [call("new", ("caller", "is anybody there"))]
        async with asyncio.timeout(1):
            while "is anybody there" not in (await next_parts(stream)).get("calls", ""):
                pass


async def test_two_viewers_see_the_same_and_one_leaving_does_not_stop_the_other(
    console: Console, desk: Desk, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(console.url + "stream") as first:
        async with browser.get(console.url + "stream") as second:
            await next_parts(first)
            await next_parts(second)
        desk.live = []
        async with asyncio.timeout(2):
            while "No calls" not in (await next_parts(first)).get("calls", ""):
                pass


async def test_a_failing_calendar_leaves_the_other_parts(
    console: Console, desk: Desk, browser: aiohttp.ClientSession
) -> None:
    desk.fails = True
    status, html = await get(browser, console.url)
    assert status == 200
    assert "Not available now" in html
    assert "connection refused" in html
    assert "Jane Doe" in html


async def test_stopping_lets_viewers_go(desk: Desk, browser: aiohttp.ClientSession) -> None:
    async with Console(ConsoleSettings(port=0), desk, NAMES, {}) as console:
        stream = await browser.get(console.url + "stream")
        await next_parts(stream)
    async with asyncio.timeout(3):
        while await stream.content.readline():
            pass
    stream.close()


async def test_a_callback_is_done_by_its_button(console: Console, desk: Desk, browser: aiohttp.ClientSession) -> None:
    async with browser.post(console.url + "callbacks/cb%2F1/done", allow_redirects=False) as answer:
        assert answer.status == 303
    assert [each.uid for each in desk.promised] == ["cb2"]
    async with browser.post(console.url + "callbacks/cb%2F1/done") as answer:
        assert answer.status == 404


async def test_another_site_can_not_press_the_button(
    console: Console, desk: Desk, browser: aiohttp.ClientSession
) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        async with browser.post(console.url + "callbacks/cb2/done", headers=headers) as answer:
            assert answer.status == 403
    assert len(desk.promised) == 2


async def test_another_host_name_is_refused_without_a_token(console: Console, browser: aiohttp.ClientSession) -> None:
    for name in ("evil.example", "evil.example:8780", "127.0.0.1.evil.example", ""):
        assert (await get(browser, console.url, Host=name))[0] in (400, 421)
    assert (await get(browser, console.url, Host="localhost:1"))[0] == 200
    assert (await get(browser, console.url, Host="[::1]:8780"))[0] == 200


async def test_beyond_loopback_a_token_is_needed(desk: Desk) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "desk.example"):
        with pytest.raises(ConfigInvalid, match=r"console\.token"):
            Console(ConsoleSettings(host=host), desk, NAMES, {})


async def test_with_a_token_nobody_sees_a_thing_without_it(desk: Desk) -> None:
    settings = ConsoleSettings(port=0, token="sesame-🗝")
    async with (
        Console(settings, desk, NAMES, {"ari": works}) as console,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
    ):
        for path in ("", "stream", "metrics", "desk.js"):
            assert (await get(browser, console.url + path))[0] == 401
            assert (await get(browser, console.url + path, Authorization="Bearer wrong"))[0] == 401
        assert (await get(browser, console.url, Accept="text/html"))[0] == 303
        assert await get(browser, console.url + "ready") == (200, '{"ready": true}')
        assert (await get(browser, console.url + "live"))[0] == 200
        async with browser.post(console.url + "token", data={"token": "wrong"}) as answer:
            assert answer.status == 403
        assert (await get(browser, console.url))[0] == 401
        async with browser.post(console.url + "token", data={"token": "sesame-🗝"}) as answer:
            assert answer.status == 200
            assert "Jane Doe" in await answer.text()
        cookies = [cookie for cookie in browser.cookie_jar if cookie.key == "ari_app_console"]
        assert cookies[0]["httponly"]
        assert cookies[0]["samesite"] == "Strict"
        assert "sesame" not in cookies[0].value


async def test_the_token_serves_scripts_as_a_bearer(desk: Desk, browser: aiohttp.ClientSession) -> None:
    async with Console(ConsoleSettings(port=0, token="sesame"), desk, NAMES, {}) as console:
        status, text = await get(browser, console.url + "metrics", Authorization="Bearer sesame")
        assert status == 200
        assert "ari_app_turn_gap_seconds" in text


async def test_ready_names_the_part_that_is_not(
    desk: Desk, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused() -> None:
        raise AriUnavailable("http://127.0.0.1:8088", "refused")

    async def hangs() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(server, "CHECK_S", 0.05)
    checks = {"ari": refused, "calendar": hangs, "voice": works}
    async with Console(ConsoleSettings(port=0), desk, NAMES, checks) as console:
        status, text = await get(browser, console.url + "ready")
        assert (await get(browser, console.url + "live"))[0] == 200
    assert status == 503
    answer = json.loads(text)
    assert answer["ready"] is False
    assert "refused" in answer["checks"]["ari"]
    assert "no answer" in answer["checks"]["calendar"]
    assert answer["checks"]["voice"] == "ok"


async def test_metrics_are_prometheus_text(console: Console, browser: aiohttp.ClientSession) -> None:
    metrics.CALLS.labels("booked").inc()
    async with browser.get(console.url + "metrics") as answer:
        assert answer.headers["Content-Type"] == metrics.CONTENT_TYPE
        assert 'ari_app_calls_total{outcome="booked"}' in await answer.text()


async def test_a_taken_port_is_an_error_and_leaves_nothing(console: Console, desk: Desk) -> None:
    port = int(console.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(OSError):
        async with Console(ConsoleSettings(port=port), desk, NAMES, {}):
            pass
