"""The lab's passwords: made at random on its first run, kept (mode 0600) in its folder, never in the checkout."""

import ctypes
import ctypes.util
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ari_app.errors import LabError

PHONES = ("softphone-1", "softphone-2", "softphone-3", "softphone-4", "scheduling", "trunk")
SERVICES = ("booking", "caller", "ari_app", "sentinel", "caldav")
"""ARI user of the PBX, ARI user of the caller's side, the two AMI users, the calendar's user."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Account name -> password."""

    passwords: dict[str, str]

    def __getitem__(self, account: str) -> str:
        return self.passwords[account]


def load_or_make(path: Path) -> Credentials:
    """The passwords of the lab whose folder `path` is in, made where there are none yet."""
    names = (*PHONES, *SERVICES)
    try:
        known = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError) as exc:
        raise LabError(f"{path} can't be read ({exc}): remove it, the lab makes a new one") from exc
    passwords = {name: str(known.get(name) or secrets.token_urlsafe(15)) for name in names}
    if passwords != known:
        write_private(path, json.dumps(passwords, indent=2) + "\n")
    return Credentials(passwords)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, at no moment otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def crypt_hash(password: str) -> str:
    """crypt(3) SHA-512 hash of a random password: 1,000 rounds, as ARI checks it at every request."""
    name = ctypes.util.find_library("crypt") or "libcrypt.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError as exc:
        raise LabError(f"{name} can't be loaded: apt-get install libcrypt1") from exc
    library.crypt.restype = ctypes.c_char_p
    library.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    salt = "$6$rounds=1000$" + secrets.token_hex(8)
    hashed: bytes | None = library.crypt(password.encode(), salt.encode())
    if hashed is None or not hashed.startswith(b"$6$"):
        raise LabError("crypt(3) here knows no SHA-512 hashes")
    return hashed.decode()
