"""What a teammate wrote is text: it does nothing to a terminal, a log or a screen, and no link is followed."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from bough_cli import output
from bough_cli.screen import drawn
from bough_daemon.__main__ import OneLine
from bough_daemon.api.records import Event, Status, TeammateStatus
from bough_daemon.errors import BadUsage
from bough_daemon.git.repository_settings import LIMIT_BYTES, table_on_disk
from bough_daemon.system.text import printable
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

HOSTILE = ["\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "\u202egnp.exe", "[/x]", "[bold]", "\r\x1b[K", "\x00", "\udcff"]


@given(st.text() | st.sampled_from(HOSTILE))
def test_nothing_that_is_printed_commands_a_terminal(text: str) -> None:
    shown = output.harmless(f"{output.bold('alice')} {text}\n")
    without_styles = output.KEPT.sub("", shown)
    assert without_styles.isprintable()
    assert not without_styles.startswith("\x1b")


def test_the_styles_and_the_layout_of_bough_stay() -> None:
    text = f"{output.bold('alice')}\n\t{output.dim('bob')}"
    assert output.harmless(text) == text
    assert output.harmless("\x1b[8mhidden\x1b[31;5m") == "\\033[8mhidden\\033[31;5m"


@pytest.mark.parametrize("text", HOSTILE)
def test_the_screen_shows_what_looks_like_markup(text: str) -> None:
    oid = "1" * 40
    event = Event(1.0, f"e{text}", f"m{text}", oid, oid)
    mate = TeammateStatus("bob", f"b{text}", oid, oid, True, 1.0, files=[f"f{text}"])
    ids: dict[str, Any] = {"tip": oid, "tree": oid, "shared_tip": oid, "shared_tree": oid, "base": oid}
    where: dict[str, Any] = {
        "repository": f"r{text}",
        "member": "alice",
        "branch": "alice",
        "head": "main",
        "hopped_to": "",
    }
    status = Status(**ids, **where, state=f"s{text}", changed_at=1.0, teammates=[mate])
    screen = Console(file=io.StringIO(), width=300, force_terminal=True, color_system=None)
    screen.print(drawn(status, [event]))
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    for mark in "rsbfme":
        assert f"{mark}{printable(text)}" in shown


def test_a_line_of_the_log_is_one_line() -> None:
    formatter = OneLine("%(message)s")
    try:
        raise ValueError("one\x1b[2J")
    except ValueError as failure:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "%s", ("a\nERROR forged\x1b]0;x\x07",), None)
        record.exc_info = (type(failure), failure, failure.__traceback__)
    lines = formatter.format(record).split("\n")
    assert lines[0] == "a\\nERROR forged\\033]0;x\\007"
    assert lines[-1] == "ValueError: one\\033[2J"


def test_settings_are_read_as_a_plain_file_and_never_followed(tmp_path: Path) -> None:
    settings = tmp_path / ".bough.toml"
    assert table_on_disk(str(tmp_path), "land") == {}
    for target in ("/dev/zero", "/etc/hostname", "nowhere"):
        settings.symlink_to(target)
        with pytest.raises(BadUsage, match="not a plain file"):
            table_on_disk(str(tmp_path), "land")
        settings.unlink()
    os.mkfifo(settings)
    with pytest.raises(BadUsage, match="not a plain file"):
        table_on_disk(str(tmp_path), "land")
    settings.unlink()
    settings.mkdir()
    with pytest.raises(BadUsage, match="not a plain file"):
        table_on_disk(str(tmp_path), "land")
    settings.rmdir()
    unread = [(b"#" * (LIMIT_BYTES + 1), "larger than"), (b"a = " + b"[" * 30_000, "too deeply"), (b"\xff", "be read")]
    for content, why in unread:
        settings.write_bytes(content)
        with pytest.raises(BadUsage, match=why):
            table_on_disk(str(tmp_path), "land")
    settings.write_bytes(b'[land]\nbranch = "trunk"\n')
    assert table_on_disk(str(tmp_path), "land") == {"branch": "trunk"}
