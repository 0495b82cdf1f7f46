"""The wheel is whole: alone and far from a checkout it installs beside a PBX and knows its texts and grammars."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel; the dependencies come from the tests' own environment."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr[-2000:]
    wheel = next(folder.glob("*.whl"))
    target = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
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
