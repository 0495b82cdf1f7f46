"""What an installation consists of: the PBX's additions, settings, secrets, units, fail2ban."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ari_app.errors import BadInput
from ari_app.install.asterisk_conf import Configuration
from ari_app.install.changes import OwnFile, Plan, Wanted, plan_install
from ari_app.install.passwords import crypt_hash, new_password
from ari_app.install.pbx import BROADCAST, Pbx
from ari_app.install.sources import shipped, text_of

RECOGNISER = "vosk-model-en-us-0.22-lgraph"
VOICE = "en_GB-alba-medium"
"""Models for people; the lab's, which are the default, are for tests."""
PROGRAM = "/opt/ari_app/bin/ari-app"
CONTEXTS = ("booking", "booking-plain", "handoff", "fallback", "closed")
WORKER_ENV = "etc/ari_app/worker.env"
SENTINEL_ENV = "etc/ari_app/sentinel.env"
SETTINGS = "etc/ari_app/ari_app.toml"
SESSION_LIMIT = 500
LOOPBACKS = frozenset({"127.0.0.1", "::1", "0.0.0.0", "::", "localhost"})


@dataclass(frozen=True, slots=True)
class Choices:
    """What the admin may choose."""

    extension: str = "200"
    """The scheduling extension: where callers are handed over."""
    dial: str = ""
    """Its device; empty: PJSIP/<extension>."""
    number: str = "700"
    """Dialled inside to reach the booking; needs `context`."""
    context: str = ""
    """The context of the phones; empty: FreePBX's own for additions, and none on a plain Asterisk."""
    program: str = PROGRAM
    fastagi_port: int = 4573

    @property
    def device(self) -> str:
        return self.dial or f"PJSIP/{self.extension}"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Passwords of the application's accounts, kept in the two env files."""

    ari: str
    ami: str
    sentinel: str


def plan(pbx: Pbx, choices: Choices) -> Plan:
    """Everything that is to be there; raises BadInput where it can't be put beside what is."""
    _check(choices)
    _refuse_conflicts(pbx, choices)
    secrets = _secrets(pbx.prefix)
    hashed = crypt_hash(secrets.ari)
    wanted = [
        *_dialplan(pbx, choices),
        *_http(pbx),
        *_ari(pbx, hashed),
        *_ami(pbx, secrets),
        *_security_log(pbx),
        *_application(pbx, choices, secrets),
    ]
    made = plan_install(pbx.prefix, wanted, secrets=(secrets.ari, secrets.ami, secrets.sentinel, hashed))
    return Plan(made.changes, made.record, (*made.notes, *_notes(pbx, choices)), made.secrets)


def _check(choices: Choices) -> None:
    patterns = {
        "--extension": (choices.extension, r"[0-9A-Za-z_-]{1,40}"),
        "--dial": (choices.device, r"[A-Za-z0-9]+/[\w@.&/:+-]{1,200}"),
        "--number": (choices.number, r"[0-9*#]{1,20}"),
        "--context": (choices.context, r"[\w-]{0,79}"),
        "--program": (choices.program, r"/[\w./@+-]+"),
    }
    for option, (value, pattern) in patterns.items():
        if not re.fullmatch(pattern, value):
            raise BadInput(f'{option} "{value}" can\'t stand in a configuration file')


def _refuse_conflicts(pbx: Pbx, choices: Choices) -> None:
    """Two things of one name would become one: better to stop."""
    taken = [
        *(("extensions.conf", name) for name in CONTEXTS if name in pbx.read("extensions.conf").sections),
        *(("ari.conf", name) for name in ("booking",) if name in pbx.read("ari.conf").sections),
        *(("manager.conf", name) for name in ("ari_app", "sentinel") if name in pbx.read("manager.conf").sections),
    ]
    if taken:
        where, name = taken[0]
        raise BadInput(f"{pbx.prefix / pbx.etc / where} has a [{name}] of its own: rename it, then install")
    context = _number_context(pbx, choices)
    pattern = re.compile(rf"{re.escape(choices.number)}\s*,")
    for each in pbx.read("extensions.conf").variables:
        if context and each.section == context and each.key == "exten" and pattern.match(each.value):
            raise BadInput(f"{choices.number} is in use in [{context}]: choose another with --number")


# --- Asterisk


