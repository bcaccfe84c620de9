"""What one member sees who types `bough` in a repository."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Member
from tests.daemon.support import git, make_repository, tree_by_git, write_files


def ended(pid: int, seconds: float = 10.0) -> bool:
    """Wait until a process is gone, or a zombie that nobody has collected yet; return whether it is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_save_prints_the_tree_that_git_would_write(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    write_files(alice.tree, {"n/new.txt": b"x", "a.txt": b"changed"})
    (alice.tree / "src/b.py").chmod(0o755)
    saved = alice.told("save")
    assert saved["tree"] == tree_by_git(alice.tree, tmp_path)
    status = alice.told("status")
    assert (status["tip"], status["tree"], status["state"]) == (saved["tip"], saved["tree"], "live")
    assert status["files"] == ["a.txt", "n/new.txt", "src/b.py"]
    assert alice.bough("git", "rev-parse", "alice^{tree}", "live/alice^{tree}").split() == [saved["tree"]] * 2


def test_up_twice_and_down_and_up_again(alice: Member) -> None:
    assert alice.told("up")["already"] is False
    assert alice.told("up")["already"] is True
    alice.bough("down")
    typed = alice.types("status")
    assert (
        typed.code == 1 and "Error: " in typed.err and "not live" in typed.err and "Hint: Run `bough up`" in typed.err
    )
    (alice.tree / "a.txt").write_bytes(b"while down")
    alice.bough("up")
    assert len(alice.bough("log", "--json").splitlines()) == 2


def test_a_name_is_chosen_once(alice: Member) -> None:
    assert alice.told("up", "--as", "al")["member"] == "al"
    assert alice.told("up", "--as", "al")["already"] is True
    for prepare in (["status"], ["down"]):
        alice.bough(*prepare)
        typed = alice.types("up", "--as", "other")
        assert typed.code == 1 and "you already joined as al" in typed.err
    assert "not live" in alice.types("status").err
    assert alice.told("up")["member"] == "al"


def test_the_log_tells_what_changed_newest_first(alice: Member) -> None:
    alice.bough("up")
    (alice.tree / "a.txt").write_bytes(b"2")
    alice.bough("save")
    entries = [json.loads(line) for line in alice.bough("log", "--json").splitlines()]
    assert [entry["title"] for entry in entries] == ["a.txt", "first snapshot"]


def test_a_killed_daemon_is_back_with_the_next_command(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    pid = alice.daemon_pid()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    alice.is_killed()
    (alice.tree / "a.txt").write_bytes(b"after the kill")
    assert alice.told("save")["tree"] == tree_by_git(alice.tree, tmp_path)
    assert alice.daemon_pid() != pid
    assert all(ended(int(child)) for child in children)


def test_down_all_ends_the_daemon_and_nothing_is_left_running(alice: Member) -> None:
    alice.bough("up")
    pid = alice.daemon_pid()
    alice.bough("down", "--all")
    assert ended(pid)
    assert alice.types("down", "--all").code == 0


def test_forget_removes_every_trace_after_asking(alice: Member) -> None:
    alice.bough("up")
    assert alice.types("down", "--forget").code == 1
    assert (alice.tree / ".git/bough").is_dir()
    alice.bough("down", "--forget", "--yes")
    assert not (alice.tree / ".git/bough").exists()


def test_the_daemon_ends_by_itself_when_nothing_is_live(alice: Member) -> None:
    alice.variables["BOUGH_IDLE_SECONDS"] = "0.2"
    alice.bough("up")
    pid = alice.daemon_pid()
    alice.bough("down")
    assert ended(pid)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda path: path.mkdir(), 1, "is not in a Git repository"),
        (lambda path: git(path.parent, "init", "-q", "--bare", path.name), 1, "bare repository"),
        (lambda path: git(path.parent, "init", "-q", path.name), 1, "no commit yet"),
        (lambda path: git(path.parent, "init", "-q", "--object-format=sha256", path.name), 1, "sha256"),
    ],
)
def test_what_cannot_be_live_gets_one_clear_error(alice: Member, tmp_path: Path, make, code: int, words: str) -> None:  # type: ignore[no-untyped-def]
    place = tmp_path / "place"
    make(place)
    typed = alice.types("up", where=place)
    assert (
        typed.code == code and words in typed.err and typed.err.count("Error: ") == 1 and "Traceback" not in typed.err
    )


def test_without_a_daemon_the_error_says_so(alice: Member) -> None:
    typed = alice.types("status")
    assert (typed.code, typed.out) == (4, "") and "the daemon is not running" in typed.err


