"""A shared commit that was refused is in the history of none that follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.history.branches import Branch
from bough_daemon.history.shared_chain import MOST_REFUSED, SharedChain
from bough_daemon.store.store import Store

from tests.daemon.support import git, make_repository


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    made = Store(str(make_repository(folder, {"a": b"1"}) / ".git"), "test")
    yield made
    made.close()


@pytest.fixture
def chain(store: Store) -> list[str]:
    """Five commits, each on the one before."""
    tree, made = store.objects.write_tree({}), list[str]()
    for number in range(5):
        made.append(store.objects.write_commit(tree, made[-1:], "A <a@b>", number, f"{number}\n"))
    return made


def test_where_nothing_was_refused_a_chain_goes_on_without_asking_git(
    store: Store, chain: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "is_ancestor", None)
    assert SharedChain(store).parents([chain[4]], chain[0], [], [chain[1]]) == ([chain[4], chain[1]], None)


@pytest.mark.parametrize(("held", "goes_on_from"), [(None, None), (0, 0), (2, None), (3, None)])
def test_a_chain_goes_on_from_what_the_teammate_holds(
    store: Store, chain: list[str], held: int | None, goes_on_from: int | None
) -> None:
    refusals, beside = SharedChain(store), "b" * 40
    assert refusals.refuse(chain[2], chain[held] if held is not None else None, chain[4])
    for later in chain[2:]:
        expected = [chain[goes_on_from], beside] if goes_on_from is not None else [beside]
        assert refusals.parents([later], beside, [], []) == (expected, frozenset())
    assert refusals.parents([chain[1]], beside, [], []) == ([chain[1]], None)


def test_a_chain_does_not_go_on_from_a_commit_beside_it(store: Store, chain: list[str]) -> None:
    beside = store.objects.write_commit(store.objects.write_tree({}), [chain[0]], "A <a@b>", 9, "beside\n")
    refusals = SharedChain(store)
    assert refusals.refuse(chain[2], beside, chain[3])
    assert refusals.parents([chain[3]], chain[0], [], []) == ([chain[0]], frozenset())


def test_what_the_newest_has_left_behind_needs_no_new_beginning(store: Store, chain: list[str]) -> None:
    assert not SharedChain(store).refuse(chain[3], None, chain[2])


def test_a_beginning_that_is_refused_as_well_makes_no_other_by_itself(store: Store, chain: list[str]) -> None:
    refusals = SharedChain(store)
    refusals.note(chain[2], frozenset())
    assert not refusals.refuse(chain[2], None, chain[2])
    again = refusals.parents([chain[2]], chain[0], [], [])
    assert again == ([chain[0]], frozenset()), "the next save begins again nevertheless"


def test_a_beginning_that_is_refused_is_followed_by_one_without_what_it_had_merged(
    store: Store, chain: list[str]
) -> None:
    refusals, merged = SharedChain(store), "b" * 40
    assert refusals.refuse(chain[2], None, chain[2])
    assert refusals.parents([chain[2]], chain[0], [merged], [merged]) == ([chain[0], merged], frozenset({merged}))
    refusals.note(chain[3], frozenset({merged}))
    assert refusals.refuse(chain[3], None, chain[3])
    assert refusals.parents([chain[3]], chain[0], [merged], [merged]) == ([chain[0]], frozenset())


def test_nothing_goes_on_from_what_lacks_its_parents(store: Store, chain: list[str]) -> None:
    store.objects.settle()
    tree = store.objects.write_tree({})
    beside = store.objects.write_commit(tree, [chain[0]], "A <a@b>", 9, "beside\n")
    store.graft({chain[2]: [chain[0]]})
    shared = SharedChain(store)
    for later in chain[2:]:
        assert shared.parents([later], chain[0], [beside], []) == ([chain[0], beside], frozenset({beside}))
        assert shared.parents([beside], chain[0], [later], [later]) == ([beside], None), "nor claims it"
    assert shared.parents([chain[1]], chain[0], [], []) == ([chain[1]], None)


def test_few_refusals_are_remembered(store: Store, chain: list[str]) -> None:
    refusals, tree = SharedChain(store), store.objects.write_tree({})
    for number in range(3 * MOST_REFUSED):
        refusals.refuse(store.objects.write_commit(tree, [], "A <a@b>", number, ""), None, chain[0])
    assert len(refusals._refused) == MOST_REFUSED


@pytest.mark.parametrize("is_held", [True, False])
def test_a_branch_begins_again_once_and_keeps_its_merges_and_its_timeline(
    store: Store, folder: Path, chain: list[str], is_held: bool
) -> None:
    base = git(folder, "rev-parse", "HEAD")
    objects, branch = store.objects, Branch(store, "alice", "Alice <a@b>")

    def tree(content: bytes) -> str:
        return objects.splice(objects.commit(base).tree, {"a": TreeEntry(FILE, objects.write_blob(content))})

    held = branch.save(tree(b"2"), base)
    bad = branch.record(tree(b"3"), base, "merge bob", contains=[chain[4]])
    worse = branch.save(tree(b"4"), base)
    assert branch.refused(worse.shared, held.shared if is_held else None)
    again = branch.save(tree(b"4"), base)
    assert again.oid != worse.oid and again.tree == worse.tree
    history = set(git(Path(store.path), "rev-list", again.shared).split())
    assert not history & {bad.shared, worse.shared} and {base, chain[4]} <= history
    assert (held.shared in history) == is_held
    assert branch.save(tree(b"4"), base) == again, "once is enough"
    later = branch.save(tree(b"5"), base)
    assert again.shared in git(Path(store.path), "rev-list", later.shared).split()
    assert worse.oid in git(Path(store.path), "rev-list", later.oid).split(), "one's own timeline has all of it"
