"""Each mistake in the settings is told by file, key and reason, in one line."""

from datetime import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.config import Settings, Span, load_settings
from ari_app.errors import ConfigInvalid

SAMPLE = Path(__file__).parents[1] / "docker" / "ari_app.toml"


def load(tmp_path: Path, text: str | bytes, **environ: str) -> Settings:
    path = tmp_path / "ari_app.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings(path, environ)


def mistake(tmp_path: Path, text: str | bytes, **environ: str) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, text, **environ)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return caught.value


def test_the_sample_that_is_shipped_is_right() -> None:
    settings = load_settings(SAMPLE, {})
    assert settings.services
    assert settings.resources


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Settings()


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ('[busines]\nname = "x"', "busines", "did you mean business?"),
        ('[business]\nnam = "x"', "business.nam", "did you mean name?"),
        ('[[services]]\nid = "a"\nname = "A"\nprices = "1"\nresources = ["b"]', "services.0.prices", "price?"),
        ("[turns]\nzzz = 1", "turns.zzz", "known: closed_silence_s"),
        ('business = "x"', "business", "dictionary"),
        ('[services]\nid = "a"', "services", "tuple"),
        ('[business]\ntimezone = "Mars/Olympus"', "business.timezone", 'write one like "Europe/London"'),
        ('[business]\ntimezone = "../../etc/passwd"', "business.timezone", "no time zone"),
        ("[business]\ntimezone = 3", "business.timezone", "string"),
        ('[business]\ncountry = "gb"', "business.country", "pattern"),
        ('[business]\nclosed_events = "("', "business.closed_events", "regular expression"),
        ('[business]\nclosed_on = ["25.12.2026"]', "business.closed_on.0", "date"),
        ('[business.hours]\nmon = ["17:00-09:00"]', "business.hours.mon.0", "ends before it starts"),
        ('[business.hours]\nmon = ["09:00"]', "business.hours.mon.0", 'write "09:00-17:30"'),
        ('[business.hours]\nmon = ["9-17"]', "business.hours.mon.0", 'write "09:00-17:30"'),
        ('[business.hours]\nmon = ["09:00-25:00"]', "business.hours.mon.0", 'write "09:00-17:30"'),
        ('[business.hours]\nmon = ["09:00Z-10:00"]', "business.hours.mon.0", 'write "09:00-17:30"'),
        ('[business.hours]\nmon = [{start = "09:00Z", end = "10:00"}]', "business.hours.mon.0", "no offset"),
        ('[business.hours]\nmon = ["09:00-12:00", "11:00-17:00"]', "business.hours.mon", "overlap"),
        ('[business.hours]\nmon = ["00:00-24:00", "11:00-17:00"]', "business.hours.mon", "overlap"),
        ('[business.hours]\nmonday = ["09:00-17:00"]', "business.hours.monday", "'mon', 'tue'"),
        ('[[resources]]\nid = "a"\nname = "A"\ncalendar = "a"\nbreaks.fri = ["x"]', "resources.0.breaks.fri.0", "span"),
        ('[[services]]\nid = "a"\nname = "A"\nresources = ["ghost"]', "services", 'needs resource "ghost"'),
        ('[[services]]\nid = "a"\nname = "A"\nresources = []', "services.0.resources", "at least one"),
        ('[[services]]\nid = "a"\nname = "A"\nresources = [["b"], []]', "services.0.resources", "at least one"),
        ('[[services]]\nid = "A b"\nname = "A"\nresources = ["b"]', "services.0.id", "pattern"),
        ("[turns]\nno_input_s = 0", "turns.no_input_s", "greater than 0"),
        ("[turns]\nno_input_s = inf", "turns.no_input_s", "finite"),
        ("[turns]\nno_input_s = nan", "turns.no_input_s", "finite"),
        ("[ami]\nport = 99999", "ami.port", "65535"),
        ('[ami]\nport = "http"', "ami.port", "integer"),
        ('[ari]\nurl = "127.0.0.1:8088"', "ari.url", "pattern"),
        ('[caldav]\nurl = "ftp://x/"', "caldav.url", "pattern"),
        ('[handoff]\nextension = "300"', "handoff", "handoff.allowed"),
        ('[handoff]\nallowed = ["200", "201,,tT"]', "handoff.allowed.1", "pattern"),
        ('[handoff]\nallowed = ["200", "${EXTEN}"]', "handoff.allowed.1", "pattern"),
        ('[sms]\ngateway = "pigeon"', "sms.gateway", "'sip', 'http', 'smpp' or 'none'"),
        ('[sms]\ngateway = "http"', "sms.url", "needs a URL"),
        ('[sms]\ngateway = "smpp"', "sms.host", "needs a host"),
        ("[sentinel]\nheartbeat_s = 1.4", "sentinel", "too slow"),
        ('[log]\nlevel = "loud"', "log.level", "'debug'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_file_key_and_reason(tmp_path: Path, text: str, key: str, reason: str) -> None:
    told = mistake(tmp_path, text)
    assert told.path == str(tmp_path / "ari_app.toml")
    assert told.key == key
    assert reason in told.reason


def test_two_of_one_id_are_refused(tmp_path: Path) -> None:
    resource = '[[resources]]\nid = "a"\nname = "A"\ncalendar = "a/"\n'
    service = '[[services]]\nid = "s"\nname = "S"\nresources = ["a"]\n'
    assert mistake(tmp_path, resource * 2).key == "resources"
    assert mistake(tmp_path, resource + service * 2).key == "services"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[business\n", "isn't TOML"),
        (b'[ari]\nuser = "a"\nuser = "b"\n', "isn't TOML"),
        (b'[business]\nname = "caf\xe9"\n', "isn't UTF-8"),
        (b"\x00", "isn't TOML"),
    ],
)
def test_a_file_that_is_no_toml_says_so(tmp_path: Path, content: bytes, reason: str) -> None:
    told = mistake(tmp_path, content)
    assert told.key == "(file)"
    assert reason in told.reason


