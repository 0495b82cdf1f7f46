"""Getting Asterisk: what is there stays, what fails says why in one line, a broken-off run leaves nothing half done."""

import stat
from pathlib import Path

import pytest

from ari_app.errors import LabError
from ari_app.lab import rootfs


def fake_mmdebstrap(folder: Path, script: str) -> None:
    program = folder / "mmdebstrap"
    program.write_text(f"#!/bin/bash\n{script}\n", "utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of PATH, for an archive that fails on demand."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_an_unpacked_root_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".version").write_text("22.10.1\n", "utf-8")
    found = rootfs.install(lambda _: None, tmp_path)
    assert (found.path, found.version) == (tmp_path, "22.10.1")


def test_a_missing_root_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="make setup"):
        rootfs.require(tmp_path / "none")


def test_no_network_is_told_in_one_line(tmp_path: Path, tools: Path) -> None:
    fake_mmdebstrap(tools, "echo 'I: running apt-get update...'; echo 'E: Could not resolve mirror.example'; exit 25")
    shown: list[str] = []
    with pytest.raises(LabError, match=r"Could not resolve .*is the network there") as failure:
        rootfs.install(shown.append, tmp_path / "root")
    assert "\n" not in str(failure.value)
    assert shown[0].startswith("running apt-get update...")
    assert not (tmp_path / "root.part").exists()


def test_only_an_expired_archive_is_tried_again_without_the_date_check(tmp_path: Path, tools: Path) -> None:
    log = f'echo "$@" >>{tmp_path}/calls'
    fake_mmdebstrap(tools, f"{log}; echo 'E: Release file is expired (invalid since 16d)'; exit 1")
    with pytest.raises(LabError, match="expired"):
        rootfs.install(lambda _: None, tmp_path / "root")
    calls = (tmp_path / "calls").read_text("utf-8").splitlines()
    assert ["Check-Valid-Until" in call for call in calls] == [False, True]

    (tmp_path / "calls").unlink()
    fake_mmdebstrap(tools, f"{log}; echo 'E: bad signature'; exit 1")
    with pytest.raises(LabError, match="bad signature"):
        rootfs.install(lambda _: None, tmp_path / "root")
    assert len((tmp_path / "calls").read_text("utf-8").splitlines()) == 1


def test_a_root_without_a_working_asterisk_is_not_kept(tmp_path: Path, tools: Path) -> None:
    fake_mmdebstrap(tools, 'mkdir -p "${@: -1}/usr/share/asterisk/sounds/en_US_f_Allison"')
    with pytest.raises(LabError, match="no dynamic loader"):
        rootfs.install(lambda _: None, tmp_path / "root")
    assert rootfs.installed(tmp_path / "root") is None
