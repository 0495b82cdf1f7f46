"""The wheel is whole: alone and far from a checkout it installs beside a PBX and knows its texts and grammars."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def must(command: list[str], cwd: Path | None = None, **environ: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    must([*PIP, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path) -> Path:
    """A folder with nothing but the installed wheel; the dependencies come from the tests' own environment."""
    target = wheel.parent / "site"
    must([*PIP, "install", "--no-deps", "--target", str(target), str(wheel)])
    return target


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS` that finds ari_app in the installed wheel only."""
    environ = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=site, env=environ, capture_output=True, text=True, check=False, timeout=120
    )


def test_it_installs_beside_a_pbx(site: Path, stock: Path) -> None:
    for _ in range(2):
        result = run(site, "-m", "ari_app", "install", "--prefix", str(stock), "--apply")
        assert result.returncode == 0, result.stderr
    assert "nothing to change" in result.stdout
    assert (stock / "etc/asterisk/ari_app/booking.conf").exists()


def test_it_is_the_wheel_that_runs(site: Path) -> None:
    assert str(site) in run(site, "-c", "import ari_app; print(ari_app.__file__)").stdout


@pytest.mark.parametrize("arguments", [("understand", "tuesday at three"), ("models", "list")], ids=str)
def test_its_data_came_along(site: Path, arguments: tuple[str, ...]) -> None:
    result = run(site, "-m", "ari_app", *arguments)
    assert result.returncode == 0, result.stderr


def test_the_database_migrates_from_the_wheel(site: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    result = run(site, "-c", f"from ari_app.store.migrate import migrate; print(migrate({url!r}))")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "new.db").exists()


def test_the_lab_says_that_it_needs_a_checkout(site: Path) -> None:
    result = run(site, "-c", "from ari_app.lab.places import checkout_dir; checkout_dir('calendar')")
    assert "runs from a checkout" in result.stderr


def test_an_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    tools, built = tmp_path / "tools", tmp_path / "built"
    must([*PIP, "install", "--target", str(tools), "hatchling>=1.27"])
    hatch = [sys.executable, "-m", "hatchling", "build", "-d", str(built), "-t"]
    must([*hatch, "sdist"], cwd=ROOT, PYTHONPATH=str(tools))
    sdist = next(built.glob("*.tar.gz"))
    must([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(built), str(sdist)], PYTHONPATH=str(tools))
    assert contents(next(built.glob("*.whl"))) == contents(wheel)


def contents(wheel: Path) -> dict[str, int]:
    """Each file's checksum; RECORD says the same once more."""
    with zipfile.ZipFile(wheel) as archive:
        return {each.filename: each.CRC for each in archive.infolist() if not each.filename.endswith("RECORD")}
