"""Passwords made at random, and the crypt(3) hash that ARI keeps of one."""

import ctypes
import ctypes.util
import hashlib
import secrets

from ari_app.errors import BadInput


def new_password() -> str:
    """160 random bits without a character that a shell, an env file or Asterisk's parser reads as something else."""
    return secrets.token_hex(20)


def crypt_hash(password: str) -> str:
    """SHA-512 hash, 1,000 rounds, as ARI checks it at every request.

    The salt follows from the password, so that the same one gives the same file; with 160 random bits in it no table
    can be made ahead.
    """
    name = ctypes.util.find_library("crypt") or "libcrypt.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError as exc:
        raise BadInput(f"{name} can't be loaded: apt-get install libcrypt1") from exc
    library.crypt.restype = ctypes.c_char_p
    library.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    salt = hashlib.sha256(f"ari_app salt {password}".encode()).hexdigest()[:16]
    hashed: bytes | None = library.crypt(password.encode(), f"$6$rounds=1000${salt}".encode())
    if hashed is None or not hashed.startswith(b"$6$"):
        raise BadInput("crypt(3) here knows no SHA-512 hashes: use a system with glibc's libcrypt1")
    return hashed.decode()
