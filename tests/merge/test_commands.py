"""The engine's own commands, which need no daemon; the driver under stock Git."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ready

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
    code, out, said = ready.run(arguments, Path.cwd(), os.environ)
    return code, out.decode(), said.decode()


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
    paths = sides(BASE, "a = 3\nb = 2\n", "a = 4\nb = 2\n")
    assert _run("merge-driver", "--conflict-code", "3", *paths, "7", "-a.py")[0] == 2
    assert _run("merge-driver", "--conflict-code", "3", "--", *paths, "7", "-a.py")[0] == 3
    assert _run("merge-driver", "none", "ours.py", "theirs.py", "7", "a.py")[0] == 129


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scrubbed_home: None) -> Path:
    """Stand in a repository of which the path is no plain word; the tool is installed by a program of such a path."""
    root = Path(__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), *(path for path in sys.path if path)]))
    place = tmp_path / 'it\'s 50%P "project"'
    place.mkdir()
    monkeypatch.chdir(place)
    _git("init", "--quiet", "--initial-branch=main")
    return place


def _install(folder: Path, script: str) -> Path:
    """Install by a program `bough` in a folder, which is a script of a shell from then on."""
    program = folder / "a venv's 100%" / "bough"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {RUN} "$@"\n')
    program.chmod(0o755)
    code = "import sys; from bough_cli.main import main; sys.argv[0] = sys.argv.pop(1); main()"
    run = [sys.executable, "-P", "-c", code, str(program), "merge-tool", "install"]
    subprocess.run(run, check=True, capture_output=True)
    program.write_text(script.replace("BOUGH", RUN))
    return program


def _merge(name: str, ours: str, theirs: str) -> int:
    """Let both sides change a file, merge theirs, and return the exit code of `git merge`."""
    for branch, text in (("main", BASE), ("theirs", theirs), ("main", ours)):
        if branch == "theirs" or Path(name).exists():
            _git("switch", "--quiet", *(["-c"] if branch == "theirs" else []), branch)
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
        _git("add", "-A")
        _git("commit", "--quiet", "-m", branch)
    return subprocess.run(["git", "merge", "-q", "--no-edit", "theirs"], capture_output=True, check=False).returncode


NAMES = ["a.py", "-x.py", 'it\'s 50%O/"a" $b.py', "new\nline.py"]


@pytest.mark.parametrize("name", NAMES)
def test_stock_git_merges_by_meaning_once_installed(project: Path, name: str) -> None:
    _install(project, '#!/bin/sh\nexec BOUGH "$@"\n')
    assert _merge(name, "a = 3\nb = 2\n", "a = 1\nb = 4\n") == 0
    assert Path(name).read_text() == "a = 3\nb = 4\n"


def test_a_conflict_is_left_by_the_driver_as_it_wrote_it(project: Path) -> None:
    _install(project, '#!/bin/sh\nexec BOUGH "$@"\n')
    assert _merge("a.py", "a = 3\nb = 2\n", "a = 4\nb = 2\n") == 1
    assert Path("a.py").read_text().startswith("<<<<<<< ours\na = 3\n||||||| base\na = 1\n")


BROKEN = {
    "a program that cannot run": "#!/no/such/python\n",
    "a traceback": "#!/bin/sh\necho Traceback >&2; exit 1\n",
    "wrong usage": "#!/bin/sh\nexit 2\n",
    "killed": "#!/bin/sh\nkill -9 $$\n",
}


@pytest.mark.parametrize(("broken", "name"), list(zip(BROKEN, NAMES, strict=True)))
def test_a_program_that_fails_leaves_the_merge_to_git_with_its_markers(project: Path, broken: str, name: str) -> None:
    _install(project, BROKEN[broken])
    assert _merge(name, "a = 3\nb = 2\n", "a = 4\nb = 2\n") == 1
    assert Path(name).read_text().startswith("<<<<<<< ours\na = 3\n") and ">>>>>>> theirs" in Path(name).read_text()
    assert _git("ls-files", "--unmerged", "-z") != ""


def test_where_the_program_is_gone_git_merges(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(project, "").unlink()
    monkeypatch.setenv("PATH", os.pathsep.join([os.path.dirname(str(shutil.which("git"))), "/usr/bin", "/bin"]))
    assert _merge("a.py", "a = 3\nb = 2\n", "a = 4\nb = 2\n") == 1
    assert Path("a.py").read_text().startswith("<<<<<<< ours\na = 3\n")


def test_where_the_program_has_moved_it_is_found_on_the_path(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(project, 'exec BOUGH "$@"\n').rename(tmp_path / "bough")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert _merge("a.py", "a = 3\nb = 2\n", "a = 1\nb = 4\n") == 0
    assert Path("a.py").read_text() == "a = 3\nb = 4\n"


def test_files_that_no_lines_can_be_merged_of_stay_a_conflict(project: Path) -> None:
    _install(project, BROKEN["a traceback"])
    assert _merge("a.bin", "a\0b = 2\n", "a\0b = 3\n") == 1
    assert Path("a.bin").read_text() == "a\0b = 2\n" and "a.bin" in _git("ls-files", "--unmerged")


@pytest.mark.parametrize("remove", [["uninstall"], ["install", "--remove"]])
@pytest.mark.parametrize("before", [b"*.bin binary\n", b"*.bin binary", b"# \xff\r\n\n*.x -merge\r\n", None])
def test_what_was_installed_can_be_removed(project: Path, before: bytes | None, remove: list[str]) -> None:
    attributes, config = Path(".git/info/attributes"), Path(".git/config")
    if before is not None:
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_bytes(before)
        attributes.chmod(0o640)
    configured = config.read_bytes()
    assert _run("merge-tool", "install")[0] == _run("merge-tool", "install")[0] == 0
    assert attributes.read_bytes() == b"* merge=bough\n" + (before or b"")
    code, out, _ = _run("merge-tool", *remove)
    assert (code, len(out.splitlines())) == (0, 2)
    assert config.read_bytes() == configured
    assert attributes.exists() == (before is not None)
    if before is not None:
        assert (attributes.read_bytes(), attributes.stat().st_mode & 0o777) == (before, 0o640)
    assert _run("merge-tool", *remove)[1] == "Nothing was installed here.\n"


def test_what_the_user_added_to_the_section_stays(project: Path) -> None:
    _run("merge-tool", "install")
    _git("config", "merge.bough.recursive", "binary")
    _run("merge-tool", "uninstall")
    assert _git("config", "--get-regexp", "^merge").strip() == "merge.bough.recursive binary"


def test_it_can_be_installed_for_every_repository(project: Path) -> None:
    assert _run("merge-tool", "install", "--global")[0] == 0
    assert (Path.home() / ".config/git/attributes").read_text() == "* merge=bough\n"
    assert _git("config", "--global", "merge.bough.name").strip() == "merge by meaning"
    _run("merge-tool", "uninstall")
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
