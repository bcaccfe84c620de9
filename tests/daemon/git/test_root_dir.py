"""What is at a path, read without following symlinks and without reading half of what a program writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.git.objects import EXECUTABLE, FILE, FOLDER, LINK
from bough_daemon.git.paths import Blocked
from bough_daemon.git.root_dir import OTHER, RootDir, read_if_closed

LARGE = b"large\n" * 100_000


@pytest.fixture
def top(tmp_path: Path) -> Iterator[RootDir]:
    with RootDir(str(tmp_path)) as opened:
        yield opened


def test_what_is_closed_is_read_whatever_it_is(top: RootDir, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text\n")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "large").write_bytes(LARGE)
    (tmp_path / "program").write_bytes(b"run\n")
    (tmp_path / "program").chmod(0o755)
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    found = {name: read_if_closed(top.descriptor, name) for name in os.listdir(tmp_path)}
    assert found == {
        "file": (FILE, b"text\n"),
        "empty": (FILE, b""),
        "large": (FILE, LARGE),
        "program": (EXECUTABLE, b"run\n"),
        "link": (LINK, b"nowhere"),
        "folder": (FOLDER, b""),
        "pipe": (OTHER, b""),
    }


def test_what_is_being_written_is_not_read(top: RootDir, tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as writer:
        writer.write(b"half")
        writer.flush()
        assert read_if_closed(top.descriptor, "file") is None
    assert read_if_closed(top.descriptor, "file") == (FILE, b"half")


def test_a_folder_stays_open_until_another_is_asked_for(top: RootDir, tmp_path: Path) -> None:
    (tmp_path / "one" / "inner").mkdir(parents=True)
    (tmp_path / "two").symlink_to("one")
    first = top.at("one/inner")
    assert top.at("one/inner") == first
    os.rmdir(tmp_path / "one" / "inner")
    (tmp_path / "one" / "inner").mkdir()
    (tmp_path / "one" / "inner" / "file").write_bytes(b"")
    assert top.status("one/inner/file") is None
    top.forget()
    assert top.status("one/inner/file") is not None
    with pytest.raises(Blocked):
        top.at("two/inner")
    with pytest.raises(FileNotFoundError):
        top.at("three")
    assert top.status("two/inner/file") is None
