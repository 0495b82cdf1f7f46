"""An installation shows itself first, adds and never overwrites, changes nothing twice, and goes as it came."""

import json
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ari_app.config import load_settings
from ari_app.errors import BadInput
from ari_app.speech.models import known_model

Install = Callable[..., Result]


def snapshot(prefix: Path) -> dict[str, tuple[int, bytes]]:
    """Every file's mode and content, and every folder."""
    found: dict[str, tuple[int, bytes]] = {}
    for path in sorted((prefix / "etc").rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        found[str(path.relative_to(prefix))] = (mode, path.read_bytes() if path.is_file() else b"")
    return found


@pytest.fixture(params=["stock", "freepbx"])
def prefix(request: pytest.FixtureRequest) -> Path:
    """Each kind of system in turn."""
    found: Path = request.getfixturevalue(request.param)
    return found


def test_dry_run_changes_nothing_and_hides_the_passwords(prefix: Path, install: Install) -> None:
    before = snapshot(prefix)
    shown = install(prefix).output
    assert snapshot(prefix) == before
    assert "+[sentinel]" in shown
    assert "would change" in shown
    assert re.findall(r"^\+(?:ARI_APP_ARI__PASSWORD=|secret = |password = )(.*)$", shown, re.M) == ["********"] * 4


def test_twice_changes_nothing_more(prefix: Path, install: Install) -> None:
    install(prefix, "--apply")
    once = snapshot(prefix)
    assert "nothing to change" in install(prefix, "--apply").output
    assert snapshot(prefix) == once


def test_uninstall_takes_back_exactly_what_was_added(prefix: Path, install: Install) -> None:
    before = snapshot(prefix)
    install(prefix, "--apply")
    install(prefix, "--uninstall", "--dry-run")
    assert snapshot(prefix) != before
    install(prefix, "--uninstall")
    assert snapshot(prefix) == before


def test_no_line_of_the_pbx_is_lost_or_moved(prefix: Path, install: Install) -> None:
    before = snapshot(prefix)
    install(prefix, "--apply")
    after = snapshot(prefix)
    for path, (mode, content) in before.items():
        assert after[path][0] == mode
        assert after[path][1].startswith(content), path


def test_freepbx_writes_its_own_files_alone(freepbx: Path, install: Install) -> None:
    changed = json.loads(install(freepbx, "--json").output)
    assert changed["pbx"] == "FreePBX"
    edited = {Path(each["path"]).name for each in changed["changes"] if each["what"] == "edit"}
    assert edited == {"extensions_custom.conf", "manager_custom.conf", "ari_additional_custom.conf", "http_custom.conf"}


def test_freepbx_reaches_the_booking_by_its_own_hook(freepbx: Path, install: Install) -> None:
    install(freepbx, "--number", "750", "--apply")
    text = (freepbx / "etc/asterisk/ari_app/extensions.conf").read_text("utf-8")
    assert "[from-internal-custom](+)\nexten => 750,1,Goto(booking,s,1)" in text


def test_debians_drop_in_folder_is_used(stock: Path, install: Install) -> None:
    install(stock, "--apply")
    assert (stock / "etc/asterisk/manager.d/ari_app.conf").exists()
    assert "ari_app" not in (stock / "etc/asterisk/manager.conf").read_text("utf-8")


def test_secrets_are_for_few_eyes_and_differ_from_one_installation_to_the_next(
    stock: Path, freepbx: Path, install: Install
) -> None:
    passwords = []
    for prefix in (stock, freepbx):
        install(prefix, "--apply")
        for name in ("worker.env", "sentinel.env"):
            path = prefix / "etc/ari_app" / name
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            passwords += re.findall(r"PASSWORD=(\w+)$", path.read_text("utf-8"), re.M)
        for path in (prefix / "etc/asterisk/ari_app").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert len(passwords) == len(set(passwords)) == 6
    assert all(len(each) >= 32 for each in passwords)


def test_a_new_password_in_the_env_file_reaches_asterisk_with_the_next_run(stock: Path, install: Install) -> None:
    install(stock, "--apply")
    env, ari = stock / "etc/ari_app/worker.env", stock / "etc/asterisk/ari_app/ari.conf"
    before = ari.read_text("utf-8")
    env.write_text(re.sub("ARI__PASSWORD=.*", "ARI__PASSWORD=" + "f" * 40, env.read_text("utf-8")), "utf-8")
    install(stock, "--apply")
    assert ari.read_text("utf-8") != before
    assert "f" * 40 in env.read_text("utf-8")


def test_the_settings_can_be_loaded_and_point_at_this_pbx(stock: Path, install: Install) -> None:
    (stock / "etc/asterisk/http.conf").write_text("[general]\nbindaddr=127.0.0.1\nbindport=9099\nprefix=pbx\n", "utf-8")
    install(stock, "--extension", "31", "--dial", "PJSIP/desk", "--apply")
    settings = load_settings(stock / "etc/ari_app/ari_app.toml", {})
    assert settings.ari.url == "http://127.0.0.1:9099/pbx"
    assert settings.handoff.endpoints == {"31": "PJSIP/desk"}
    assert not any(known_model(name).is_lab_only for name in (settings.speech.recogniser, settings.speech.voice))
    assert "exten => 31,hint,PJSIP/desk" in (stock / "etc/asterisk/ari_app/handoff.conf").read_text("utf-8")


def test_what_the_admin_has_changed_is_kept(stock: Path, install: Install) -> None:
    install(stock, "--apply")
    kept = {
        "etc/ari_app/ari_app.toml": '[business]\nname = "Mine"\n',
        "etc/asterisk/ari_app/handoff.conf": "[handoff]\nexten => 300,hint,PJSIP/300\n",
        "etc/asterisk/ari_app/fallback.conf": "[fallback]\nexten => s,1,Hangup()\n",
    }
    for name, text in kept.items():
        (stock / name).write_text(text, "utf-8")
    again = install(stock, "--apply").output
    assert "nothing to change" in again
    assert "fallback.conf has been changed by hand" in again
    gone = install(stock, "--uninstall").output
    for name, text in kept.items():
        assert (stock / name).read_text("utf-8") == text
        assert f"{name} has been changed by hand: left where it is" in gone
    assert not (stock / "etc/asterisk/ari_app/booking.conf").exists()


def test_settings_that_were_there_stay_through_install_and_uninstall(stock: Path, install: Install) -> None:
    path = stock / "etc/ari_app/ari_app.toml"
    path.parent.mkdir()
    path.write_text('[business]\nname = "Mine"\n', "utf-8")
    before = snapshot(stock)
    assert "is there already: kept as it is" in install(stock, "--apply").output
    install(stock, "--uninstall")
    assert snapshot(stock) == before


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("extensions.conf", "[general]\n[fallback]\nexten => s,1,Hangup()\n", "[fallback]"),
        ("ari.conf", "[general]\n[booking]\ntype=user\n", "[booking]"),
        ("manager.conf", "[general]\nenabled=yes\n[sentinel]\nsecret=x\n", "[sentinel]"),
    ],
)
def test_a_name_that_is_taken_stops_it(stock: Path, install: Install, file: str, text: str, told: str) -> None:
    (stock / "etc/asterisk" / file).write_text(text, "utf-8")
    before = snapshot(stock)
    result = install(stock, "--apply", exit_code=2)
    assert isinstance(result.exception, BadInput)
    assert told in str(result.exception)
    assert snapshot(stock) == before


