"""From `asterisk-config/` and `dialplan/` to the folder that one lab's Asterisk reads: ports moved, secrets added."""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ari_app.lab.credentials import PHONES, Credentials, crypt_hash, write_private
from ari_app.lab.places import Ports, checkout_dir
from ari_app.lab.rootfs import AsteriskRoot

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class AsteriskInstance:
    """One Asterisk of the lab: where its state and configuration are, and the commands that run and ask it."""

    root: AsteriskRoot
    state: Path

    @property
    def etc(self) -> Path:
        return self.state / "etc"

    @property
    def log(self) -> Path:
        return self.state / "log" / "messages.log"

    @property
    def security_log(self) -> Path:
        return self.state / "log" / "security.log"

    def start_command(self) -> list[str]:
        return self.root.command("-f", "-C", str(self.etc / "asterisk.conf"))

    def cli_command(self, command: str) -> list[str]:
        return self.root.command("-C", str(self.etc / "asterisk.conf"), "-rx", command)


def render_pbx(root: AsteriskRoot, state: Path, *, ports: Ports, credentials: Credentials) -> AsteriskInstance:
    """The PBX: `asterisk-config/` with `dialplan/` in it."""
    instance = AsteriskInstance(root, state)
    _prepare(instance)
    _copy(checkout_dir("asterisk-config"), instance.etc, ports)
    _copy(checkout_dir("dialplan"), instance.etc / "dialplan", ports)
    _phone_secrets(instance, credentials)
    _ari_secret(instance, "booking", credentials["booking"])
    users = "\n".join(f"[{user}](+)\nsecret = {credentials[user]}\n" for user in ("ari_app", "sentinel"))
    write_private(instance.etc / "secrets/manager.conf", users)
    return instance


def render_caller(root: AsteriskRoot, state: Path, *, ports: Ports, credentials: Credentials) -> AsteriskInstance:
    """The caller's side: six registered phones."""
    instance = AsteriskInstance(root, state)
    _prepare(instance)
    _copy(_HERE / "caller", instance.etc, ports)
    _phone_secrets(instance, credentials)
    _ari_secret(instance, "caller", credentials["caller"])
    return instance


@contextmanager
def replaced_ari_password(instance: AsteriskInstance, user: str) -> Iterator[None]:
    """The ARI user has a password that nobody knows, for the length of a block; Asterisk is to be told both times."""
    path = instance.etc / "secrets/ari.conf"
    kept = path.read_text("utf-8")
    _ari_secret(instance, user, secrets.token_hex(16))
    try:
        yield
    finally:
        write_private(path, kept)


def moved_ports(text: str, ports: Ports) -> str:
    """`text` with each usual port that stands as a whole number replaced by this lab's."""
    if ports.offset == 0:
        return text
    moved = ports.moved()
    pattern = "|".join(sorted((str(port) for port in moved), reverse=True))
    return re.sub(rf"(?<![\w.+])(?:{pattern})(?![\w.])", lambda found: str(moved[int(found[0])]), text)


def _prepare(instance: AsteriskInstance) -> None:
    shutil.rmtree(instance.etc, ignore_errors=True)
    for name in ("etc", "keys", "lib", "db", "spool", "run", "log/cdr-csv"):
        (instance.state / name).mkdir(parents=True, exist_ok=True)
    template = (_HERE / "asterisk.conf.template").read_text("utf-8")
    paths = {
        "etc": instance.etc,
        "state": instance.state,
        "modules": instance.root.modules,
        "data": instance.root.data,
    }
    (instance.etc / "asterisk.conf").write_text(template.format(**paths), "utf-8")


def _copy(source: Path, target: Path, ports: Ports) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.conf")):
        (target / path.name).write_text(moved_ports(path.read_text("utf-8"), ports), "utf-8")


def _phone_secrets(instance: AsteriskInstance, credentials: Credentials) -> None:
    accounts = "\n".join(f"[{name}-auth](+)\npassword = {credentials[name]}\n" for name in PHONES)
    write_private(instance.etc / "secrets/pjsip.conf", accounts)


def _ari_secret(instance: AsteriskInstance, user: str, password: str) -> None:
    text = f"[{user}](+)\npassword_format = crypt\npassword = {crypt_hash(password)}\n"
    write_private(instance.etc / "secrets/ari.conf", text)
