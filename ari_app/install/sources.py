"""The files that ship with the application: in the wheel below `ari_app/data/`, in a checkout at its top level."""

from pathlib import Path

from ari_app.errors import BadInput

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """A shipped file or folder by its path in a checkout, such as `dialplan` or `docker/ari_app.toml`."""
    for base in (_PACKAGE / "data", _PACKAGE.parent):
        if (base / name).exists():
            return base / name
    raise BadInput(f"{name} didn't come with this installation of ari_app: install it again")


def text_of(name: str) -> str:
    return shipped(name).read_text("utf-8")
