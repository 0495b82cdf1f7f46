"""The jail's filter finds a guesser's address in Asterisk's security log, in each form of its dates.

fail2ban cuts the date that `datepattern` found out of a line before `failregex` sees what is left.
"""

import os
import re
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from ari_app.lab.places import cache_dir

FOLDER = Path(__file__).resolve().parents[2] / "asterisk-config/fail2ban"
FILTER = FOLDER / "asterisk.filter.conf"
CODES = {
    "%%Y": r"\d{4}",
    "%%m": r"\d\d",
    "%%b": r"[A-Z][a-z]{2}",
    "%%d": r"\d\d",
    "%%H": r"\d\d",
    "%%M": r"\d\d",
    "%%S": r"\d\d",
}
DATES = {"stock": "Nov 28 06:13:03", "FreePBX": "2026-11-28 06:13:03", "lab": "2026-11-28 06:13:03.440"}
GUESSES = (
    'SecurityEvent="InvalidPassword",EventTV="2026-11-28T06:13:03.440+0000",Severity="Error",Service="AMI",EventVersion="2",'
    'AccountID="ari_app",SessionID="0x7f8ff80045b0",LocalAddress="IPV4/TCP/127.0.0.1/5038",'
    'RemoteAddress="IPV4/TCP/192.0.2.7/36756",SessionTV="1970-01-01T00:00:00.000+0000"',
    'SecurityEvent="ChallengeResponseFailed",EventTV="2026-11-28T06:13:03.440+0000",Severity="Error",Service="PJSIP",'
    'EventVersion="1",AccountID="softphone-2",SessionID="a1",LocalAddress="IPV4/UDP/127.0.0.1/5060",'
    'RemoteAddress="IPV4/UDP/192.0.2.7/5999",Challenge="",Response="",ExpectedResponse=""',
)
BLAMELESS = (
    'SecurityEvent="ChallengeSent",EventTV="2026-11-28T06:13:03.440+0000",Severity="Informational",Service="PJSIP",'
    'EventVersion="1",AccountID="softphone-1",SessionID="a1",LocalAddress="IPV4/UDP/127.0.0.1/5060",'
    'RemoteAddress="IPV4/UDP/192.0.2.7/5160",Challenge=""'
)


def logged(date: str, event: str) -> str:
    return f"[{date}] SECURITY[127] res_security_log.c: {event}"


def addresses(line: str) -> list[str]:
    """Whom fail2ban would blame: the date found and cut out, then the expression searched."""
    text = FILTER.read_text("utf-8")
    dates = re.search(r"^datepattern = ((?:.+\n?)(?:\s+\S.*\n?)*)", text, re.MULTILINE)
    failure = re.search(r"^failregex = (.+)$", text, re.MULTILINE)
    assert dates is not None
    assert failure is not None
    for pattern in dates[1].split("\n"):
        expression = pattern.strip()
        for code, digits in CODES.items():
            expression = expression.replace(code, digits)
        if expression and (found := re.search(expression, line)):
            rest = line[: found.start()] + line[found.end() :]
            return re.findall(failure[1].replace("<HOST>", r"([\d.]+)"), rest)
    return []


@pytest.mark.parametrize("date", DATES.values(), ids=DATES)
def test_a_guesser_is_blamed_and_nobody_else(date: str) -> None:
    for guess in GUESSES:
        assert addresses(logged(date, guess)) == ["192.0.2.7"]
    assert addresses(logged(date, BLAMELESS)) == []


@pytest.mark.parametrize("date", DATES.values(), ids=DATES)
def test_fail2ban_itself_reads_it_so(date: str, tmp_path: Path) -> None:
    log = tmp_path / "security.log"
    log.write_text("".join(logged(date, event) + "\n" for event in (*GUESSES, BLAMELESS)), "utf-8")
    unpacked = cache_dir() / "fail2ban"
    regex, settings = unpacked / "usr/bin/fail2ban-regex", unpacked / "etc/fail2ban"
    assert regex.exists(), "run `make setup`"
    told = subprocess.run(
        ["/usr/bin/python3", regex, "--config", settings, log, FILTER],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(unpacked / "usr/lib/python3/dist-packages")},
    ).stdout  # fmt: skip
    assert "Lines: 3 lines, 0 ignored, 2 matched, 1 missed" in told
    assert re.search(r"\[3\] \^\\\[(?:MON|Year)", told), "the date was not read"


def test_who_is_banned_is_banned_by_udp_too() -> None:
    """SIP's guesses come by UDP; fail2ban's own default is TCP alone."""
    jail = ConfigParser()
    jail.read(FOLDER / "asterisk.jail.conf", "utf-8")
    assert set(jail["ari-app-asterisk"]["protocol"].split(",")) == {"tcp", "udp"}
