"""A working tree is found wherever it is, or an error says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from bough_daemon.errors import BareRepository, UnsupportedRepository
from bough_daemon.git.worktree import Worktree

from tests.daemon.support import git, make_repository


@pytest.mark.parametrize("name", ["a\nb", "ends\n", "\n--\n", "a:b", "-q", "\u00fc 'x'"])
def test_a_working_tree_is_found_whatever_its_folder_is_called(folder: Path, name: str) -> None:
    root = make_repository(folder / "r", {"a": b"1\n"})
    git(root, "worktree", "add", "-q", "-b", "other", str(folder / name))
    (folder / name / "below").mkdir()
    for path in (folder / name, folder / name / "below"):
        found = Worktree.find(str(path))
        assert found.root == str(folder / name)
        assert found.common_dir == str(root / ".git") != found.git_dir


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_a_repository_whose_own_path_has_a_line_break_is_refused_by_name(folder: Path, end: str) -> None:
    root = make_repository(folder / f"a{end}b", {"a": b"1\n"})
    with pytest.raises(UnsupportedRepository, match=r"has a line break: .*b/.git$"):
        Worktree.find(str(root))
    git(folder, "init", "-q", "--bare", str(folder / f"bare{end}b"))
    with pytest.raises(BareRepository):
        Worktree.find(str(folder / f"bare{end}b"))
