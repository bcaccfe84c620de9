"""What a status tells of teammates' branches."""

from __future__ import annotations

import pytest
from bough_daemon.control import seen_branches
from bough_daemon.control.seen_branches import merged_of, since_merge

from tests.daemon.moves_support import Desk


def test_snapshots_since_a_merge_are_counted_where_one_of_the_branch_was_merged(
    here: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = here.store.objects
    first = here.teammate_at("alice", {"x": b"1"})
    second = here.teammate_at("alice", {"x": b"2"})
    bobs = here.teammate_at("bob", {"y": b"1"})
    assert [since_merge(objects, tip, frozenset([bobs, first])) for tip in (first, second, bobs)] == [0, 1, 0]
    mine = here.snapshot()
    folded = here.branch.record(mine.tree, mine.base, "save", company=mine.company.with_folded("alice", first, ["x"]))
    assert since_merge(objects, second, merged_of(folded, "alice")) == 1
    assert not merged_of(folded, "bob")
    monkeypatch.setattr(seen_branches, "timeline", lambda *_: pytest.fail("it was searched without need"))
    assert since_merge(objects, second, frozenset([bobs, mine.base, "1" * 40])) is None
