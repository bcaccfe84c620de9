"""A store borrows what the user's commits reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from bough_daemon.store.store import Store

from tests.daemon.support import git, make_repository


@pytest.mark.parametrize("name", ["at 10:30", '"quoted"', "back\\slash", "#1", "-q"])
def test_what_the_user_has_is_readable_whatever_the_folder_is_called(folder: Path, name: str) -> None:
    root = make_repository(folder / name, {"a": b"1\n"})
    store = Store(str(root / ".git"), "test")
    try:
        head = git(root, "rev-parse", "HEAD")
        assert store.objects.exists(head) and not store.objects.owns(head)
        assert store.git.line("cat-file", "-t", head) == "commit"
        store.name("refs/heads/alice", head)
        with store.quarantine() as apart:
            assert apart.line("cat-file", "-t", head) == "commit"
    finally:
        store.close()
