"""Where the lab's things are: the checkout they come from, the cache they go to, the ports they listen at."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ari_app.errors import BadInput, LabError

CHECKOUT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """`$ARI_APP_CACHE`, else `$XDG_CACHE_HOME/ari-app`, else `~/.cache/ari-app`."""
    if named := environ.get("ARI_APP_CACHE"):
        return Path(named).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "ari-app"


def checkout_dir(name: str) -> Path:
    """A top-level folder of the checkout; the lab's configuration isn't part of the installed package."""
    path = CHECKOUT / name
    if not path.is_dir():
        raise LabError(f"{path} is missing: the lab runs from a checkout (git clone, then make setup)")
    return path


def port_offset(environ: Mapping[str, str] = os.environ) -> int:
    """`$ARI_APP_LAB_PORT_OFFSET`: added to every port, so that a second lab runs beside the first."""
    text = environ.get("ARI_APP_LAB_PORT_OFFSET", "0")
    if not text.isdecimal() or int(text) > 30_000:
        raise BadInput(f'ARI_APP_LAB_PORT_OFFSET is "{text}": give a number from 0 to 30000, such as 10000')
    return int(text)


@dataclass(frozen=True, slots=True)
class Ports:
    """The lab's ports, all on 127.0.0.1, each `offset` above its usual place."""

    offset: int = 0

    @property
    def sip(self) -> int:
        return 5060 + self.offset

    @property
    def http(self) -> int:
        return 8088 + self.offset

    @property
    def ami(self) -> int:
        return 5038 + self.offset

    @property
    def rtp(self) -> tuple[int, int]:
        return 20_000 + self.offset, 20_999 + self.offset

    @property
    def caller_sip(self) -> int:
        return 5160 + self.offset

    @property
    def caller_http(self) -> int:
        return 8188 + self.offset

    @property
    def caller_rtp(self) -> tuple[int, int]:
        return 22_000 + self.offset, 22_999 + self.offset

    @property
    def caldav(self) -> int:
        return 5232 + self.offset

    @property
    def fastagi(self) -> int:
        return 4573 + self.offset

    @property
    def console(self) -> int:
        return 8780 + self.offset

    def moved(self) -> dict[int, int]:
        """Usual port -> this lab's, for every port that a configuration file names."""
        usual = Ports()
        pairs = [(getattr(usual, name), getattr(self, name)) for name in _SINGLE_PORTS]
        for name in ("rtp", "caller_rtp"):
            pairs += zip(getattr(usual, name), getattr(self, name), strict=True)
        return dict(pairs)

    def listening(self) -> dict[str, tuple[str, int]]:
        """What -> (udp or tcp, port): what must be free before the lab starts."""
        return {
            "the PBX's SIP": ("udp", self.sip),
            "the PBX's ARI": ("tcp", self.http),
            "the PBX's AMI": ("tcp", self.ami),
            "the caller's SIP": ("udp", self.caller_sip),
            "the caller's ARI": ("tcp", self.caller_http),
            "the calendar": ("tcp", self.caldav),
        }


_SINGLE_PORTS = ("sip", "http", "ami", "caller_sip", "caller_http", "caldav", "fastagi", "console")
