"""Where the lab's things are, and its ports."""

from pathlib import Path

import pytest

from ari_app.errors import BadInput
from ari_app.lab.configuration import moved_ports
from ari_app.lab.places import Ports, cache_dir, port_offset


def test_cache_is_named_by_the_environment_then_xdg_then_home() -> None:
    assert cache_dir({"ARI_APP_CACHE": "/a/b", "XDG_CACHE_HOME": "/x"}) == Path("/a/b")
    assert cache_dir({"XDG_CACHE_HOME": "/x"}) == Path("/x/ari-app")
    assert cache_dir({}) == Path.home() / ".cache/ari-app"


@pytest.mark.parametrize("text", ["ten", "-1", "1.5", "", "30001", "99999999999"])
def test_a_wrong_port_offset_is_told(text: str) -> None:
    with pytest.raises(BadInput, match="ARI_APP_LAB_PORT_OFFSET"):
        port_offset({"ARI_APP_LAB_PORT_OFFSET": text})


def test_port_offset_is_zero_by_default() -> None:
    assert port_offset({}) == 0
    assert port_offset({"ARI_APP_LAB_PORT_OFFSET": "7000"}) == 7000


def test_every_port_of_a_file_moves_and_other_numbers_stay() -> None:
    text = "bind = 127.0.0.1:5060\nrtpstart = 20000\ncallerid = <+442079465060>\nexpiration = 120\nx = 15060\n"
    moved = moved_ports(text, Ports(1000))
    assert moved == "bind = 127.0.0.1:6060\nrtpstart = 21000\ncallerid = <+442079465060>\nexpiration = 120\nx = 15060\n"
    assert moved_ports(text, Ports()) == text


@pytest.mark.parametrize("offset", [0, 7000, 10_000, 30_000])
def test_no_two_services_share_a_port(offset: int) -> None:
    moved = Ports(offset).moved()
    assert len(set(moved.values())) == len(moved)
    assert max(moved.values()) < 65_536