def _dialplan(pbx: Pbx, choices: Choices) -> Iterator[Wanted]:
    folder = shipped("dialplan")
    names = ["booking.conf", "fallback.conf"]
    if "messages" not in pbx.read("extensions.conf").sections:
        names.append("messages.conf")
    for name in names:
        text = (folder / name).read_text("utf-8")
        yield pbx.own(name, text.replace("agi://127.0.0.1:4573/", f"agi://127.0.0.1:{choices.fastagi_port}/"))
    yield pbx.own("handoff.conf", _handoff(choices), is_kept=True)
    yield from pbx.added("extensions.conf", _extensions(pbx, choices, (*names, "handoff.conf")))


def _handoff(choices: Choices) -> str:
    """The shipped file with this PBX's extension in place of the lab's."""
    text, count = re.subn(
        r"^exten => \d+,hint,.*$",
        f"exten => {choices.extension},hint,{choices.device}",
        text_of("dialplan/handoff.conf"),
        flags=re.MULTILINE,
    )
    if count != 1:
        raise BadInput("dialplan/handoff.conf has no hint to be replaced: install ari_app again")
    return text


def _extensions(pbx: Pbx, choices: Choices, names: tuple[str, ...]) -> str:
    dialplan = pbx.read("extensions.conf")
    lines = [
        "; ari_app's part of the dialplan. FALLBACK_QUEUE and FALLBACK_MAILBOX may be set here as well.",
        "",
        _header(dialplan, "globals"),
        f"FALLBACK_EXTENSION = {choices.extension}",
        "BOOKING_WITHOUT_ROUTE = human",
        "",
        *(f'#include "ari_app/{name}"' for name in sorted(names)),
    ]
    if context := _number_context(pbx, choices):
        lines += ["", _header(dialplan, context), f"exten => {choices.number},1,Goto({_entrance(pbx)},s,1)"]
    return "\n".join(lines) + "\n"


def _number_context(pbx: Pbx, choices: Choices) -> str:
    return choices.context or ("from-internal-custom" if pbx.is_freepbx else "")


def _entrance(pbx: Pbx) -> str:
    """[booking] asks all workers; an Asterisk without StasisBroadcast knows one."""
    return "booking" if pbx.modules is None or BROADCAST in pbx.modules else "booking-plain"


def _http(pbx: Pbx) -> Iterator[Wanted]:
    """The HTTP server, only what it lacks."""
    there = pbx.read("http.conf")
    lines = []
    if not there.is_true("general", "enabled", default=False):
        lines += ["enabled = yes"]
    if not there.value("general", "bindaddr"):
        lines += ["bindaddr = 127.0.0.1"]
    if _number(there.value("general", "sessionlimit"), 100) < SESSION_LIMIT:
        lines += ["; One socket for each call, one for each worker.", f"sessionlimit = {SESSION_LIMIT}"]
    if lines:
        text = ["; What ARI and its media sockets need of the HTTP server.", "", _header(there, "general"), *lines]
        yield from pbx.added("http.conf", "\n".join(text) + "\n")


def _ari(pbx: Pbx, hashed: str) -> Iterator[Wanted]:
    there = pbx.read("ari.conf")
    lines = ["; ari_app's ARI user: from this machine only, its password kept as a hash.", ""]
    if not there.is_true("general", "enabled", default=True):
        lines += [_header(there, "general"), "enabled = yes", ""]
    if "general" not in there.sections:
        lines += ["[general]", "enabled = yes", ""]
    lines += ["[booking]", "type = user", "read_only = no", *_loopback_only(pbx)]
    lines += ["password_format = crypt", f"password = {hashed}"]
    yield from pbx.added("ari.conf", "\n".join(lines) + "\n")


def _ami(pbx: Pbx, secrets: Secrets) -> Iterator[Wanted]:
    """The two users of asterisk-config/manager.conf, each with its own password."""
    there = pbx.read("manager.conf")
    lines = ["; ari_app's AMI users: the least rights that serve, from this machine only.", ""]
    if not there.is_true("general", "enabled", default=False):
        lines += [_header(there, "general"), "enabled = yes", "bindaddr = 127.0.0.1", ""]
    for name, secret in (("ari_app", secrets.ami), ("sentinel", secrets.sentinel)):
        given = _section(text_of("asterisk-config/manager.conf"), name).replace(
            "acl = loopback", "\n".join(_loopback_only(pbx))
        )
        lines += [given, f"secret = {secret}", ""]
    yield from pbx.added("manager.conf", "\n".join(lines).rstrip("\n") + "\n")


