"""What the images install is what the application needs; no password stands in a file; the scripts are sound shell."""

import importlib.metadata
import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
SCRIPTS = sorted(DOCKER.glob("*.sh"))


def needed(requirement: str, found: set[str], extra: str = "") -> None:
    """Add a requirement and all that it requires on this Python."""
    parsed = Requirement(requirement)
    name = canonicalize_name(parsed.name)
    if (parsed.marker and not parsed.marker.evaluate({"extra": extra})) or name in found:
        return
    found.add(name)
    for below in importlib.metadata.requires(name) or []:
        needed(below, found)
        for each in parsed.extras:
            needed(below, found, each)


def test_the_images_install_all_that_is_needed_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    radicale = [each for each in project["optional-dependencies"]["lab"] if each.startswith("radicale")]
    expected: set[str] = set()
    for requirement in project["dependencies"] + radicale:
        needed(requirement, expected)
    listed = {
        line for line in (DOCKER / "packages.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")
    }
    assert listed == expected


def test_each_package_is_pinned_by_hash(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    picked = subprocess.run(
        ["sh", str(DOCKER / "pick.sh"), str(DOCKER / "packages.txt"), str(ROOT / "constraints.txt")],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    requirements = re.split(r"\n(?=\S)", picked.strip())
    assert all("--hash=sha256:" in each for each in requirements)
    assert not {each.partition("==")[0] for each in requirements} & {"mypy", "ruff", "pytest", "matplotlib"}


def test_a_package_that_is_not_pinned_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "names").write_text("no-such-package\n", "utf-8")
    result = subprocess.run(
        ["sh", str(DOCKER / "pick.sh"), "names", str(ROOT / "constraints.txt")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "no-such-package is not in the constraints" in result.stderr


def test_passwords_are_made_at_random_and_for_one_pair_of_eyes(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        path = tmp_path / name
        environ = {**os.environ, "ENV_FILE": str(path)}
        subprocess.run(["sh", str(DOCKER / "make-env.sh"), "--scale"], env=environ, check=True, capture_output=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        made += re.findall(r"^LAB_\w+=([0-9a-f]{40})$", path.read_text("utf-8"), re.M)
    assert len(made) == len(set(made)) == 24


def test_compose_asks_for_every_password_that_is_made_and_holds_none(tmp_path: Path) -> None:
    path = tmp_path / "env"
    environ = {**os.environ, "ENV_FILE": str(path)}
    subprocess.run(["sh", str(DOCKER / "make-env.sh")], env=environ, check=True, capture_output=True)
    made = set(re.findall(r"^(LAB_\w+)=", path.read_text("utf-8"), re.M))
    text = (DOCKER / "compose.yaml").read_text("utf-8")
    assert set(re.findall(r"\$\{(LAB_\w+):\?", text)) == made
    for service in yaml.safe_load(text)["services"].values():
        for key, value in (service.get("environment") or {}).items():
            if "PASSWORD" in key or key.startswith(("PHONE_", "AMI_", "LAB_")):
                assert value.startswith("${LAB_"), key


def test_no_container_has_more_rights_than_it_needs() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]
    for name in ("asterisk", "calendar", "sentinel", "app", "app-2", "app-3", "phones", "demo"):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse_and_stop_at_the_first_error(path: Path) -> None:
    text = path.read_text("utf-8")
    shell = "bash" if text.startswith(("#!/bin/bash", "#!/usr/bin/env bash")) else "sh"
    subprocess.run([shell, "-n", str(path)], check=True)
    assert re.search(r"^set -eu", text, re.M)
    assert path.stat().st_mode & 0o100
