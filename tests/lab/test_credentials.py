"""The lab's passwords."""

import json
from pathlib import Path

import pytest

from ari_app.errors import LabError
from ari_app.lab.credentials import PHONES, crypt_hash, load_or_make, write_private


def test_made_once_private_and_all_different(tmp_path: Path) -> None:
    path = tmp_path / "lab" / "credentials.json"
    first = load_or_make(path)
    assert path.stat().st_mode & 0o077 == 0
    assert load_or_make(path) == first
    assert set(PHONES) < set(first.passwords)
    assert len(set(first.passwords.values())) == len(first.passwords)
    assert all(len(password) >= 20 for password in first.passwords.values())


def test_an_account_added_later_gets_its_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    write_private(path, json.dumps({"trunk": "kept"}))
    known = load_or_make(path)
    assert known["trunk"] == "kept"
    assert known["softphone-1"]


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{", "utf-8")
    with pytest.raises(LabError, match="remove it"):
        load_or_make(path)


def test_ari_gets_a_salted_hash() -> None:
    one, two = crypt_hash("secret"), crypt_hash("secret")
    assert one.startswith("$6$rounds=1000$")
    assert one != two
    assert "secret" not in one
