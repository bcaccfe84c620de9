"""Contents go out of a store whole, whenever the daemon is killed on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bough_daemon.errors import StoreDamaged
from bough_daemon.git.objects import EMPTY_BLOB, EXECUTABLE, FILE, FOLDER, TreeEntry
from bough_daemon.history.branches import Branch
from bough_daemon.purging.removal import (
    RemovalPlan,
    begin,
    find_paths,
    find_text,
    finish,
    in_history,
    of_bough_alone,
    rehearse,
    roots,
)
from bough_daemon.purging.rewriting import Contents, Rewriting
from bough_daemon.store.store import KEPT, LIVE, NOBODY, SHARED, Store

from tests import ready
from tests.daemon.support import git, make_repository

SECRET, OTHER = b"open sesame\n", b"anything else\n"


@pytest.fixture
def root(folder: Path) -> Path:
    return make_repository(folder / "work", {"a": b"1\n", "config": b"plain\n"})


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    made = Store(str(root / ".git"), "test")
    yield made
    made.close()


def replaced(store: Store) -> Path:
    """Return where the files are that commands have replaced."""
    return Path(store.folder, "stage", ".replaced")


def history(store: Store, root: Path) -> dict[str, str]:
    """Make a branch whose second snapshot has the secret, in three places, and whose fourth has not; return trees.

    A command has just replaced files that had the secret.
    """
    branch, objects = Branch(store, "alice", "A <a@b>"), store.objects
    base = git(root, "rev-parse", "HEAD")
    store.arrive(base)
    plain = objects.commit(base).tree
    secret = TreeEntry(FILE, objects.write_blob(SECRET))
    leaky = objects.splice(plain, {"config": secret, "deep/er/ä b": secret, "run": TreeEntry(EXECUTABLE, secret.oid)})
    later = objects.splice(leaky, {"other": TreeEntry(FILE, objects.write_blob(OTHER))})
    clean = objects.splice(later, dict.fromkeys(("deep/er/ä b", "run"))) if later else ""
    clean = objects.splice(clean, {"config": TreeEntry(FILE, objects.write_blob(b"better\n"))})
    branch.save(plain, base)
    for tree in (leaky, later, clean):
        branch.save(tree, base)
    assert branch.tip is not None
    store.keep("alice/was", branch.tip.parents[0])
    stage = replaced(store) / ".bough-1"
    stage.mkdir(parents=True)
    for number in range(8):
        (stage / str(number)).write_bytes(SECRET)
    return {"base": base, "secret": secret.oid, "clean": clean, "tip": branch.tip.oid}


def pack_everything(store: Store) -> None:
    loose = store.objects.loose()
    store.pack((), loose)
    store.objects.refresh()
    store.objects.remove_loose(loose)
    store.objects.refresh()


def work(made: dict[str, str]) -> RemovalPlan:
    return RemovalPlan([made["secret"]], "alice", ["config"], ["config"], [made["tip"]], True)


def check_purged(store: Store, made: dict[str, str]) -> None:
    """Check that the secret is nowhere, that nothing else is missing, and that files are as they were otherwise."""
    objects = store.objects
    listed = git(Path(store.path), "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert made["secret"] not in listed and not objects.owns(made["secret"])
    assert not os.listdir(replaced(store))
    git(Path(store.path), "fsck", "--full", "--strict", "--no-dangling")
    tip = store.ref(LIVE + "alice")
    assert tip is not None and tip == store.ref(SHARED + "alice") == store.purged.moved[made["tip"]]
    assert objects.commit(tip).tree == made["clean"]
    leaky = store.ref(KEPT + "alice/was")
    assert leaky is not None
    files = dict(objects.walk(objects.commit(leaky).tree))
    # As in the commit that it was based on where that has the path, else without it; a folder left empty goes.
    assert {path: objects.blob(entry.oid) for path, entry in files.items()} == {
        "a": b"1\n",
        "config": b"plain\n",
        "other": OTHER,
    }
    assert len(store.purged.records) == 1 and store.purged.ids == {made["secret"]}


@pytest.mark.parametrize("packed", [False, True])
def test_every_snapshot_is_without_the_content_and_all_else_is_as_it_was(
    store: Store, root: Path, packed: bool
) -> None:
    made = history(store, root)
    if packed:
        pack_everything(store)
    assert finish(store) is None
    begin(store, work(made))
    record = finish(store)
    assert record is not None and record.contents == 1
    check_purged(store, made)
    assert finish(store) is None
    git(root, "fsck", "--full", "--strict")


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_prepared_while_snapshots_were_taken_comes_to_the_same(
    store: Store, root: Path, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = history(store, root)
    if packed:
        pack_everything(store)
    prepared = rehearse(store, roots(store, True), [made["secret"]])
    assert store.ref(LIVE + "alice") == made["tip"] and store.objects.owns(made["secret"])  # nothing has changed yet
    later = store.objects.splice(made["clean"], {"new": TreeEntry(FILE, made["secret"])})
    tip = store.objects.write_commit(later, [made["tip"]], NOBODY, 0, "later\n")
    store.set_ref(LIVE + "alice", tip, made["tip"])
    store.set_ref(SHARED + "alice", tip, made["tip"])
    stray = store.objects.write_commit(later, [tip], NOBODY, 0, "stray\n")  # no reference names it
    commits = of_bough_alone(store, [*roots(store, True), stray])
    alone = Rewriting(store.objects, Contents(store.objects, [made["secret"]]), commits).run()
    written = list[str]()
    monkeypatch.setattr(Rewriting, "_rewrite", _noted(Rewriting._rewrite, written))
    begin(store, work(made))
    finish(store, prepared)
    assert set(written) - set(alone.values()) == {tip, stray}  # the rest was there
    assert store.ref(LIVE + "alice") == alone[tip] and prepared.rewriting.became == alone
    assert not any(map(store.objects.owns, (made["secret"], tip, stray)))
    git(Path(store.path), "fsck", "--full", "--strict", "--no-dangling")


def _noted(real: Callable[..., None], written: list[str]) -> Callable[..., None]:
    def rewrite(self: Rewriting, oid: str, raw: bytes) -> None:
        written.append(oid)
        real(self, oid, raw)

    return rewrite


def test_what_was_prepared_is_dropped_where_the_users_history_has_changed_since(store: Store, root: Path) -> None:
    made = history(store, root)
    secret = [made["secret"]]
    commits = of_bough_alone(store, roots(store, True))
    assert Rewriting(store.objects, Contents(store.objects, secret), commits).goes_on(store.objects, commits)
    prepared = rehearse(store, roots(store, True), secret)
    assert not prepared.rewriting.goes_on(store.objects, commits[1:])  # one of them is the user's by now
    outside = Rewriting(store.objects, Contents(store.objects, secret), commits[:1])
    outside.run()
    assert not outside.goes_on(store.objects, commits)  # what it names was the user's, and is no longer


def test_what_became_the_users_own_while_a_purge_was_prepared_stays(store: Store, root: Path) -> None:
    made = history(store, root)
    prepared = rehearse(store, roots(store, True), [made["secret"]])
    store.give([made["tip"]])
    git(root, "update-ref", "refs/heads/mine", made["tip"])
    begin(store, work(made))
    finish(store, prepared)
    assert store.ref(LIVE + "alice") == made["tip"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_kill_at_any_step_leaves_it_to_be_finished(folder: Path, root: Path, packed: bool) -> None:
    store = Store(str(root / ".git"), "test")
    made = history(store, root)
    if packed:
        pack_everything(store)
    begin(store, work(made))
    store.close()
    shutil.copytree(root, folder / "kept", symlinks=True)
    step = 0
    while True:
        shutil.rmtree(root)
        shutil.copytree(folder / "kept", root, symlinks=True)
        words = [str(root / ".git"), str(step)]
        code, _, said = ready.run(words, root, os.environ, program="tests.daemon.purge_killed")
        assert code in (0, 9), said
        store = Store(str(root / ".git"), "test")
        if code == 9:
            finish(store)
        check_purged(store, made)
        store.close()
        if code == 0:
            break
        step += 7
    assert step > 28


def test_contents_are_found_by_path_by_folder_and_by_text(store: Store, root: Path) -> None:
    made = history(store, root)
    commits = of_bough_alone(store, [made["tip"]])
    found = find_paths(store.objects, commits, "config")
    assert made["secret"] in found.ids and len(found.ids) == 3
    assert find_paths(store.objects, commits, "deep").paths == {made["secret"]: {"deep/er/ä b"}}
    assert find_paths(store.objects, commits, "config/x").paths == {}
    text = find_text(store.objects, commits, b"sesame")
    assert text.paths == {made["secret"]: {"config", "deep/er/ä b", "run"}}
    plain = git(root, "rev-parse", "HEAD:config")
    assert in_history(store.common_dir, [plain, made["secret"]]) == {plain}


def test_an_empty_file_is_never_a_content_to_purge(store: Store) -> None:
    empty = store.objects.write_tree({"e": TreeEntry(FILE, store.objects.write_blob(b""))})
    commit = store.objects.write_commit(empty, [], "A <a@b>", 1, "x\n")
    assert empty and find_paths(store.objects, [commit], "e").paths == {}
    assert store.objects.entry(empty, "e") == TreeEntry(FILE, EMPTY_BLOB)


def test_a_folder_that_is_in_many_places_is_rewritten_once(store: Store) -> None:
    objects = store.objects
    tree = objects.write_tree(
        {"s": TreeEntry(FILE, objects.write_blob(SECRET)), "k": TreeEntry(FILE, objects.write_blob(b"k"))}
    )
    for _ in range(8):  # a hundred million places
        tree = objects.write_tree({f"d{number}": TreeEntry(FOLDER, tree) for number in range(10)})
    contents = Contents(objects, [objects.write_blob(SECRET)])
    rewriting = Rewriting(objects, contents, ())
    made = rewriting.tree(tree, None)
    assert made != tree and not contents.of(made)


def test_a_damaged_list_of_what_was_purged_is_told_and_not_overwritten(store: Store) -> None:
    path = Path(store.folder) / "purged.json"
    path.write_text("{")
    with pytest.raises(StoreDamaged, match=r"purged\.json"):
        type(store.purged)(store.folder)
    assert path.read_text() == "{"
