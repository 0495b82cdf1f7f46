"""Which voices and recognisers there are (registry.toml, data) and where they lie on this machine."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ari_app.config import Settings
from ari_app.errors import BadInput, ConfigInvalid, ModelMissing

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelKind(StrEnum):
    RECOGNISER = "recogniser"
    VOICE = "voice"

    @property
    def folder(self) -> str:
        return "vosk" if self is ModelKind.RECOGNISER else "piper"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One download of a model."""

    url: str
    size_bytes: int
    sha256: str | None
    """None: no digest is published that could be confirmed; the first one seen is remembered."""
    is_archive: bool

    @property
    def name(self) -> str:
        return unquote(urlsplit(self.url).path).rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the registry."""

    name: str
    kind: ModelKind
    language: str
    licence: str
    notes: str
    is_lab_only: bool
    files: tuple[ModelFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


class _FileEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(pattern=r"^https?://")]
    bytes: Annotated[int, Field(gt=0)]
    sha256: Sha256 | None = None
    unpack: bool = False


class _ModelEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: ModelKind
    language: str
    licence: str
    notes: str = ""
    lab_only: bool = False
    files: tuple[_FileEntry, ...] = ()


class _Registry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    models: dict[str, _ModelEntry]


def read_registry(text: str, source: str = "registry.toml") -> dict[str, Model]:
    """Models by name; raises ConfigInvalid."""
    try:
        parsed = _Registry.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigInvalid(source, "(file)", str(exc)) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        raise ConfigInvalid(source, ".".join(str(part) for part in first["loc"]), first["msg"]) from exc
    return {
        name: Model(
            name=name,
            kind=entry.kind,
            language=entry.language,
            licence=entry.licence,
            notes=entry.notes,
            is_lab_only=entry.lab_only,
            files=tuple(ModelFile(file.url, file.bytes, file.sha256, file.unpack) for file in entry.files),
        )
        for name, entry in parsed.models.items()
    }


@cache
def registry() -> dict[str, Model]:
    """The registry that comes with the package."""
    return read_registry(files("ari_app.speech").joinpath("registry.toml").read_text("utf-8"))


def known_model(name: str) -> Model:
    """The registry's entry; raises BadInput with what there is."""
    found = registry().get(name)
    if found is None:
        raise BadInput(f'no model "{name}" is known; known are: {", ".join(sorted(registry()))}')
    return found


def data_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where `pull` puts models unless the settings name a directory: $XDG_DATA_HOME/ari-app/models."""
    base = environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "ari-app" / "models"


def cache_directory(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Where synthesised phrases are kept: the setting, else $XDG_CACHE_HOME/ari-app/phrases."""
    if settings.speech.cache_dir is not None:
        return settings.speech.cache_dir
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ari-app" / "phrases"


def model_directories(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Where models are looked for, first match wins."""
    checkout = Path(__file__).resolve().parents[2] / "models"
    configured = settings.speech.models_dir
    places = [configured, checkout, Path("models").resolve(), data_directory(environ)]
    return list(dict.fromkeys(place for place in places if place is not None))


def model_path(directory: Path, kind: ModelKind, name: str) -> Path:
    """Where a model lies below a models directory: a recogniser's folder, a voice's .onnx."""
    return directory / kind.folder / (name if kind is ModelKind.RECOGNISER else f"{name}.onnx")


def find_model(settings: Settings, kind: ModelKind, name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The recogniser's folder or the voice's .onnx; a path that exists is taken as it is. Raises ModelMissing."""
    as_path = Path(name)
    if as_path.is_absolute() or "/" in name:
        if not is_present(kind, as_path):
            raise ModelMissing(as_path.name, str(as_path))
        return as_path
    places = model_directories(settings, environ)
    for directory in places:
        path = model_path(directory, kind, name)
        if is_present(kind, path):
            return path
    raise ModelMissing(name, " or ".join(str(model_path(place, kind, name)) for place in places))


def is_present(kind: ModelKind, path: Path) -> bool:
    """Whether a whole model lies there: a Vosk folder, or a voice with its config."""
    if kind is ModelKind.RECOGNISER:
        return (path / "am" / "final.mdl").is_file() or (path / "final.mdl").is_file()
    return path.is_file() and path.with_name(f"{path.name}.json").is_file()
