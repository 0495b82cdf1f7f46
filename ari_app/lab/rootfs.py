"""Asterisk 22 without Docker and without root: Debian's packages, unpacked into a folder of the cache.

Debian 12 has no Asterisk; a later Debian has. mmdebstrap fetches its packages, checks the archive's signature and
extracts them (variant `extract`: no maintainer script runs, so no privilege is needed). Asterisk then runs through the
root's own dynamic loader: no chroot, no namespace, its files where they lie, the host's C library left alone.

    python -m ari_app.lab.rootfs        unpack, if it isn't there yet
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ari_app.errors import AriAppError, LabError
from ari_app.lab.places import cache_dir

SUITE = "forky"
PACKAGES = (
    "asterisk",
    "asterisk-modules",
    "asterisk-core-sounds-en-wav",
    "asterisk-moh-opsound-wav",
    "libc6",
)
MINIMUM = (22, 7)
"""StasisBroadcast came with 22.7."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
EXPIRED = re.compile(r"is expired|is not valid yet")

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AsteriskRoot:
    """An unpacked root that holds a working Asterisk."""

    path: Path
    version: str

    @property
    def data(self) -> Path:
        return self.path / "usr/share/asterisk"

    @property
    def modules(self) -> Path:
        return self._library_dir() / "asterisk/modules"

    def command(self, *arguments: str) -> list[str]:
        """The argument vector that runs this root's Asterisk on this machine."""
        return [*_loader(self.path), str(self.path / "usr/sbin/asterisk"), *arguments]

    def _library_dir(self) -> Path:
        return Path(_loader(self.path)[2])


def root_dir() -> Path:
    """Where the root is or will be."""
    return cache_dir() / "asterisk"


def installed(path: Path | None = None) -> AsteriskRoot | None:
    """The root, if it has been unpacked whole; None if not."""
    path = path or root_dir()
    try:
        version = (path / ".version").read_text("utf-8").strip()
    except OSError:
        return None
    return AsteriskRoot(path, version)


def require(path: Path | None = None) -> AsteriskRoot:
    """The root; raises LabError where it is missing."""
    found = installed(path)
    if found is None:
        raise LabError(f"Asterisk isn't unpacked at {path or root_dir()}: run `make setup`")
    return found


def install(report: Report, path: Path | None = None) -> AsteriskRoot:
    """Unpack the root if it isn't there; raises LabError. An interrupted run leaves nothing half done."""
    path = path or root_dir()
    if found := installed(path):
        return found
    _require_tools()
    part = path.with_name(path.name + ".part")
    _remove(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    _extract(part, report)
    _link_sounds(part)
    version = _working_version(part)
    (part / ".version").write_text(version + "\n", "utf-8")
    _remove(path)
    part.rename(path)
    report(f"Asterisk {version} is ready at {path}")
    return AsteriskRoot(path, version)


def _require_tools() -> None:
    if shutil.which("mmdebstrap") is None:
        raise LabError("mmdebstrap is missing: apt-get install mmdebstrap")
    if not KEYRING.exists():
        raise LabError(f"{KEYRING} is missing: apt-get install debian-archive-keyring")


def _extract(part: Path, report: Report) -> None:
    """mmdebstrap, plainly; only where the archive says that its Release file has expired, without that one check."""
    output = _mmdebstrap(part, [], report)
    if output is not None and EXPIRED.search(output):
        report("the archive's Release file has expired (an archive snapshot): trying without the date check")
        _remove(part)
        output = _mmdebstrap(part, ['--aptopt=Acquire::Check-Valid-Until "false"'], report)
    if output is not None:
        _remove(part)
        raise LabError(f"mmdebstrap could not fetch Asterisk from Debian {SUITE}: {_last_error(output)}")


def _mmdebstrap(part: Path, options: Sequence[str], report: Report) -> str | None:
    """None when it went well, else all it said. Its own lines are shown as progress."""
    command = ["mmdebstrap", "--mode=chrootless", "--variant=extract", f"--include={','.join(PACKAGES)}"]
    command += [f"--keyring={KEYRING}", *options, SUITE, str(part)]
    started, lines = time.monotonic(), []
    environ = {**os.environ, "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith("I: ") and not line.startswith("I: main()"):
                report(f"{line[3:].strip()} [{time.monotonic() - started:.0f} s]")
    return None if process.returncode == 0 else "".join(lines)


def _last_error(output: str) -> str:
    """The first line of blame, which is nearest to the cause."""
    blamed = [line for line in output.splitlines() if line.startswith(("E: ", "Err:", "W: Failed"))]
    text = (blamed or output.splitlines() or ["it said nothing"])[0].strip()
    if re.search(r"resolve|Connection|connect|timed out", output, re.IGNORECASE):
        return f"{text} (is the network there, and a proxy set in http_proxy if one is needed?)"
    return text


def _link_sounds(root: Path) -> None:
    """What Debian's maintainer scripts would link: the language `en`."""
    sounds = root / "usr/share/asterisk/sounds"
    voices = sorted(path.name for path in sounds.glob("en_*") if path.is_dir() and not path.is_symlink())
    if not voices:
        raise LabError(f"{sounds} holds no English prompts: remove {root} and run `make setup` again")
    link = sounds / "en"
    link.unlink(missing_ok=True)
    link.symlink_to(voices[0])


def _working_version(root: Path) -> str:
    """Run it once: what can't start now won't start later."""
    command = [*_loader(root), str(root / "usr/sbin/asterisk"), "-V"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if found := re.match(r"Asterisk (\d+)\.(\d+)\S*", result.stdout):
        if (int(found[1]), int(found[2])) < MINIMUM:
            raise LabError(f"Debian {SUITE} has {found[0]}: 22.7 or newer is needed (StasisBroadcast)")
        return found[0].removeprefix("Asterisk ")
    raise LabError(f"the unpacked Asterisk doesn't run: {(result.stderr or result.stdout).strip()[:200]}")


def _loader(root: Path) -> list[str]:
    found = sorted(root.glob("usr/lib/*/ld-linux*.so.*"))
    if not found:
        raise LabError(f"{root} holds no dynamic loader: remove it and run `make setup` again")
    return [str(found[0]), "--library-path", str(found[0].parent)]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)


def main() -> int:
    try:
        install(lambda line: print(f"  {line}", flush=True))
    except AriAppError as exc:
        print(f"asterisk: {exc}", file=sys.stderr)
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
