"""The tree of errors is the one that its docstring draws."""

import inspect
import re

import pytest

from ari_app import errors
from ari_app.errors import AriAppError, AriRefused, AriUnavailable, ChannelGone, ConfigInvalid, ModelMissing, SmsFailed


def drawn() -> dict[str, str]:
    """Error -> parent, read off the drawing."""
    tree, path = {}, ["AriAppError"]
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│ ]*)(?:├── |└── )(\w+)", line):
            depth = len(found[1]) // 4 + 1
            tree[found[2]] = path[depth - 1]
            path[depth:] = [found[2]]
    return tree


def defined() -> dict[str, str]:
    found = inspect.getmembers(errors, lambda each: inspect.isclass(each) and issubclass(each, AriAppError))
    return {name: kind.__base__.__name__ for name, kind in found if kind is not AriAppError}


def test_the_drawing_is_the_tree() -> None:
    assert drawn() == defined()


def test_each_error_says_what_it_is_for() -> None:
    for name in defined():
        assert inspect.getdoc(getattr(errors, name))


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ConfigInvalid("a.toml", "ari.url", "is no URL"), "a.toml: ari.url: is no URL"),
        (AriUnavailable("http://x", "refused"), "ARI at http://x can't be reached: refused"),
        (AriUnavailable("http://x"), "ARI at http://x can't be reached"),
        (AriRefused("POST", "/channels", 409, "busy"), "ARI POST /channels: 409 busy"),
        (ModelMissing("big", "/m/big"), "model big is not at /m/big: run `ari-app models pull big`"),
    ],
)
def test_an_error_is_one_clear_line(error: AriAppError, shown: str) -> None:
    assert str(error) == shown


def test_a_users_mistake_exits_with_two_and_everything_else_with_one() -> None:
    assert ConfigInvalid("f", "k", "r").exit_code == 2
    assert errors.BadInput("x").exit_code == 2
    assert ModelMissing("m", "p").exit_code == 2
    assert errors.LabError("x").exit_code == 1
    assert ChannelGone("GET", "/c", 404, "x").exit_code == 1


def test_a_text_is_retried_unless_the_failure_is_permanent() -> None:
    assert not SmsFailed("busy").is_permanent
    assert SmsFailed("no such number", is_permanent=True).is_permanent
