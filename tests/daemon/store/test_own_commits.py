"""Commits with what would be withheld stay at home, with all after them, until somebody else has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bough_daemon.history.branches import Branch
from bough_daemon.history.timeline import read_snapshot
from bough_daemon.store import own_commits, walks
from bough_daemon.store.own_commits import OwnCommits
from bough_daemon.store.store import LIVE, Store

from tests.daemon.support import git, make_repository, write_files

KEY = b"stripe = 'sk_live_" + b"51HqLyjWDarjtT1zdp7dcKz3P'\n"


class CommitDesk:
    """A repository with a store, and what may leave of its commits."""

    def __init__(self, folder: Path) -> None:
        self.root = make_repository(folder / "r", {"a.txt": b"one\n"})
        self.store = Store(str(self.root / ".git"), "test")
        self.commits = OwnCommits(self.store)
        self.branch = Branch(self.store, "alice", "Alice <a@b>")

    def commit(self, **files: str | bytes) -> str:
        """Commit files: `_` is a dot."""
        named = {name.replace("_", "."): data for name, data in files.items()}
        write_files(
            self.root, {name: data if isinstance(data, bytes) else data.encode() for name, data in named.items()}
        )
        git(self.root, "add", "-Af")
        git(self.root, "commit", "-qm", "more")
        return self.head()

    def head(self) -> str:
        return git(self.root, "rev-parse", "HEAD")

    def tree(self) -> str:
        return git(self.root, "rev-parse", "HEAD^{tree}")

    def save(self) -> tuple[str, set[str], set[str]]:
        """Take a snapshot of what HEAD has; return its shared base, and the objects and commits that the team gets."""
        tip = self.branch.save(self.tree(), self.head())
        shared = read_snapshot(self.store.objects, tip.shared)
        assert shared is not None and shared.base == tip.shared_base
        listed = git(Path(self.store.path), "rev-list", "--objects", tip.shared, tip.shared_base).splitlines()
        commits = set(git(Path(self.store.path), "rev-list", tip.shared, tip.shared_base).split())
        return tip.shared_base, {line.split(" ")[0] for line in listed}, commits


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CommitDesk]:
    made = CommitDesk(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("server.key", b"k", "named like a secret"),
        (".env~", b"k", "named like a copy of a secret"),
        ("big", bytes(10_000_001), "not pushed yet, and larger than 10 MB"),
        ("pay.py", KEY, "it contains a Stripe key"),
    ],
)
def test_a_commit_with_a_secret_stays_with_all_after_it(desk: CommitDesk, name: str, data: bytes, why: str) -> None:
    first, bad = desk.head(), desk.commit(**{name.replace(".", "_"): data})
    later = desk.commit(b="two")
    for commit in (bad, later):
        leaving = desk.commits.leaving(commit)
        assert leaving.commits == (first,)
        assert leaving.reasons[name].startswith(f"{why}; your commit {bad[:7]} and those after it stay here until")
    base, objects, commits = desk.save()
    assert base == first and not commits & {bad, later}
    assert git(desk.root, "rev-parse", f"HEAD:{name}") not in objects
    assert git(desk.root, "rev-parse", "HEAD:b") in objects, "the rest goes, as if it were not committed"


def test_what_was_deleted_again_is_in_the_history_still(desk: CommitDesk) -> None:
    first = desk.head()
    desk.commit(server_key="k")
    git(desk.root, "rm", "-q", "server.key")
    git(desk.root, "commit", "-qm", "gone")
    assert desk.commits.leaving(desk.head()).commits == (first,)
    assert desk.save()[0] == first
    assert list(desk.branch.withheld) == ["server.key"]


def test_a_push_lets_commits_go_by_itself(desk: CommitDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_commits, "LOOK_EVERY", 0.0)
    first, pushed = desk.head(), desk.commit(server_key="k")
    assert desk.save()[0] == first
    git(desk.root, "update-ref", "refs/remotes/origin/main", pushed)
    base, objects, commits = desk.save()
    assert base == pushed and pushed in commits and desk.branch.withheld == {}
    assert git(desk.root, "rev-parse", "HEAD:server.key") in objects
    later = desk.commit(b="two")
    assert desk.save()[0] == later


def test_what_a_teammate_has_may_leave(desk: CommitDesk) -> None:
    bad = desk.commit(server_key="k")
    desk.store.set_ref(LIVE + "bob", bad, None)
    assert desk.commits.leaving(bad).commits == (bad,)


def test_what_was_merged_and_must_not_leave_is_claimed_by_ones_own_timeline_alone(desk: CommitDesk) -> None:
    desk.save()
    git(desk.root, "switch", "-qc", "side")
    fit = desk.commit(b="two")
    bad = desk.commit(server_key="k")
    merged = desk.tree()
    git(desk.root, "switch", "-q", "main")
    tip = desk.branch.record(merged, desk.head(), "merge side", contains=[bad])
    assert bad in git(Path(desk.store.path), "rev-list", tip.oid).split()
    shared = git(Path(desk.store.path), "rev-list", tip.shared).split()
    assert bad not in shared and fit in shared
    assert list(desk.branch.withheld) == ["server.key"]


def test_an_amend_without_the_secret_lets_commits_go(desk: CommitDesk) -> None:
    desk.save()
    bad = desk.commit(server_key="k", b="two")
    desk.save()
    git(desk.root, "rm", "-q", "server.key")
    git(desk.root, "commit", "-q", "--amend", "-m", "without it")
    tip = desk.branch.save(desk.tree(), desk.head(), rewritten=lambda _: True)
    assert tip.shared_base == desk.head() and desk.branch.withheld == {}
    assert bad not in git(Path(desk.store.path), "rev-list", tip.shared).split()


def test_a_merge_of_a_branch_that_stays_names_what_may_leave_of_both(desk: CommitDesk) -> None:
    first = desk.head()
    git(desk.root, "switch", "-qc", "side")
    side = desk.commit(c="three")
    desk.commit(server_key="k")
    git(desk.root, "switch", "-q", "main")
    main = desk.commit(b="two")
    git(desk.root, "merge", "-q", "--no-edit", "side")
    assert desk.commits.leaving(desk.head()).commits == (main, side)
    base, _, commits = desk.save()
    assert base == main and {main, side, first} <= commits and desk.head() not in commits


def test_a_merge_brings_only_what_no_parent_has(desk: CommitDesk) -> None:
    git(desk.root, "switch", "-qc", "published")
    published = desk.commit(server_key="k")
    git(desk.root, "update-ref", "refs/remotes/origin/main", published)
    git(desk.root, "switch", "-q", "main")
    desk.commit(b="two")
    git(desk.root, "merge", "-q", "--no-edit", "published")
    assert desk.commits.leaving(desk.head()).commits == (desk.head(),)


def test_where_not_even_the_first_commit_may_leave_everything_is_new(tmp_path: Path) -> None:
    make_repository(tmp_path / "r", {"server.key": b"k", "a.txt": b"one\n"})
    desk = CommitDesk.__new__(CommitDesk)
    desk.root, desk.store = tmp_path / "r", Store(str(tmp_path / "r/.git"), "test")
    try:
        desk.branch = Branch(desk.store, "alice", "Alice <a@b>")
        base, objects, _ = desk.save()
        assert base == desk.store.no_commit()
        assert git(desk.root, "rev-parse", "HEAD:a.txt") in objects
        assert git(desk.root, "rev-parse", "HEAD:server.key") not in objects
    finally:
        desk.store.close()


def test_what_is_allowed_holds_no_commit_back(desk: CommitDesk) -> None:
    bad = desk.commit(server_key="k")
    assert desk.save()[0] != bad
    assert desk.store.allowed.set("server.key", chosen=True) and not desk.store.allowed.set("server.key", chosen=True)
    assert desk.save()[0] == bad and desk.branch.withheld == {}
    later = desk.commit(server_key="k2")
    assert desk.save()[0] == later
    desk.store.allowed.set("server.key", chosen=False)
    assert desk.commit(server_key="k3") != desk.save()[0] == later, "what has left has left"


def test_a_long_history_is_walked_once_and_only_its_newest_commits(
    desk: CommitDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_commits, "MOST_COMMITS", 20)
    desk.commit(server_key="k")
    for number in range(30):
        git(desk.root, "commit", "-q", "--allow-empty", "-m", str(number))
    assert desk.commits.leaving(desk.head()).commits == (desk.head(),)
    asked: list[str] = []
    monkeypatch.setattr(OwnCommits, "_judge", lambda self, commit: asked.append(commit))
    for number in range(3):
        assert desk.commits.leaving(desk.commit(b=str(number))).commits == (desk.head(),)
    assert asked == [], "git is asked once, not for each commit that is made"


def test_an_unreadable_history_keeps_the_commits_and_stops_nothing(desk: CommitDesk) -> None:
    bad = desk.commit(b="two")
    first = git(desk.root, "rev-parse", "HEAD~")
    (desk.root / ".git/objects" / first[:2] / first[2:]).unlink()
    leaving = desk.commits.leaving(bad)
    assert leaving.commits == () and "cannot list your commits" in leaving.reasons[".git"]


def test_commits_that_were_looked_through_beforehand_are_not_looked_through_again(
    desk: CommitDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, bad = desk.head(), desk.commit(server_key=b"k")
    later = [desk.commit(b=f"{number}") for number in range(own_commits.FEW + 2)][-1]
    checked = OwnCommits.looked_through(desk.store, later)
    assert OwnCommits.looked_through(desk.store, "1" * 40).leaving(first).commits == (first,)
    monkeypatch.setattr(OwnCommits, "_why_stays", lambda *_: pytest.fail("a commit was looked at again"))
    tip = Branch(desk.store, "bob", "Bob <a@b>", checked).save(desk.tree(), later)
    assert tip.shared_base == first != bad


def hide(store: Store) -> None:
    store.hidden.set("pay.py", chosen=True)


def purge(store: Store) -> None:
    store.purged.note([store.objects.write_blob(b"fine\n")], [])


@pytest.mark.parametrize("choose", [hide, purge])
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_what_is_hidden_or_purged_while_commits_are_checked_stays(
    desk: CommitDesk, monkeypatch: pytest.MonkeyPatch, choose: Callable[[Store], None], when: str
) -> None:
    first, later = desk.head(), desk.commit(pay_py="fine\n")
    if when == "before":
        assert desk.commits.leaving(later).commits == (later,), "it was fit, and has not left"
        choose(desk.store)
    judge = OwnCommits._judge

    def then(self: OwnCommits, commit: str) -> None:
        judge(self, commit)
        choose(desk.store)

    with monkeypatch.context() as meanwhile:
        if when == "during":
            meanwhile.setattr(OwnCommits, "_judge", then)
        checked = OwnCommits.looked_through(desk.store, later, desk.commits.copied())
    if when == "after":
        choose(desk.store)
    desk.commits.learn(checked)
    assert desk.commits.leaving(later).commits == (first,)


def test_a_teammates_state_lets_commits_be_compared_again_but_not_looked_at_again(
    desk: CommitDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_commits, "LOOK_EVERY", 0.0)
    first, bad = desk.head(), desk.commit(server_key=b"k")
    assert desk.commits.leaving(bad).commits == (first,)
    desk.store.name(f"{LIVE}bob", first)
    monkeypatch.setattr(OwnCommits, "_changes", lambda *_: pytest.fail("a commit was looked at again"))
    assert desk.commits.look_again() and desk.commits.leaving(bad).commits == (first,)
    desk.store.name(f"{LIVE}bob", bad)
    assert desk.commits.look_again() and desk.commits.leaving(bad).commits == (bad,)


def test_where_git_takes_too_long_for_saves_it_is_asked_again_beside_them(
    desk: CommitDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, bad = desk.head(), desk.commit(server_key=b"k")
    desk.store.name(f"{LIVE}bob", bad)
    monkeypatch.setattr(own_commits, "TEAMS_SECONDS", 0.0)
    assert desk.save()[0] == first and "server.key" in desk.branch.withheld
    known = desk.branch.unchecked(bad)
    assert known is not None
    desk.branch.learn(OwnCommits.looked_through(desk.store, bad, known))
    assert desk.save()[0] == bad and desk.branch.withheld == {}
    assert desk.branch.unchecked(bad) is None


def test_a_commit_that_git_cannot_list_in_time_is_listed_later(
    desk: CommitDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save()
    newest = [desk.commit(b=f"{number}") for number in range(own_commits.FEW + 2)][-1]
    with monkeypatch.context() as slow:
        slow.setattr(walks, "LONGEST_SECONDS", 0.0)
        desk.branch.learn(OwnCommits.looked_through(desk.store, newest, desk.branch.unchecked(newest)))
    assert desk.branch.unchecked(newest) is None, "that took as long as it may, a moment ago"
    assert desk.save()[0] == desk.store.no_commit()
    assert desk.branch.withheld[".git"] == own_commits.TOO_SLOW
    monkeypatch.setattr(desk.branch._commits, "_again_at", 0.0)
    desk.branch.learn(OwnCommits.looked_through(desk.store, newest, desk.branch.unchecked(newest)))
    assert desk.save()[0] == newest and desk.branch.withheld == {}


def test_a_history_that_is_long_to_compare_with_the_teams_is_compared_with_remotes_alone(
    desk: CommitDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, bad = desk.head(), desk.commit(server_key=b"k")
    desk.store.name(f"{LIVE}bob", bad)
    assert OwnCommits(desk.store).leaving(bad).commits == (bad,)
    monkeypatch.setattr(own_commits, "TEAMS_SECONDS", 0.0)
    leaving = OwnCommits(desk.store).leaving(bad)
    assert leaving.commits == (first,) and "server.key" in leaving.reasons
