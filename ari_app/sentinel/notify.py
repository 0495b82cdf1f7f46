"""What systemd is told (sd_notify(3)): READY=1, WATCHDOG=1, STOPPING=1."""

import os
import socket
from contextlib import suppress


def tell_systemd(state: str) -> None:
    """One datagram to `$NOTIFY_SOCKET`; nothing where there is none. Never waits, never fails."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as datagram:
        datagram.sendto(state.encode(), f"\0{address[1:]}" if address.startswith("@") else address)