def test_a_second_home_is_told_who_owns_the_repository(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    other = Member("other", alice.tree, tmp_path / "home-other")
    try:
        typed = other.types("up")
        assert typed.code == 1 and str(alice.home) in typed.err
    finally:
        other.types("down", "--all")


def test_a_command_that_writes_is_refused_in_the_view(alice: Member) -> None:
    alice.bough("up")
    for words in (["push"], ["commit", "-m", "x"], ["branch", "new"], ["tag", "-d", "x"], ["--git-dir=/", "log"], []):
        typed = alice.types("git", *words)
        assert typed.code == 2, words
    assert alice.bough("git", "branch", "--list", "alice") == "alice"
    assert "first snapshot" in alice.bough("git", "log", "-1", "--format=%s", "alice")
    assert alice.types("git", "log", "nothing").code == 128


def test_the_index_of_a_linked_worktree_is_its_own(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    alice.git("worktree", "add", "-q", "-b", "second", str(tmp_path / "Second Tree"))
    second = Member("alice", tmp_path / "Second Tree", alice.home)
    assert second.told("up")["branch"] == "alice+second-tree"
    (second.tree / "a.txt").write_bytes(b"there")
    saved = second.told("save")
    assert second.bough("git", "rev-parse", "alice+second-tree") == saved["tip"]
    assert alice.told("save")["tree"] != saved["tree"]


def test_a_repository_that_is_gone_is_no_longer_live(alice: Member, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "other", {"x": b"1"})
    assert alice.types("up", where=other).code == 0
    alice.bough("up")
    alice.bough("down", "--all")
    other.rename(tmp_path / "elsewhere")
    alice.bough("status")
    assert str(other) not in (alice.home / "live.json").read_text()


def test_doctor_finds_a_live_repository_well(alice: Member) -> None:
    alice.bough("up")
    checks = [json.loads(line) for line in alice.bough("doctor", "--json").splitlines()]
    assert {check["name"] for check in checks} >= {"python", "git", "home", "daemon", "repository", "store", "live"}
    assert all(check["well"] for check in checks)
    store = next(check["found"] for check in checks if check["name"] == "store")
    assert store.startswith("intact; 1 live branch, under 1 MB on disk, oldest snapshot ")
    (alice.tree / ".git/bough/store.git/objects/pack/large.pack").write_bytes(bytes(3 << 20))  # garbage weighs as well
    store = next(line for line in alice.bough("doctor").splitlines() if "store:" in line)
    assert "3 MB on disk" in store


def test_restore_brings_back_what_gc_took_from_the_user(alice: Member) -> None:
    alice.bough("up")
    write_files(alice.tree, {"f": b"precious\n"})
    alice.git("add", "f")
    alice.bough("save")
    alice.git("reset", "-q", "f")
    (alice.tree / "f").unlink()
    alice.git("gc", "-q", "--prune=now")
    alice.bough("restore", "f")
    assert (alice.tree / "f").read_bytes() == b"precious\n"
    alice.bough("undo")
    assert not (alice.tree / "f").exists()


def test_commands_work_from_a_folder_below_and_through_a_link(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    write_files(alice.tree, {"src/b.py": b"lost\n"})
    alice.bough("save")
    (tmp_path / "link").symlink_to(alice.tree)
    (alice.tree / "src/b.py").unlink()
    assert alice.types("restore", "b.py", where=alice.tree / "src").code == 0
    assert (alice.tree / "src/b.py").read_bytes() == b"lost\n"
    typed = alice.types("status", "--json", where=tmp_path / "link" / "src")
    assert json.loads(typed.out)["repository"] == str(alice.tree)


def test_restore_goes_back_one_edit_after_the_other_and_says_from_when(alice: Member) -> None:
    alice.bough("up")
    for content in (b"1", b"2", b"3"):
        write_files(alice.tree, {"f": content})
        alice.bough("save")
    said = alice.bough("restore", "f")
    assert (alice.tree / "f").read_bytes() == b"2"
    assert re.fullmatch(r"Restored f as of .* \([0-9a-f]{10}\); `bough undo` reverses it", said), said
    told = alice.told("restore", "f", "a.txt")
    assert (alice.tree / "f").read_bytes() == b"1"
    assert [one["path"] for one in told["paths"]] == ["f"] and told["unchanged"] == ["a.txt"]
    assert alice.types("restore", "f").code == 1
    assert alice.bough("undo") == "Undid `restore`; `bough redo` does it again"
    assert alice.bough("redo") == "Redid `restore`; `bough undo` reverses it"
    alice.bough("undo")
    alice.bough("undo")
    assert (alice.tree / "f").read_bytes() == b"3"
    assert alice.told("redo")["undone"].startswith("restore") and (alice.tree / "f").read_bytes() == b"2"


def test_forgetting_uninstalls_the_merge_tool_here(alice: Member) -> None:
    config = (alice.tree / ".git/config").read_bytes()
    alice.bough("up")
    alice.bough("merge-tool", "install")
    alice.bough("down", "--forget", "--yes")
    assert (alice.tree / ".git/config").read_bytes() == config
    assert not (alice.tree / ".git/info/attributes").exists()


def test_a_partial_clone_is_recorded_as_git_would_record_it(alice: Member, tmp_path: Path) -> None:
    alice.git("config", "uploadpack.allowFilter", "true")
    write_files(alice.tree, {"a.txt": b"newer\n", "ümlaut/b": b"1\n"})
    alice.git("add", "-A")
    alice.git("commit", "-qm", "newer")
    clone = Member("pat", tmp_path / "part", alice.home)
    git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{alice.tree}", str(clone.tree))
    clone.git("config", "extensions.partialClone", "origin")
    clone.bough("up")
    write_files(clone.tree, {"a.txt": b"mine\n", "new": b"2\n"})
    assert clone.told("save")["tree"] == tree_by_git(clone.tree, tmp_path)
    clone.git("checkout", "-qf", "HEAD~1")  # Git fetches what is missing
    assert clone.told("save")["tree"] == tree_by_git(clone.tree, tmp_path)
    checks = [json.loads(line) for line in clone.bough("doctor", "--json").splitlines()]
    assert all(check["well"] for check in checks), checks