def test_a_number_in_use_stops_it(freepbx: Path, install: Install) -> None:
    result = install(freepbx, "--number", "1234", exit_code=2)
    assert "1234 is in use in [from-internal-custom]" in str(result.exception)


@pytest.mark.parametrize("option", ["--dial", "--extension", "--context", "--program"])
def test_nothing_is_smuggled_into_a_configuration_file(stock: Path, install: Install, option: str) -> None:
    result = install(stock, option, "x\n#exec /bin/sh", exit_code=2)
    assert "can't stand in a configuration file" in str(result.exception)


def test_an_asterisk_without_the_media_socket_is_refused(tmp_path: Path, install: Install) -> None:
    modules = tmp_path / "usr/lib/asterisk/modules"
    modules.mkdir(parents=True)
    (modules / "res_ari.so").touch()
    (tmp_path / "etc/asterisk").mkdir(parents=True)
    (tmp_path / "etc/asterisk/extensions.conf").write_text("[general]\n", "utf-8")
    result = install(tmp_path, exit_code=2)
    assert "chan_websocket.so" in str(result.exception)


def test_a_link_out_of_the_prefix_is_not_followed(stock: Path, tmp_path: Path, install: Install) -> None:
    outside = tmp_path / "outside.conf"
    outside.write_text("[general]\n", "utf-8")
    (stock / "etc/asterisk/ari.conf").unlink()
    (stock / "etc/asterisk/ari.conf").symlink_to(outside)
    result = install(stock, "--apply", exit_code=2)
    assert "leads out of" in str(result.exception)
    assert outside.read_text("utf-8") == "[general]\n"


