"""A home's keys in a file under a passphrase: opened by that alone, and put in place whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from bough_daemon.errors import BadPassphrase, HomeUnusable, KeyNotOpened, OtherKeyHere
from bough_daemon.home import Home
from bough_daemon.team import key_file
from bough_daemon.team.identity import load_identity
from bough_daemon.team.key_file import export_key, import_key, open_key

PASSPHRASE = "correct horse — Batterie"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make guesses cheap, so that tests are quick; what a guess costs in the product is a test of its own."""
    monkeypatch.setattr(key_file, "COST", 2)


def home_at(folder: Path) -> Home:
    return Home(str(folder), str(folder))


def test_who_imports_a_key_is_the_same_member(tmp_path: Path) -> None:
    old, new = home_at(tmp_path / "old"), home_at(tmp_path / "new")
    data = export_key(old, PASSPHRASE)
    identity, kept = import_key(new, open_key(data, PASSPHRASE))
    assert (identity, kept) == (identity, "")
    one, other = load_identity(old), load_identity(new)
    assert (one.key, one.certificate, one.vouch, one.tls_key) == (
        other.key,
        other.certificate,
        other.vouch,
        other.tls_key,
    )
    for path in (tmp_path / "new").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert import_key(new, open_key(data, PASSPHRASE))[1] == ""


def test_an_exported_key_shows_nothing_of_itself_and_no_two_are_alike(tmp_path: Path) -> None:
    home = home_at(tmp_path / "h")
    data, again = export_key(home, PASSPHRASE), export_key(home, PASSPHRASE)
    secret = load_identity(home).signing_key.private_bytes_raw()
    for form in (secret, secret.hex().encode(), b"PRIVATE", PASSPHRASE.encode()):
        assert form not in data
    assert data != again and json.loads(data)["salt"] != json.loads(again)["salt"]


@pytest.mark.parametrize("passphrase", ["", "correct horse", PASSPHRASE + "x", PASSPHRASE.lower(), "\udcff"])
def test_another_passphrase_opens_nothing(tmp_path: Path, passphrase: str) -> None:
    data = export_key(home_at(tmp_path / "h"), PASSPHRASE)
    with pytest.raises(KeyNotOpened, match="passphrase is wrong"):
        open_key(data, passphrase)


def test_a_file_that_was_altered_anywhere_is_refused(tmp_path: Path) -> None:
    data = export_key(home_at(tmp_path / "h"), PASSPHRASE)
    kept = json.loads(data)
    other = json.loads(export_key(home_at(tmp_path / "other"), PASSPHRASE))
    for name in ("fingerprint", "salt", "nonce", "sealed"):
        with pytest.raises(KeyNotOpened):
            open_key(json.dumps({**kept, name: other[name]}).encode(), PASSPHRASE)
    for damaged in (data[:-40], b"", b"{}", b"\xff" * 100, b"x" * 100_000, b'{"bough_key": 1}'):
        with pytest.raises(KeyNotOpened, match="damaged"):
            open_key(damaged, PASSPHRASE)
    with pytest.raises(KeyNotOpened, match="newer Bough"):
        open_key(json.dumps({**kept, "bough_key": 2}).encode(), PASSPHRASE)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPassphrase):
        export_key(home_at(tmp_path / "h"), "1234567")


def test_a_key_that_is_there_is_replaced_only_if_that_is_said_and_is_kept(tmp_path: Path) -> None:
    old, new = home_at(tmp_path / "old"), home_at(tmp_path / "new")
    before = load_identity(new)
    plain = open_key(export_key(old, PASSPHRASE), PASSPHRASE)
    with pytest.raises(OtherKeyHere):
        import_key(new, plain)
    assert load_identity(new).key == before.key
    _, kept = import_key(new, plain, replace=True)
    assert load_identity(new).key == load_identity(old).key
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o600
    os.replace(kept, tmp_path / "new" / "identity.json")
    assert load_identity(new).key == before.key


def test_a_damaged_key_is_replaced_and_kept_as_it_was(tmp_path: Path) -> None:
    old, new = home_at(tmp_path / "old"), home_at(tmp_path / "new")
    new.make()
    (tmp_path / "new" / "identity.json").write_bytes(b"half a fi")
    plain = open_key(export_key(old, PASSPHRASE), PASSPHRASE)
    with pytest.raises(OtherKeyHere):
        import_key(new, plain)
    _, kept = import_key(new, plain, replace=True)
    assert Path(kept).read_bytes() == b"half a fi" and load_identity(new).key == load_identity(old).key


def test_an_import_that_is_killed_leaves_the_key_of_before_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    old, new = home_at(tmp_path / "old"), home_at(tmp_path / "new")
    before, replace = load_identity(new).key, os.replace
    plain = open_key(export_key(old, PASSPHRASE), PASSPHRASE)
    for kill_at in (1, 2):
        calls = 0

        def killed(source: str, target: str) -> None:
            nonlocal calls
            calls += 1
            if calls == kill_at:
                raise Killed
            replace(source, target)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(os, "replace", killed)
            import_key(new, plain, replace=True)
        assert load_identity(new).key == before
    import_key(new, plain, replace=True)
    assert load_identity(new).key == load_identity(old).key


def test_keys_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    one, other, new = home_at(tmp_path / "one"), home_at(tmp_path / "other"), home_at(tmp_path / "new")
    for home in (one, other):
        load_identity(home)
    mine, theirs = (json.loads((tmp_path / name / "identity.json").read_bytes()) for name in ("one", "other"))
    for name in ("signing_key", "tls_key", "certificate"):
        with pytest.raises(ValueError, match=r"certificate"):
            import_key(new, json.dumps({**mine, name: theirs[name]}).encode())
    assert not (tmp_path / "new" / "identity.json").exists()


def test_a_home_that_cannot_be_written_keeps_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = home_at(tmp_path / "old"), home_at(tmp_path / "new")
    before = load_identity(new).key
    plain = open_key(export_key(old, PASSPHRASE), PASSPHRASE)

    def full(path: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(HomeUnusable):
        patch.setattr(key_file, "write_whole", full)
        import_key(new, plain, replace=True)
    assert load_identity(new).key == before
