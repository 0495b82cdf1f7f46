"""What kind of PBX is there, and where an addition to each of its files belongs."""

from dataclasses import dataclass
from pathlib import Path

from ari_app.errors import BadInput
from ari_app.install.asterisk_conf import Configuration, read
from ari_app.install.changes import Block, OwnFile, Wanted

FOLDER = "ari_app"
"""Below the configuration's folder: all files of our own that Asterisk reads."""
FREEPBX_FILES = {
    "extensions.conf": "extensions_custom.conf",
    "manager.conf": "manager_custom.conf",
    "ari.conf": "ari_additional_custom.conf",
    "http.conf": "http_custom.conf",
    "logger.conf": "logger_logfiles_custom.conf",
}
"""The files that FreePBX includes and never writes itself."""
NEEDED_MODULES = ("res_ari.so", "res_ari_channels.so", "res_ari_bridges.so", "chan_websocket.so", "bridge_softmix.so")
BROADCAST = "app_stasis_broadcast.so"


@dataclass(frozen=True, slots=True)
class Pbx:
    """An Asterisk's configuration below a prefix."""

    prefix: Path
    etc: str
    """Below the prefix, such as etc/asterisk."""
    is_freepbx: bool
    modules: frozenset[str] | None
    """File names of its modules; None where they weren't found."""

    @property
    def kind(self) -> str:
        return "FreePBX" if self.is_freepbx else "Asterisk"

    @property
    def owner_like(self) -> str:
        """Our files get the owner of this one, so that Asterisk may read them and nobody else."""
        return f"{self.etc}/extensions.conf"

    def read(self, name: str) -> Configuration:
        """One of its files as Asterisk reads it, without what we have added ourselves."""
        etc = self.prefix / self.etc
        ours = frozenset({etc / FOLDER, *(etc.glob(f"*.d/{FOLDER}.conf"))})
        return read(etc, name, ignored=ours)

    def added(self, name: str, text: str) -> list[Wanted]:
        """What makes Asterisk read `text` as part of its file `name`: a drop-in where there is such a folder, else a
        file of our own and one line that includes it."""
        if f"{name.removesuffix('.conf')}.d/*.conf" in self.read(name).includes:
            path = f"{self.etc}/{name.removesuffix('.conf')}.d/{FOLDER}.conf"
            return [OwnFile(path, text, mode=0o640, owner_like=self.owner_like)]
        line = f'#tryinclude "{FOLDER}/{name}"'
        return [self.own(name, text), Block(f"{self.etc}/{self._additions_to(name)}", (line,))]

    def own(self, name: str, text: str, *, is_kept: bool = False) -> OwnFile:
        """A file of our own among the PBX's."""
        return OwnFile(f"{self.etc}/{FOLDER}/{name}", text, mode=0o640, owner_like=self.owner_like, is_kept=is_kept)

    def _additions_to(self, name: str) -> str:
        return FREEPBX_FILES[name] if self.is_freepbx else name


def detect(prefix: Path, etc: str = "etc/asterisk") -> Pbx:
    """The PBX below `prefix`; raises BadInput where there is none, or one that is too old."""
    folder = prefix / etc
    if not (folder / "extensions.conf").exists():
        raise BadInput(f"{folder}/extensions.conf isn't there: is Asterisk installed? Name its folder with --etc")
    is_freepbx = (prefix / "etc/freepbx.conf").exists() or (folder / "extensions_additional.conf").exists()
    found = _modules(prefix)
    if found is not None:
        missing = [name for name in NEEDED_MODULES if name not in found]
        if missing:
            raise BadInput(f"this Asterisk lacks {', '.join(missing)}: Asterisk 22.7 or newer is needed")
    return Pbx(prefix, etc.strip("/"), is_freepbx, found)


def _modules(prefix: Path) -> frozenset[str] | None:
    patterns = ("usr/lib/*/asterisk/modules", "usr/lib/asterisk/modules", "usr/lib64/asterisk/modules")
    for folder in (each for pattern in patterns for each in sorted(prefix.glob(pattern))):
        names = frozenset(path.name for path in folder.glob("*.so"))
        if names:
            return names
    return None