def test_an_interrupted_run_can_be_taken_back(stock: Path, install: Install) -> None:
    before = snapshot(stock)
    install(stock, "--apply")
    (stock / "etc/systemd/system/ari-app@.service").unlink()
    (stock / "etc/asterisk/ari.conf").write_bytes(before["etc/asterisk/ari.conf"][1])
    install(stock, "--uninstall")
    left = snapshot(stock)
    left.pop("etc/systemd", None)
    left.pop("etc/systemd/system", None)
    assert left == before


def test_fail2ban_reads_the_log_that_is_there(freepbx: Path, stock: Path, install: Install) -> None:
    for prefix, log in ((freepbx, "/var/log/asterisk/fail2ban"), (stock, "/var/log/asterisk/security.log")):
        (prefix / "etc/fail2ban/jail.d").mkdir(parents=True)
        install(prefix, "--apply")
        jail = (prefix / "etc/fail2ban/jail.d/ari-app-asterisk.conf").read_text("utf-8")
        assert f"logpath  = {log}\n" in jail


def test_a_log_that_nobody_rotates_is_rotated(stock: Path, install: Install) -> None:
    (stock / "etc/logrotate.d/asterisk").unlink()
    install(stock, "--apply")
    assert (stock / "etc/logrotate.d/ari_app").read_text("utf-8").count("/var/log/asterisk/security.log {") == 1


def test_a_log_that_is_rotated_already_is_not_named_twice(stock: Path, install: Install) -> None:
    install(stock, "--apply")
    assert not (stock / "etc/logrotate.d/ari_app").exists()


def test_http_open_to_others_is_told(stock: Path, install: Install) -> None:
    (stock / "etc/asterisk/http.conf").write_text("[general]\nenabled=yes\nbindaddr=0.0.0.0\n", "utf-8")
    assert "HTTP server listens at 0.0.0.0" in install(stock).output


def test_units_are_valid_and_hardened(stock: Path, install: Install, tmp_path: Path) -> None:
    program = tmp_path / "ari-app"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    install(stock, "--program", str(program), "--apply")
    for name in ("ari-app@.service", "ari-app-sentinel.service"):
        unit = stock / "etc/systemd/system" / name
        assert f"ExecStart={program} " in unit.read_text("utf-8")
        checked = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--threshold=40", str(unit)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stdout[-300:] + checked.stderr
        verified = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
        )
        complaints = [line for line in verified.stderr.splitlines() if "ari-app" in line]  # other units may have theirs
        assert (verified.returncode, complaints) == (0, [])
