"""systemd is told, where there is one."""

import os
import socket
from pathlib import Path

import pytest

from ari_app.config import SentinelSettings
from ari_app.sentinel.notify import tell_systemd

from .conftest import AmiServer, until, watching


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell_systemd("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify.sock")
    tell_systemd("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:1:2")
    tell_systemd("READY=1")


def test_an_abstract_socket_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"ari-app-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        tell_systemd("READY=1")
        assert systemd.recv(100) == b"READY=1"


async def test_the_sentinel_says_when_it_is_ready_and_when_it_stops(
    settings: SentinelSettings, asterisk: AmiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notify.sock"
    said: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as systemd:
        systemd.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))

        def heard(what: bytes) -> bool:
            try:
                said.append(systemd.recv(100))
            except BlockingIOError:
                return what in said
            return what in said

        async with watching(settings, asterisk):
            await until(lambda: heard(b"READY=1"))
            await until(lambda: heard(b"WATCHDOG=1"))
        await until(lambda: heard(b"STOPPING=1"))