def _section(text: str, name: str) -> str:
    """[name] and its lines, without comments."""
    _, _, rest = text.partition(f"\n[{name}]\n")
    body = re.split(r"^(?:\[|#)", rest, maxsplit=1, flags=re.MULTILINE)[0]
    kept = [line for line in body.splitlines() if line.strip() and not line.startswith(";")]
    return "\n".join([f"[{name}]", *kept])


def _loopback_only(pbx: Pbx) -> list[str]:
    lines = ["deny = 0.0.0.0/0.0.0.0", "deny = ::/0", "permit = 127.0.0.1/255.255.255.255"]
    address = pbx.read("http.conf").value("general", "bindaddr") or ""
    if address and address not in LOOPBACKS:
        lines.append(f"permit = {address}/{'128' if ':' in address else '255.255.255.255'}")
    return lines


def _security_log(pbx: Pbx) -> Iterator[Wanted]:
    """A log of failed logins, where there isn't one, and fail2ban to read it, where that is installed."""
    there = pbx.read("logger.conf")
    existing = [
        each.key
        for each in there.variables
        if each.section == "logfiles" and each.key != "console" and re.search(r"\bsecurity\b|\*", each.value)
    ]
    name = existing[0] if existing else "security.log"
    if not existing:
        text = ["; Failed logins, for fail2ban.", "", _header(there, "logfiles"), f"{name} => security"]
        yield from pbx.added("logger.conf", "\n".join(text) + "\n")
    path = name if name.startswith("/") else f"/var/log/asterisk/{name}"
    if not existing and not _is_rotated(pbx.prefix, path):
        yield OwnFile("etc/logrotate.d/ari_app", _logrotate(path))
    if (pbx.prefix / "etc/fail2ban").is_dir():
        yield OwnFile(
            "etc/fail2ban/filter.d/ari-app-asterisk.conf", text_of("asterisk-config/fail2ban/asterisk.filter.conf")
        )
        jail = text_of("asterisk-config/fail2ban/asterisk.jail.conf")
        jail = jail.replace("/var/log/asterisk/security.log", path)
        yield OwnFile("etc/fail2ban/jail.d/ari-app-asterisk.conf", jail)


def _is_rotated(prefix: Path, log: str) -> bool:
    """Whether a logrotate file names this log, or all beside it: two that do are an error of logrotate's."""
    names = (log, "/var/log/asterisk/*.log", "/var/log/asterisk/*")
    for path in sorted((prefix / "etc/logrotate.d").glob("*")):
        if path.name != "ari_app" and path.is_file():
            words = path.read_text("utf-8", "replace").split()
            if any(name in words for name in names):
                return True
    return False


def _logrotate(log: str) -> str:
    return f"""# The log that `ari-app install` turned on.
{log} {{
    weekly
    rotate 4
    missingok
    notifempty
    compress
    delaycompress
    postrotate
        asterisk -rx 'logger reload' >/dev/null 2>&1 || true
    endscript
}}
"""


# --- the application


def _application(pbx: Pbx, choices: Choices, secrets: Secrets) -> Iterator[Wanted]:
    yield OwnFile(SETTINGS, _settings(pbx, choices), is_kept=True)
    worker = f"ARI_APP_ARI__PASSWORD={secrets.ari}\nARI_APP_AMI__PASSWORD={secrets.ami}\nARI_APP_CALDAV__PASSWORD=\n"
    yield OwnFile(WORKER_ENV, worker, mode=0o600, is_kept=True)
    yield OwnFile(SENTINEL_ENV, f"ARI_APP_SENTINEL__AMI_PASSWORD={secrets.sentinel}\n", mode=0o600, is_kept=True)
    for unit in ("ari-app@.service", "ari-app-sentinel.service"):
        text = text_of(f"docker/systemd/{unit}").replace(PROGRAM, choices.program)
        yield OwnFile(f"etc/systemd/system/{unit}", text.replace("# Install: README.md in this folder.\n", ""))
    sysusers = text_of("docker/systemd/ari-app.sysusers.conf")
    yield OwnFile("etc/sysusers.d/ari-app.conf", sysusers.replace("/usr/lib/sysusers.d", "/etc/sysusers.d"))


