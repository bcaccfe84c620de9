"""Another user of the machine: where the socket's folder is not the user's own, nobody talks there."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_cli.acting import UserTerminal
from bough_daemon.errors import DaemonFailed, HomeUnusable, NotPermitted
from bough_daemon.home import Home

from tests.cli.conftest import Member

LONG = "x" * 120  # a home in which no socket's path fits


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that anyone can write, of a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        yield Path(folder)


def far(shared: Path) -> Home:
    """Return a home whose socket is in a folder that anyone can write."""
    home = Home.from_environment({"BOUGH_HOME": str(shared / LONG), "XDG_RUNTIME_DIR": str(shared)})
    assert os.path.dirname(os.path.dirname(home.socket)) == str(shared)
    return home


def test_a_folder_that_others_can_enter_or_that_is_a_link_is_refused(shared: Path) -> None:
    home = far(shared)
    home.check_socket_folder()  # nothing is there yet
    folder = Path(home.socket).parent
    home.make_socket_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    home.make_socket_folder()
    folder.chmod(0o711)
    elsewhere = shared / "elsewhere"
    for _ in range(2):
        with pytest.raises(HomeUnusable, match="accessible to other users"):
            home.check_socket_folder()
        with pytest.raises(HomeUnusable, match="accessible to other users"):
            home.make_socket_folder()
        if folder.is_dir() and not folder.is_symlink():
            folder.rmdir()
            elsewhere.mkdir(mode=0o700)
            folder.symlink_to(elsewhere)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away takes root")
def test_no_command_talks_to_what_another_user_put_there(alice: Member, shared: Path) -> None:
    home = far(shared)
    alice.home = Path(home.root)
    alice.variables |= {"XDG_RUNTIME_DIR": str(shared)}
    folder = Path(home.socket).parent
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    for command in ("up", "save", "status", "down"):
        typed = alice.types(command)
        assert (
            typed.code == 1 and f"{folder} is accessible to other users" in typed.err and "Hint: Remove" in typed.err
        ), typed
    assert list(folder.iterdir()) == []
    shutil.rmtree(folder)
    try:
        alice.bough("up")
        assert alice.told("status")["state"] == "live"
        os.chown(folder, 65534, 65534)
        assert "is accessible to other users" in alice.types("status").err
        os.chown(folder, os.geteuid(), -1)
        assert alice.told("status")["state"] == "live"
    finally:
        alice.bough("down", "--all")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away takes root")
def test_a_socket_that_another_user_put_into_the_home_is_refused(shared: Path) -> None:
    shared.chmod(0o777)
    home = Home(str(shared), "")
    home.check_socket_folder()  # it is closed when it is made
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(home.socket)
        home.check_socket_folder()
        os.chown(home.socket, 65534, 65534)
        with pytest.raises(NotPermitted, match="belongs to"):
            home.check_socket_folder()
    os.unlink(home.socket)
    os.chown(shared, 65534, 65534)
    with pytest.raises(NotPermitted, match="belongs to"):
        home.check_socket_folder()


def test_where_no_socket_fits_the_remedy_is_told(alice: Member, tmp_path: Path) -> None:
    alice.home = tmp_path / LONG
    alice.variables |= {"XDG_RUNTIME_DIR": str(tmp_path / ("y" * 90))}
    (tmp_path / ("y" * 90)).mkdir()
    typed = alice.types("up")
    assert typed.code == 1 and "control socket is too long" in typed.err and "XDG_RUNTIME_DIR" in typed.err, typed


def test_a_terminal_runs_nothing_but_what_commands_need(alice: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(alice.tree)
    terminal = UserTerminal("hop bob")
    assert terminal.run(["git", "var", "GIT_AUTHOR_IDENT"], str(alice.tree), {}, b"")[0] == 0
    for arguments in (["sh", "-c", "id"], ["git", "-c", "alias.x=!id", "x"], ["/bin/git", "var"], ["git", "clean"]):
        with pytest.raises(DaemonFailed, match="which no command needs"):
            terminal.run(arguments, str(alice.tree), {}, b"")
