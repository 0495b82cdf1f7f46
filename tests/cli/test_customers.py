import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ari_app.cli.customers import command
from ari_app.errors import BadInput


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ari_app.toml"
    path.write_text(f'[store]\nurl = "sqlite:///{tmp_path / "store.db"}"\n[business]\ncountry = "GB"\n')
    return path


def _run(config: Path, *words: str, answer: str = "") -> Result:
    result = CliRunner().invoke(command, [*words, "--config", str(config)], input=answer)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _import(config: Path, text: str, *words: str) -> Result:
    file = config.with_name("customers.csv")
    file.write_text(text)
    return _run(config, "import", str(file), *words)


def test_an_import_names_each_bad_line_and_takes_the_rest(config: Path) -> None:
    result = _import(config, "number;name;pin\n01632960001;Jane [bold]Doe;0815\nhello;Bob;\n01632960003;Cid;x\n")
    assert result.exit_code == 1
    assert 'line 3: "hello" is no telephone number' in result.output
    assert "line 4: its PIN must be 3 to 10 digits" in result.output
    assert "1 added, 0 brought up to date, 0 unchanged, 2 left out" in result.output
    again = _import(config, "number,name\n01632960001,Jane Smith\n", "--json")
    assert again.exit_code == 0
    assert json.loads(again.output) == {"added": 0, "updated": 1, "unchanged": 0, "problems": [], "left_out": 0}


def test_a_pin_is_never_shown(config: Path) -> None:
    _import(config, "number,name,pin\n01632960001,Jane [bold]Doe,0815\n")
    for words in (["list"], ["list", "--json"], ["show", "01632 960001"], ["show", "+441632960001", "--json"]):
        output = _run(config, *words).output
        assert "0815" not in output
        assert "Jane [bold]Doe" in output


def test_a_customer_is_found_and_forgotten_by_number(config: Path) -> None:
    _import(config, "number,name,born\n01632960001,Jane,17.05.1980\n")
    shown = json.loads(_run(config, "show", "(01632) 960-001", "--json").output)
    assert (shown["number"], shown["name"], shown["birth_year"], shown["has_pin"]) == (
        "+441632960001",
        "Jane",
        1980,
        False,
    )
    assert _run(config, "delete", "01632960001", answer="n\n").exit_code == 1
    assert _run(config, "delete", "01632960001", answer="y\n").exit_code == 0
    assert _run(config, "show", "01632960001").exit_code == 1
    assert _run(config, "delete", "01632960001", "--yes", "--json").exit_code == 1


def test_mistakes_are_told_in_one_line(config: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        _run(config, "import", str(tmp_path / "none.csv"))
    _import(config, "number,name\n01632960001,Jane\n")
    with pytest.raises(BadInput, match='"hello" is no telephone number'):
        _run(config, "show", "hello")
    with pytest.raises(BadInput, match='no column "name"'):
        _import(config, "number\n")


def test_a_list_where_no_database_is_makes_none(config: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no database at"):
        _run(config, "list")
    assert not (tmp_path / "store.db").exists()


def test_a_long_list_goes_in_whole(config: Path) -> None:
    lines = "".join(f"+4416329{n:05},Customer {n}\n" for n in range(2000))
    result = _import(config, "number,name\n" + lines, "--json")
    assert json.loads(result.output)["added"] == 2000