def _settings(pbx: Pbx, choices: Choices) -> str:
    """The sample business with this PBX's addresses."""
    http, manager = pbx.read("http.conf"), pbx.read("manager.conf")
    address = http.value("general", "bindaddr") or "127.0.0.1"
    host = "127.0.0.1" if address in LOOPBACKS else f"[{address}]" if ":" in address else address
    prefix = (http.value("general", "prefix") or "").strip("/")
    url = f"http://{host}:{_number(http.value('general', 'bindport'), 8088)}{'/' + prefix if prefix else ''}"
    business = _without_sections(
        text_of("docker/ari_app.toml"), {"caldav", "ari", "ami", "sms", "sms.sip_endpoints", "handoff", "callbacks"}
    )
    return f"""# Settings of ari_app. The business below is an example: put yours in its place, then run
#   ari-app check --config /{SETTINGS}
# Secrets never stand here: /{WORKER_ENV} and /{SENTINEL_ENV} hold them.

{business}
[caldav]
url = "http://127.0.0.1:5232/"
user = "ari"

[callbacks]
calendar = "ari/callbacks/"

[ari]
url = "{url}"
user = "booking"

[ami]
port = {_number(manager.value("general", "port"), 5038)}
user = "ari_app"

[sentinel]
ami_user = "sentinel"

[fastagi]
port = {choices.fastagi_port}

[handoff]
extension = "{choices.extension}"
allowed = ["{choices.extension}"]
endpoints = {{ "{choices.extension}" = "{choices.device}" }}

[speech]
recogniser = "{RECOGNISER}"
voice = "{VOICE}"

[store]
url = "sqlite:////var/lib/ari_app/ari_app.db"

[sms]
gateway = "none"
"""


def _without_sections(text: str, names: set[str]) -> str:
    """A TOML text without the comments at its head and without these tables."""
    kept: list[str] = []
    is_kept = False
    for line in text.splitlines():
        if header := re.fullmatch(r"\[+([\w.-]+)\]+\s*", line):
            is_kept = header[1] not in names
        if is_kept:
            kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"


def _secrets(prefix: Path) -> Secrets:
    """Those of an earlier run, else new ones."""
    worker, sentinel = _environment(prefix / WORKER_ENV), _environment(prefix / SENTINEL_ENV)
    wanted = {
        "ARI_APP_ARI__PASSWORD": (WORKER_ENV, worker),
        "ARI_APP_AMI__PASSWORD": (WORKER_ENV, worker),
        "ARI_APP_SENTINEL__AMI_PASSWORD": (SENTINEL_ENV, sentinel),
    }
    found: list[str] = []
    for key, (name, environment) in wanted.items():
        if environment is not None and not environment.get(key):
            raise BadInput(f"{prefix / name} has no {key}: add it, or remove the file and a new one is made")
        found.append(environment[key] if environment is not None else new_password())
    return Secrets(*found)


def _environment(path: Path) -> dict[str, str] | None:
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    except PermissionError as exc:
        raise BadInput(f"{path} can't be read: run it as root") from exc
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def _notes(pbx: Pbx, choices: Choices) -> Iterator[str]:
    address = pbx.read("http.conf").value("general", "bindaddr") or "127.0.0.1"
    if address not in {"127.0.0.1", "::1", "localhost"}:
        yield f"Asterisk's HTTP server listens at {address}, which others can reach: better bindaddr = 127.0.0.1"
    if (bound := pbx.read("manager.conf").value("general", "bindaddr") or "0.0.0.0") not in {"127.0.0.1", "::1"}:
        yield f"AMI listens at {bound}, which others can reach: better bindaddr = 127.0.0.1 in manager.conf"
    if pbx.modules is None:
        yield "Asterisk's modules weren't found below the prefix: `ari-app check` will tell whether any is missing"
    elif BROADCAST not in pbx.modules:
        yield f"no {BROADCAST} (Asterisk 22.7): calls go to [booking-plain], which knows one worker, booking-1"
    if not (pbx.prefix / "etc/fail2ban").is_dir():
        yield "fail2ban isn't installed: with it, install again for a jail that reads Asterisk's security log"
    if not _number_context(pbx, choices):
        line = f"exten => {choices.number},1,Goto({_entrance(pbx)},s,1)"
        yield f"no number reaches the booking yet: {line} in your phones' context"
    if choices.program.startswith(("/home/", "/root/", "/tmp/")):
        yield f"{choices.program} is hidden from the units (ProtectHome, PrivateTmp): install into /opt/ari_app"


def _header(there: Configuration, section: str) -> str:
    """`[section]`, written so that it adds to one that is there already."""
    return f"[{section}](+)" if section in there.sections else f"[{section}]"


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() else default
