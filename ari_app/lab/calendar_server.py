"""The lab's CalDAV server: Radicale from the virtual environment, with calendar/'s configuration, users and events."""

import sys
from datetime import date
from pathlib import Path

from ari_app.booking.seed import seed
from ari_app.lab.credentials import write_private
from ari_app.lab.places import LOOPBACK, checkout_dir

USER = "ari"


def write_users(folder: Path, password: str) -> None:
    """calendar/users with its password filled in, readable by its owner only."""
    users = (checkout_dir("calendar") / "users").read_text("utf-8")
    write_private(folder / "users", users.replace("@PASSWORD@", password))


def calendar_command(folder: Path, port: int) -> list[str]:
    """Radicale on loopback, its storage and users below `folder`."""
    return [
        sys.executable,
        "-m",
        "radicale",
        "--config",
        str(checkout_dir("calendar") / "radicale.conf"),
        "--hosts",
        f"{LOOPBACK}:{port}",
        "--storage-filesystem-folder",
        str(folder / "collections"),
        "--auth-htpasswd-filename",
        str(folder / "users"),
        "--rights-file",
        str(checkout_dir("calendar") / "rights"),
    ]


async def seed_calendars(port: int, password: str, today: date) -> dict[str, int]:
    """Write the lab's events, dated from `today`; seeding again changes nothing."""
    return await seed(f"http://{LOOPBACK}:{port}/", USER, password, today, files=checkout_dir("calendar") / "seed")