def test_a_file_saved_by_a_windows_editor_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, b'\xef\xbb\xbf[ari]\r\nuser = "x"\r\n').ari.user == "x"


def test_a_file_that_is_missing_or_a_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="does not exist"):
        load_settings(tmp_path / "none.toml", {})
    with pytest.raises(ConfigInvalid, match="can't be read"):
        load_settings(tmp_path, {})


def test_the_file_is_found_by_argument_then_environment_then_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("argument", "environment", "ari_app"):
        (tmp_path / f"{name}.toml").write_text(f'[business]\nname = "{name}"')
    monkeypatch.chdir(tmp_path)
    environ = {"ARI_APP_CONFIG": str(tmp_path / "environment.toml")}
    assert load_settings(tmp_path / "argument.toml", environ).business.name == "argument"
    assert load_settings(None, environ).business.name == "environment"
    assert load_settings(None, {}).business.name == "ari_app"
    (tmp_path / "ari_app.toml").unlink()
    assert load_settings(None, {}) == Settings()


def test_a_secret_in_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    text = '[ari]\npassword = "file"\n[caldav]\npassword = "file"'
    settings = load(tmp_path, text, ARI_APP_ARI__PASSWORD="environment", ARI_APP_SMS__PASSWORD="new")
    assert settings.ari.password.get_secret_value() == "environment"
    assert settings.caldav.password.get_secret_value() == "file"
    assert settings.sms.password.get_secret_value() == "new"


def test_numbers_and_switches_may_come_from_the_environment_too(tmp_path: Path) -> None:
    settings = load(tmp_path, "", ARI_APP_AMI__PORT="5039", ARI_APP_CALLBACKS__AUTO="true", ARI_APP_WORKER__NAME="b-2")
    assert (settings.ami.port, settings.callbacks.auto, settings.worker.name) == (5039, True, "b-2")


def test_other_variables_are_not_settings(tmp_path: Path) -> None:
    assert load(tmp_path, "", ARI_APP_CACHE="/x", ARI_APP_LAB_PORT_OFFSET="3", PATH="/bin") == Settings()


@pytest.mark.parametrize("name", ["ARI_APP_ARI__PASWORD", "ARI_APP_ARIX__PASSWORD", "ARI_APP_AMI__PORT"])
def test_a_mistake_in_the_environment_names_the_variable_and_not_its_value(tmp_path: Path, name: str) -> None:
    told = mistake(tmp_path, "", **{name: "hunter2"})
    assert "hunter2" not in str(told)
    assert name in str(told) or "arix" in str(told)


@pytest.mark.parametrize(
    "text", ['[ari]\npassword = ["hunter2"]', "[sms]\npassword = 778899", '[console]\ntoken = {a = "hunter2"}']
)
def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path, text: str) -> None:
    told = str(mistake(tmp_path, text))
    assert "hunter2" not in told
    assert "778899" not in told


def test_no_secret_shows_in_the_settings_text(tmp_path: Path) -> None:
    settings = load(tmp_path, "", ARI_APP_ARI__PASSWORD="hunter2", ARI_APP_CONSOLE__TOKEN="hunter2")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


def test_a_day_ends_at_twenty_four_hundred_and_spans_come_in_order(tmp_path: Path) -> None:
    hours = load(
        tmp_path, '[business.hours]\nsat = ["20:00-24:00", " 8:30 - 12:00 "]\nsun = ["00:00-00:00"]'
    ).business.hours
    assert hours["sat"] == (Span(start=time(8, 30), end=time(12)), Span(start=time(20), end=time(0)))
    assert hours["sun"] == (Span(start=time(0), end=time(0)),)


def test_a_flat_list_of_resources_is_one_group_of_alternatives(tmp_path: Path) -> None:
    people = "".join(
        f'[[resources]]\nid = "{name}"\nname = "{name}"\ncalendar = "{name}/"\n' for name in ("anna", "ben")
    )
    flat = load(tmp_path, people + '[[services]]\nid = "a"\nname = "A"\nresources = ["anna", "ben"]')
    assert flat.services[0].resources == (("anna", "ben"),)
    both = load(tmp_path, people + '[[services]]\nid = "a"\nname = "A"\nresources = [["anna"], ["ben"]]')
    assert both.services[0].resources == (("anna",), ("ben",))


def test_the_sentinels_state_stands_beside_its_socket_unless_set(tmp_path: Path) -> None:
    assert load(tmp_path, '[sentinel]\nsocket = "/x/y.sock"').sentinel.state_path == Path("/x/sentinel.json")
    assert load(tmp_path, '[sentinel]\nstate = "/z.json"').sentinel.state_path == Path("/z.json")


@given(st.text(max_size=30))
def test_any_text_is_a_span_or_a_told_mistake(text: str) -> None:
    try:
        span = Span.model_validate(text)
    except ValueError:
        return
    assert span.end == time(0) or span.start < span.end
