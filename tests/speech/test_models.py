from pathlib import Path

import pytest

from ari_app.config import Settings, SpeechSettings
from ari_app.errors import BadInput, ConfigInvalid, ModelMissing
from ari_app.speech.factory import build_recogniser, build_synthesiser
from ari_app.speech.models import (
    ModelKind,
    cache_directory,
    data_directory,
    find_model,
    known_model,
    model_directories,
    read_registry,
    registry,
)


def settings(**speech: object) -> Settings:
    return Settings(speech=SpeechSettings.model_validate(speech))


def install(directory: Path, kind: ModelKind, name: str) -> Path:
    if kind is ModelKind.RECOGNISER:
        path = directory / "vosk" / name
        (path / "am").mkdir(parents=True)
        (path / "am" / "final.mdl").write_bytes(b"model")
        return path
    path = directory / "piper" / f"{name}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"voice")
    path.with_name(f"{path.name}.json").write_text("{}")
    return path


def test_registry_names_where_what_and_under_which_terms():
    models = registry()
    for needed in (
        "vosk-model-small-en-us-0.15",
        "vosk-model-en-us-0.22",
        "vosk-model-en-us-0.22-lgraph",
        "vosk-model-small-de-0.15",
        "vosk-model-de-0.21",
        "en_US-lessac-medium",
        "en_GB-alba-medium",
        "en_US-amy-medium",
        "de_DE-thorsten-medium",
    ):
        model = models[needed]
        assert model.licence
        assert model.size_bytes > 1_000_000
        assert all(file.url.startswith("https://") for file in model.files)
        assert all(file.sha256 is None or len(file.sha256) == 64 for file in model.files)
        if model.kind is ModelKind.VOICE:
            assert [file.name for file in model.files] == [f"{needed}.onnx", f"{needed}.onnx.json"]
    assert {name for name, model in models.items() if model.is_lab_only} == {"lab-en-us", "en_US-lab-low"}


@pytest.mark.parametrize("kind", list(ModelKind))
def test_configured_directory_comes_first_and_home_last(tmp_path, kind):
    environ = {"XDG_DATA_HOME": str(tmp_path / "data")}
    with pytest.raises(ModelMissing, match="ari-app models pull some-model"):
        find_model(settings(models_dir=tmp_path / "own"), kind, "some-model", environ)
    at_home = install(data_directory(environ), kind, "some-model")
    assert find_model(settings(models_dir=tmp_path / "own"), kind, "some-model", environ) == at_home
    own = install(tmp_path / "own", kind, "some-model")
    assert find_model(settings(models_dir=tmp_path / "own"), kind, "some-model", environ) == own
    assert find_model(settings(), kind, "some-model", environ) == at_home


def test_lab_models_of_the_checkout_are_the_default():
    found = find_model(Settings(), ModelKind.RECOGNISER, Settings().speech.recogniser)
    assert found.name == "lab-en-us"
    assert find_model(Settings(), ModelKind.VOICE, Settings().speech.voice).suffix == ".onnx"


@pytest.mark.parametrize("kind", list(ModelKind))
def test_path_is_taken_as_it_is(tmp_path, kind):
    path = install(tmp_path, kind, "mine")
    assert find_model(Settings(), kind, str(path)) == path
    with pytest.raises(ModelMissing):
        find_model(Settings(), kind, str(tmp_path / "other"))


def test_half_a_model_is_no_model(tmp_path):
    voice = install(tmp_path, ModelKind.VOICE, "half")
    voice.with_name("half.onnx.json").unlink()
    with pytest.raises(ModelMissing):
        find_model(settings(models_dir=tmp_path), ModelKind.VOICE, "half", {"XDG_DATA_HOME": str(tmp_path / "x")})


def test_unknown_name_is_told_with_what_there_is():
    with pytest.raises(BadInput, match="vosk-model-small-en-us"):
        known_model("vosk-model-tiny")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models = 3", "models"),
        ("nonsense", r"\(file\)"),
        ('[models.x]\nkind = "parrot"\nlanguage = "en"\nlicence = "x"', "kind"),
        (
            '[models.x]\nkind = "voice"\nlanguage = "en"\nlicence = "x"\n'
            '[[models.x.files]]\nurl = "file:///etc/passwd"\nbytes = 1',
            "url",
        ),
        (
            '[models.x]\nkind = "voice"\nlanguage = "en"\nlicence = "x"\n'
            '[[models.x.files]]\nurl = "https://a/b"\nbytes = 1\nsha256 = "abc"',
            "sha256",
        ),
    ],
)
def test_wrong_registry_is_told_by_key(text, told):
    with pytest.raises(ConfigInvalid, match=told):
        read_registry(text)


def test_directories_are_named_once_and_caches_follow_the_environment(tmp_path):
    places = model_directories(settings(models_dir=tmp_path), {"XDG_DATA_HOME": str(tmp_path)})
    assert places[0] == tmp_path
    assert len(places) == len(set(places))
    assert cache_directory(settings(cache_dir=tmp_path / "c")) == tmp_path / "c"
    assert cache_directory(settings(), {"XDG_CACHE_HOME": "/c"}) == Path("/c/ari-app/phrases")
    assert data_directory({"XDG_DATA_HOME": "/d"}) == Path("/d/ari-app/models")


async def test_settings_build_what_they_name(tmp_path):
    wanted = settings(cache_dir=tmp_path)
    recogniser, synthesiser = build_recogniser(wanted), build_synthesiser(wanted)
    assert recogniser.name == "lab-en-us"
    assert synthesiser.name == "en_US-lab-low"
    assert await synthesiser.render("Hello.")
    recogniser.close()
    synthesiser.close()
    with pytest.raises(ModelMissing, match="nothing-here"):
        build_recogniser(settings(recogniser="nothing-here"))
    with pytest.raises(ModelMissing, match="en_XX-none"):
        build_synthesiser(settings(voice="en_XX-none"))
