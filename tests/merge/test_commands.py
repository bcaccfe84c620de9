"""The engine's own commands, which need no daemon; the driver under stock Git."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BASE = "a = 1\nb = 2\n"
RUN = f"{shlex.quote(sys.executable)} -P -m bough_cli"

Sides = Callable[[str, str, str], list[str]]


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """Write three versions and return their paths; the working folder is theirs."""
    monkeypatch.chdir(tmp_path)

    def written(base: str, ours: str, theirs: str) -> list[str]:
        for name, text in (("base.py", base), ("ours.py", ours), ("theirs.py", theirs)):
            (tmp_path / name).write_text(text)
        return ["base.py", "ours.py", "theirs.py"]

    return written


def _run(*arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-P", "-m", "bough_cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_clean_merge_is_printed(sides: Sides) -> None:
    paths = sides(BASE, "a = 3\nb = 2\n", "a = 1\nb = 4\n")
    assert _run("merge-file", *paths) == (0, "a = 3\nb = 4\n", "")


def test_conflicts_end_with_three_and_say_what_happened(sides: Sides) -> None:
    paths = sides(BASE, "a = 3\nb = 2\n", "a = 4\nb = 2\n")
    code, out, said = _run("merge-file", *paths, "-o", "merged.py")
    assert (code, out) == (3, "")
    assert said.startswith("ours.py:1 in a: ours changed ")
    assert Path("merged.py").read_text().startswith("<<<<<<< ours.py\na = 3\n||||||| base.py\na = 1\n")


def test_json_is_one_object_with_stable_keys(sides: Sides) -> None:
    paths = sides(BASE, "a = 3\nb = 2\n", "a = 4\nb = 2\n")
    code, out, _ = _run("merge-file", *paths, "--json", "--path", "src/a.py")
    told = json.loads(out)
    assert code == 3
    assert sorted(told) == ["conflicts", "findings", "method", "path", "result"]
    assert (told["path"], told["result"], told["conflicts"][0]["where"]) == ("src/a.py", "conflict", "a")


def test_a_missing_file_is_wrong_usage(sides: Sides) -> None:
    sides(BASE, BASE, BASE)
    code, _, said = _run("merge-file", "base.py", "none.py", "theirs.py")
    assert code == 2
    assert said.startswith("Error: none.py cannot be read")


def test_settings_come_from_the_folder(sides: Sides) -> None:
    paths = sides("x()\n", "x()\ndef a():\n    pass\n", "x()\ndef b():\n    pass\n")
    assert _run("merge-file", *paths)[0] == 0
    Path(".bough.toml").write_text('[merge]\nordered = ["*"]\n')
    assert _run("merge-file", *paths)[0] == 3
    Path(".bough.toml").write_text("[merge]\ncolour = 1\n")
    assert _run("merge-file", *paths)[0] == 2


def test_the_driver_keeps_gits_contract(sides: Sides) -> None:
    paths = sides(BASE, "a = 3\nb = 2\n", "a = 4\nb = 2\n")
    assert _run("merge-driver", *paths, "9", "a.py")[0] == 1
    assert Path("ours.py").read_text().startswith("<<<<<<<<< ours\n")
    paths = sides(BASE, "a = 3\nb = 2\n", "a = 1\nb = 4\n")
    assert _run("merge-driver", *paths, "7", "a.py")[0] == 0
    assert Path("ours.py").read_text() == "a = 3\nb = 4\n"
    assert _run("merge-driver", "none", "ours.py", "theirs.py", "7", "a.py")[0] == 129


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def test_stock_git_merges_by_meaning_once_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scrubbed_home: None
) -> None:
    root = Path(__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), *(path for path in sys.path if path)]))
    monkeypatch.chdir(tmp_path)
    _git("init", "--quiet", "--initial-branch=main")
    code, out, _ = _run("merge-tool", "install")
    assert (code, "bough merge-driver %O %A %B %L %P" in out) == (0, True)
    _git("config", "merge.bough.driver", f"{RUN} merge-driver %O %A %B %L %P".replace("app()'", "app()'"))
    file = Path("a.py")
    for branch, text in (("main", BASE), ("side", "a = 1\nb = 4\n"), ("main", "a = 3\nb = 2\n")):
        if branch == "side" or file.exists():
            _git("switch", "--quiet", *(["-c"] if branch == "side" else []), branch)
        file.write_text(text)
        _git("add", "a.py")
        _git("commit", "--quiet", "-m", branch)
    _git("merge", "--quiet", "--no-edit", "side")
    assert file.read_text() == "a = 3\nb = 4\n"


def test_what_was_installed_can_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scrubbed_home: None
) -> None:
    monkeypatch.chdir(tmp_path)
    _git("init", "--quiet")
    attributes = Path(".git/info/attributes")
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("*.bin binary\n")
    before = Path(".git/config").read_text()
    assert _run("merge-tool", "install")[0] == _run("merge-tool", "install")[0] == 0
    assert attributes.read_text() == "*.bin binary\n* merge=bough\n"
    code, out, _ = _run("merge-tool", "install", "--remove")
    assert (code, len(out.splitlines())) == (0, 2)
    assert (attributes.read_text(), Path(".git/config").read_text()) == ("*.bin binary\n", before)
    assert _run("merge-tool", "install", "--remove")[1] == "Nothing was installed here.\n"


def test_it_can_be_installed_for_every_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scrubbed_home: None
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run("merge-tool", "install", "--global")[0] == 0
    assert (Path.home() / ".config/git/attributes").read_text() == "* merge=bough\n"
    assert _git("config", "--global", "merge.bough.name").strip() == "merge by meaning"


@pytest.fixture
def scrubbed_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give Git a home of its own."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "XDG_")):
            monkeypatch.delenv(name)
    (home / ".gitconfig").write_text("[user]\n\tname = Alice\n\temail = alice@example.org\n")
    monkeypatch.setenv("HOME", str(home))
