"""The lab's CalDAV server: Radicale from the virtual environment, with calendar/'s configuration."""

import sys
from pathlib import Path

from ari_app.lab.places import LOOPBACK, checkout_dir


def has_calendar() -> bool:
    """Whether the checkout holds the server's configuration."""
    return (checkout_dir("calendar") / "radicale.conf").exists()


def calendar_command(folder: Path, port: int) -> list[str]:
    """Radicale on loopback, its storage and users below `folder`."""
    return [
        sys.executable,
        "-m",
        "radicale",
        "--config",
        str(checkout_dir("calendar") / "radicale.conf"),
        "--server-hosts",
        f"{LOOPBACK}:{port}",
        "--storage-filesystem-folder",
        str(folder / "collections"),
        "--auth-htpasswd-filename",
        str(folder / "users"),
        "--rights-file",
        str(checkout_dir("calendar") / "rights"),
    ]
