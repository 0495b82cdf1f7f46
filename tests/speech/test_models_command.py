import json

from click.testing import CliRunner

from ari_app.__main__ import cli
from ari_app.errors import BadInput


def run(*arguments: str):
    return CliRunner().invoke(cli, ["models", *arguments])


def test_list_tells_what_is_here_and_what_is_never_for_people():
    result = run("list")
    assert result.exit_code == 0
    assert "vosk-model-en-us-0.22-lgraph" in result.output
    assert "LAB ONLY, never for people" in result.output
    assert "CC-BY-4.0" in result.output


def test_list_is_readable_by_programs():
    models = {model["name"]: model for model in json.loads(run("list", "--json").output)["models"]}
    assert models["lab-en-us"]["in_use"]
    assert models["lab-en-us"]["path"].endswith("lab-en-us")
    assert models["en_GB-alba-medium"]["files"][0]["sha256"].startswith("4013")


def test_unknown_model_is_a_users_mistake():
    result = run("pull", "parrot")
    assert isinstance(result.exception, BadInput)
    assert result.exception.exit_code == 2


def test_verify_of_an_empty_place_says_so_and_of_a_missing_model_fails(tmp_path):
    result = run("verify", "--models-dir", str(tmp_path))
    assert result.exit_code == 0
    assert "no pulled models" in result.output
    result = run("verify", "en_GB-alba-medium", "--models-dir", str(tmp_path), "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["ok"] is False


def test_help_gives_an_example():
    for command in ((), ("list",), ("pull",), ("verify",)):
        assert "Example:" in run(*command, "--help").output
