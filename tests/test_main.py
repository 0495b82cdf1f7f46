"""The command line: lazy, one clear line for a mistake, the promised exit codes."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ari_app import __main__, __version__
from ari_app.__main__ import COMMANDS, LazyGroup, cli
from ari_app.cli.sentinel import own_ami
from ari_app.config import Settings
from ari_app.errors import BadInput, LabError


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ari_app", *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_help_lists_every_command_without_importing_one() -> None:
    code = "import sys; from ari_app.__main__ import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name, summary in COMMANDS.items():
        assert name in shown
        assert summary.split()[0] in shown
    loaded = shown.splitlines()[-1].split()
    assert not [name for name in loaded if name.startswith("ari_app.cli.")]
    assert {"pydantic", "aiohttp", "sqlalchemy", "vosk"}.isdisjoint(loaded)


def test_the_version_is_the_packages() -> None:
    assert __version__ in CliRunner().invoke(cli, ["--version"]).output


def test_an_unknown_command_is_wrong_use() -> None:
    result = run("frobnicate")
    assert result.returncode == 2
    assert "frobnicate" in result.stderr


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_is_a_click_command_named_command(name: str) -> None:
    found = importlib.util.find_spec(f"ari_app.cli.{name}")
    assert found is not None
    assert found.origin is not None
    tree = ast.parse(Path(found.origin).read_text("utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    targets = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert "command" in names | targets


def test_a_module_without_a_command_is_our_bug_and_says_so() -> None:
    group = LazyGroup("ari_app", {"errors": "no command here"}, name="x")
    with pytest.raises(AttributeError):
        group.get_command(click.Context(group), "errors")


@pytest.mark.parametrize(("error", "code"), [(BadInput("no such lab: run `ari-app lab up`"), 2), (LabError("x"), 1)])
def test_a_users_mistake_is_one_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BadInput, code: int
) -> None:
    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(__main__, "cli", command)
    monkeypatch.setattr(sys, "argv", ["ari-app"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == f"ari-app: {error}\n"


def test_a_wrong_settings_file_is_one_line_and_exit_two(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("[ami]\nport = 99999\n")
    result = run("sentinel", "--config", str(path))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"{path}: ami.port" in result.stderr


def test_asking_a_sentinel_that_does_not_run_is_one_line_and_exit_two(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f'[sentinel]\nsocket = "{tmp_path}/s.sock"\n')
    result = run("sentinel", "--status", "--config", str(path))
    assert result.returncode == 2
    assert "start `ari-app sentinel`" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_sentinel_logs_in_as_its_own_ami_user_where_it_has_one() -> None:
    ami = {"user": "ari_app", "password": "a"}
    assert own_ami(Settings.model_validate({"ami": ami})).user == "ari_app"
    own = own_ami(Settings.model_validate({"ami": ami, "sentinel": {"ami_user": "s", "ami_password": "b"}}))
    assert (own.user, own.password.get_secret_value()) == ("s", "b")
