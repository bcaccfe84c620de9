"""What the completion process is told of a repository, and how much of it is held."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bough_daemon.completion import text_reader
from bough_daemon.completion.text_budget import TextBudget
from bough_daemon.completion.text_reader import FILE_LIMIT_BYTES, RECENT_COMMITS, Reader, distance

from tests.daemon.support import git, make_repository, write_files


def reader(folder: Path) -> Reader:
    return Reader(str(folder / ".git" / "objects"))


def head(folder: Path, what: str = "HEAD") -> str:
    return git(folder, "rev-parse", what)


def commit(folder: Path, files: dict[str, bytes], *options: str) -> str:
    write_files(folder, files)
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-qm", "more", *options)
    return head(folder)


def test_the_nearest_files_come_first_and_only_texts_are_read(folder: Path) -> None:
    files = {
        "src/a/one.py": b"1\n",
        "src/b/two.py": b"2\n",
        "src/a/three.md": b"3\n",
        ".env": b"SECRET=1\n",
        "keys/server.pem": b"key\n",
        "image.py": b"\0\1",
        "latin.py": b"gr\xfc\xdfe\n",
        "long.py": b"x\n" * FILE_LIMIT_BYTES,
    }
    make_repository(folder, files)
    (folder / "link.py").symlink_to("src/a/one.py")
    tree = git(folder, "rev-parse", f"{commit(folder, {})}^{{tree}}")
    read = reader(folder)
    changes = read.nearest(None, tree, "src/a/new.py")
    assert [path for path, _ in changes][:2] == ["src/a/one.py", "src/b/two.py"]
    found, at = dict[str, str | None](), 0
    while at < len(changes):
        texts, at = read.texts(changes, at)
        found |= dict(texts)
    assert {path for path, text in found.items() if text is not None} == {
        "src/a/one.py",
        "src/b/two.py",
        "src/a/three.md",
        "latin.py",
    }
    assert found["latin.py"] == "gr\ufffd\ufffde\n"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this needs /proc")
def test_packs_that_are_gone_are_not_kept_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def removed() -> list[str]:
        links = (os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.is_symlink())
        return [link for link in links if link.startswith(str(folder)) and link.endswith("(deleted)")]

    make_repository(folder, {"a.py": b"1\n"})
    read, base = reader(folder), head(folder)
    for number in range(3):
        tip = commit(folder, {"a.py": b"%d more\n" % number})
        git(folder, "repack", "-adq")
        assert read.differing(base, tip).keys() == {"a.py"}
    assert removed()
    monkeypatch.setattr(text_reader, "REOPEN_SECONDS", 0.0)
    assert read.differing(base, tip).keys() == {"a.py"}
    assert removed() == []


def test_recent_commits_tell_what_they_added_without_secrets_merges_and_great_ones(folder: Path) -> None:
    make_repository(folder, {"a.py": b"one\ntwo\n"})
    second = commit(folder, {"a.py": b"one\nthree\ntwo\nfour\n", ".env": b"SECRET=1\n"})
    commit(folder, {f"many/{number}.py": b"x\n" for number in range(100)})
    git(folder, "switch", "-qc", "side", "HEAD^")
    commit(folder, {"b.py": b"side\n"})
    git(folder, "merge", "-q", "--no-edit", "main")
    assert reader(folder).recent(head(folder)) == {
        f"{second}/a.py": "three\n\nfour\n",
        f"{head(folder, 'HEAD^')}/b.py": "side\n",
    }


def test_commits_that_lead_on_are_told_from_a_switch(folder: Path) -> None:
    make_repository(folder, {"a.py": b"one\n"})
    first = head(folder)
    second = commit(folder, {"a.py": b"two\n"})
    third = commit(folder, {"a.py": b"three\n"})
    read = reader(folder)
    assert read.between(first, third) == [second, third]
    assert read.between(third, first) == []
    amended = commit(folder, {"a.py": b"four\n"}, "--amend")
    assert read.between(third, amended) == [amended]
    for number in range(RECENT_COMMITS + 1):
        commit(folder, {"a.py": b"%d\n" % number})
    assert read.between(first, head(folder)) == []
    assert read.committed(amended, {"a.py", "other.py"}) == {"a.py": "four\n"}
    assert read.committed(amended, {""}) == {"a.py": "four\n"}
    assert read.committed(amended, {"other.py"}) == {}


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [("a/b/x.py", "a/x.py"), ("z/x.py", "a/b/x.md"), ("a/x.py", "c/x.py")],
)
def test_a_file_is_near_by_suffix_and_then_by_folder(nearer: str, farther: str) -> None:
    assert distance(nearer, "a/b/new.py") < distance(farther, "a/b/new.py")


def test_what_is_held_stays_within_its_limit_and_the_farthest_goes_first() -> None:
    held = TextBudget(100)
    for path, size in (("near", 40), ("far", 40), ("farthest", 20)):
        held.take(path, path, size)
    assert held.room == 0
    held.take("own", "1", 30, first=True)
    assert held.excess() == ["farthest", "far"]
    assert list(held) == ["own", "near"]
    held.take("own", "2", 10, first=True)
    assert (held.room, held.has("own", "2"), held.has("own", "1")) == (50, True, False)
    assert (held.drop("near"), held.drop("near"), held.room) == (True, False, 90)
