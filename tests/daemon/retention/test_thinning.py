"""Old snapshots go, and all that stays is as it was."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.api.keep_ages import KeepAges
from bough_daemon.errors import DiskFull
from bough_daemon.git.objects import Objects
from bough_daemon.history import branches
from bough_daemon.history.timeline import timeline
from bough_daemon.purging import removal
from bough_daemon.retention import thinning
from bough_daemon.retention.thinning import Contraction, finish, give_up
from bough_daemon.store import own_files
from bough_daemon.store.own_files import Inventory
from bough_daemon.store.packs import make_pack
from bough_daemon.store.store import LIVE, Store
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.daemon.retention.histories import WHO, Clock, History, check_whole, planned
from tests.daemon.store.test_packs import PackSide
from tests.daemon.support import git, make_repository, tidied

AGES = KeepAges()
DAY = 24 * 3600.0
LONG = settings.get_current_profile_name() == "long"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(branches, "time", made)
    return made


LIVED: list[History] = []


@pytest.fixture
def a_day(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A day that is lived once, by the first of the tests that begin with one."""
    if not LIVED:
        LIVED.append(live_a_day(tmp_path_factory.mktemp("day")))
    return LIVED[0]


def live_a_day(folder: Path) -> History:
    """Make a repository with a long history, whose store is closed."""
    made = Clock()
    root = make_repository(folder / "work", {"a": b"1\n", "b": b"2\n"})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(branches, "time", made)
        store = Store(str(root / ".git"), "test")
        history = History(root, store, made)
        history.long_day()
        tidy_all(history)  # few files are copied sooner
        store.close()
    return history


@pytest.fixture
def lived(a_day: History, folder: Path, clock: Clock) -> Iterator[History]:
    """A copy of that day, which goes on."""
    root = folder / "work"
    shutil.copytree(a_day.root, root)
    store = Store(str(root / ".git"), "test")
    yield History(root, store, clock, a_day)
    store.close()


@pytest.fixture
def root(folder: Path) -> Path:
    return make_repository(folder / "work", {"a": b"1\n", "b": b"2\n"})


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    made = Store(str(root / ".git"), "test")
    yield made
    made.close()


@pytest.fixture
def history(root: Path, store: Store, clock: Clock) -> History:
    return History(root, store, clock)


def thin(history: History, folders: tuple[str, ...] = (), now: float | None = None) -> int:
    """Thin the store, as a daemon does and the next one finishes."""
    at = history.clock.now if now is None else now
    planned(history.store, folders, AGES, at)
    return finish(history.store, folders, AGES)


@pytest.mark.parametrize(
    ("saves", "starts_over", "later", "unneeded"),
    [(5, False, 100 * DAY, "timeline"), (5, True, 100.0, "timeline"), (0, True, 2 * 3600.0, "pinned")],
)
def test_a_store_in_which_nothing_is_old_is_not_searched(
    history: History, saves: int, starts_over: bool, later: float, unneeded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(saves):
        history.edit(1.0, number % 3)
    if starts_over:
        history.commit()
        assert history.start_over()
    monkeypatch.setattr(thinning, unneeded, None)
    assert planned(history.store, (), AGES, history.clock.now + later) is None


def own_commits(store: Store) -> set[str]:
    inventory = Inventory()
    inventory.look(store.objects)
    return inventory.commits


def own_objects(store: Store) -> set[str]:
    return set(store.objects.own_names())


STEPS = st.one_of(
    st.tuples(st.just("edit"), st.sampled_from([1.0, 20.0, 70.0, 700.0, 4000.0]), st.integers(0, 2)),
    st.tuples(st.sampled_from(["commit", "commit", "switch", "bob_merges", "alice_merges", "start_over"])),
    st.tuples(st.just("undo"), st.integers(0, 6)),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=400 if LONG else 3,
    deadline=None,
    phases=[Phase.generate],
)
@given(steps=st.lists(STEPS, min_size=4, max_size=14), later=st.sampled_from([0.0, 2 * 3600.0, 3 * DAY, 40 * DAY]))
def test_what_stays_is_whole_and_every_merge_base_is_as_before(
    steps: list[tuple[object, ...]], later: float, clock: Clock
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = make_repository(Path(folder) / "work", {"a": b"1\n", "b": b"2\n"})
        store = Store(str(root / ".git"), "test")
        try:
            history = History(root, store, clock)
            for _ in range(2):  # what was thinned grows on, and is thinned again
                for name, *arguments in steps:
                    getattr(history, str(name))(*arguments)
                check_thinned(history, clock.now + later)
        finally:
            store.close()


def check_thinned(history: History, now: float) -> None:
    """Thin at some time, and check what stays and what went."""
    store = history.store
    before, bases, refs = history.snapshots(), history.merge_bases(), store.refs("refs/")
    commits, names = own_commits(store), own_objects(store)
    plan = planned(store, (), AGES, now)
    assert own_commits(store) == commits and own_objects(store) == names  # nothing has gone yet
    dropped = set(plan.dropped) if plan is not None else set[str]()
    assert finish(store, (), AGES) == len(dropped)
    assert history.merge_bases() == bases
    assert own_commits(store) == commits - dropped
    assert own_objects(store) == names - set(plan.gone if plan is not None else ())
    after = [one.oid for one in history.snapshots()]
    left = [one.oid for one in before if one.oid not in dropped]
    assert after == left[: len(after)]
    if now - before[-1].time <= AGES.milestones:
        assert after == left  # the timeline leads across every gap
    assert store.refs("refs/") == {name: oid for name, oid in refs.items() if oid not in dropped}
    check_whole(store, sorted(commits - dropped))
    git(history.root, "fsck", "--full", "--strict", "--no-dangling")


def test_a_day_of_saves_is_one_a_minute_after_an_hour(lived: History) -> None:
    lived.long_day()
    before = lived.snapshots()
    assert thin(lived, now=lived.clock.now + 100.0) == 0  # too young
    gone = thin(lived, now=lived.clock.now + 2 * 3600)
    after = lived.snapshots()
    assert gone == len(before) - len(after) and len(after) < len(before) / 3
    assert [one for one in before if one.oid in {kept.oid for kept in after}] == [
        one for one in before if one.oid in {kept.oid for kept in after}
    ]
    minutes = {one.time // 60 for one in before}
    assert {one.time // 60 for one in after} == minutes  # none is without a snapshot


def test_the_chain_of_the_newest_snapshot_stays_whole_however_old_it_is(history: History) -> None:
    for _ in range(30):
        history.edit(5.0)
    before = history.snapshots()
    assert thin(history, now=history.clock.now + 300 * DAY) == 0
    assert history.snapshots() == before


def test_a_history_begins_again_only_where_everything_is_committed(history: History) -> None:
    history.edit(5.0)
    assert not history.start_over()
    history.commit()
    assert history.start_over()
    tip = history.snapshots()[0]
    assert tip.parents == (tip.base,) and history.snapshots()[1].oid == tip.previous


def test_a_history_does_not_start_over_while_a_teammates_branch_has_a_part_of_it(history: History) -> None:
    history.edit(5.0)
    history.bob_merges()
    history.edit(5.0)
    history.commit()
    assert not history.start_over()
    history.alice_merges()
    assert history.start_over()  # now Bob's branch is named again, and has what he took


def test_a_history_that_was_merged_meanwhile_stays_whole(history: History) -> None:
    for number in range(20):
        history.edit(5.0, number % 3)
    history.bob_merges()
    merged = history.snapshots()
    history.switch()
    assert thin(history, now=history.clock.now + 100 * DAY) == 0
    assert {one.oid for one in merged} < {one.oid for one in history.snapshots()}


@pytest.mark.parametrize("how", ["text", "base64", "index", "place", "landed"])
def test_a_snapshot_that_something_names_stays_with_all_its_files(lived: History, folder: Path, how: str) -> None:
    named = lived.snapshots()[20]
    data = folder / "data"
    data.mkdir()
    text = json.dumps({"commit": named.oid})
    if how == "text":
        (data / "journal").write_text(text)
    elif how == "base64":
        (data / "talk.jsonl").write_text(json.dumps({"said": base64.b64encode(text.encode()).decode()}))
    elif how == "index":
        path = Path(lived.store.folder, "index", "work")
        path.parent.mkdir()
        lived.store.git.with_environment(GIT_INDEX_FILE=str(path)).run("read-tree", named.tree)
    elif how == "landed":
        lived.store.give([named.tree])
        said = f"squashed\n\nBough-Snapshot: {named.oid}\n"
        git(lived.root, "update-ref", "refs/heads/shared", git(lived.root, "commit-tree", named.tree, "-m", said))
    else:
        objects = lived.store.objects
        place = objects.write_commit(named.tree, [lived.base, named.oid], "A <a@b>", 0, "place\n")
        lived.store.keep(f"alice/place-{place}", place)
    blobs = [entry.oid for _, entry in lived.store.objects.walk(named.tree)]
    assert thin(lived, (str(data),), now=lived.clock.now + 100 * DAY) > 0
    assert all(map(lived.store.objects.exists, blobs))
    if how != "index":
        check_whole(lived.store, [named.oid])
        assert named.oid in git(Path(lived.store.path), "rev-list", "--all", "--no-walk", named.oid)


def test_what_cannot_be_searched_for_names_keeps_everything(lived: History, folder: Path) -> None:
    (folder / "data").mkdir()
    with open(folder / "data" / "huge", "wb") as huge:
        huge.truncate(thinning.LARGEST_FILE_BYTES + 1)
    with pytest.raises(OSError, match="too large"):
        thin(lived, (str(folder / "data"),), now=lived.clock.now + DAY)
    assert finish(lived.store, (), AGES) == 0


def test_a_snapshot_that_is_continued_before_the_plan_is_carried_out_stays(lived: History) -> None:
    now = lived.clock.now + DAY
    plan = planned(lived.store, (), AGES, now)
    assert plan is not None
    steps = next(number for number, one in enumerate(lived.snapshots()) if one.oid in plan.dropped)
    lived.undo(steps)
    before = lived.snapshots()
    assert finish(lived.store, (), AGES) == 0
    assert lived.snapshots() == before
    check_whole(lived.store, [one.oid for one in before])


def test_a_newcomer_gets_what_continues_a_snapshot_whose_parents_have_gone(history: History, folder: Path) -> None:
    head = history.base
    history.long_day()
    objects = history.store.objects
    objects.settle()
    git(history.root, "clone", "-q", str(history.root), str(folder / "newcomer"))
    assert thin(history, now=history.clock.now + DAY) > 0
    steps = next(number for number, one in enumerate(history.snapshots()) if one.oid in objects.grafted)
    assert steps > 0
    history.undo(steps)
    history.edit(1.0)
    newcomer = PackSide(folder / "newcomer")
    try:
        shared = history.snapshots()[0].shared
        sent, _ = asyncio.run(make_pack(history.store, [shared], [head]))
        newcomer.take(sent, shared, shared=[head])
        check_whole(newcomer.store, [shared])
    finally:
        newcomer.close()


def test_a_content_that_is_saved_again_before_the_plan_is_carried_out_stays(lived: History) -> None:
    plan = planned(lived.store, (), AGES, lived.clock.now + DAY)
    assert plan is not None
    old = next(one for one in lived.snapshots() if one.oid in plan.dropped and one.tree in plan.gone)
    lived.tree = old.tree
    lived.save(1.0)
    assert finish(lived.store, (), AGES) == len(plan.dropped)
    assert not lived.store.objects.exists(old.oid)
    check_whole(lived.store, [one.oid for one in lived.snapshots()])


def test_a_plan_waits_for_a_better_one_where_packs_were_combined_since(
    lived: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(lived.store, (), AGES, lived.clock.now + DAY) is not None
    packs = [name.stem for name in Path(lived.store.path).glob("objects/pack/*.pack")]
    whole = {oid for name in packs for oid in Inventory().packs(lived.store)[name]}
    made = lived.store.pack((), sorted(whole))
    for name in set(packs) - made:
        for one in Path(lived.store.path).glob(f"objects/pack/{name}.*"):
            one.unlink()
    lived.store.refresh()
    before = own_objects(lived.store)
    monkeypatch.setattr(thinning, "MOST_MOVED", 10)
    assert finish(lived.store, (), AGES) == 0
    assert own_objects(lived.store) == before
    assert not os.path.exists(os.path.join(lived.store.folder, thinning.PENDING))


@pytest.mark.parametrize("killed", [False, True])
def test_a_purge_finds_what_stays_after_thinning_and_the_timeline_still_leads_across(
    lived: History, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived.long_day()
    assert thin(lived, now=lived.clock.now + 2 * DAY) > 0
    store, before = lived.store, lived.snapshots()
    user = Objects(str(lived.root / ".git/objects"))
    entries = [entry for one in before for _, entry in store.objects.walk(one.tree)]
    secret = next(entry for entry in entries if not user.exists(entry.oid))
    tips = [before[0].oid]
    removal.begin(store, removal.RemovalPlan([secret.oid], "alice", ["a"], [], tips, stays_out=False))
    if killed:
        monkeypatch.setattr(removal, "remove", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            removal.finish(store)
        monkeypatch.undo()
    removal.finish(store)
    tip = store.ref(LIVE + "alice")
    assert tip is not None and not store.objects.exists(secret.oid)
    after = list(timeline(store.objects, tip))
    assert [(one.time, one.event, one.title) for one in after] == [(one.time, one.event, one.title) for one in before]
    check_whole(store, [one.oid for one in after])


def test_a_plan_by_a_clock_that_was_ahead_is_given_up(lived: History) -> None:
    assert planned(lived.store, (), AGES, lived.clock.now + DAY) is not None
    path = Path(lived.store.folder, thinning.PENDING)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"made_at": time.time() + 3600}))
    before = own_objects(lived.store)
    assert finish(lived.store, (), AGES) == 0
    assert own_objects(lived.store) == before and not path.exists()


def test_a_plan_is_given_up_where_a_purge_waits(lived: History) -> None:
    assert planned(lived.store, (), AGES, lived.clock.now + DAY) is not None
    before = own_objects(lived.store)
    Path(lived.store.folder, removal.PENDING).write_text("{}")
    assert finish(lived.store, (), AGES) == 0
    assert own_objects(lived.store) == before


def test_a_plan_may_be_given_up(lived: History) -> None:
    assert planned(lived.store, (), AGES, lived.clock.now + DAY) is not None
    give_up(lived.store)
    give_up(lived.store)
    assert finish(lived.store, (), AGES) == 0


@pytest.mark.parametrize("ages", [None, KeepAges(milestones=365 * DAY)])
def test_a_plan_is_given_up_where_the_user_wants_another_one_by_now(lived: History, ages: KeepAges | None) -> None:
    assert planned(lived.store, (), AGES, lived.clock.now + DAY) is not None
    before = own_objects(lived.store)
    assert finish(lived.store, (), ages) == 0
    assert finish(lived.store, (), AGES) == 0, "it is gone"
    assert own_objects(lived.store) == before


@pytest.mark.parametrize("fails", ["graft", "sync_folder", "remove_loose"])
def test_what_is_used_again_after_a_plan_failed_halfway_stays(
    lived: History, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived.save(5.0)
    plan = planned(lived.store, (), AGES, lived.clock.now + DAY)
    assert plan is not None
    old = [one for one in lived.snapshots() if one.oid in plan.dropped and one.tree in plan.gone]
    files = lived.files(old[0].tree)
    where = {"graft": lived.store, "sync_folder": own_files, "remove_loose": lived.store.objects}
    monkeypatch.setattr(where[fails], fails, fails_for_want_of_room)
    with pytest.raises(DiskFull):
        finish(lived.store, (), AGES)
    monkeypatch.undo()
    give_up(lived.store)  # as a purge does, or the setting `everything`
    assert planned(lived.store, (), AGES, lived.clock.now + 2 * DAY) is None, "one at a time"
    assert os.path.exists(os.path.join(lived.store.folder, thinning.PENDING))
    lived.alice = branches.Branch(lived.store, "alice", WHO)
    if fails == "graft":  # the old snapshots are still listed
        lived.undo([one.oid for one in lived.snapshots()].index(old[3].oid))
    assert lived.types(files).tree == old[0].tree
    assert finish(lived.store, (), None) >= len(plan.dropped) - 1, "it had begun"
    assert not lived.store.objects.exists(old[1].oid)
    assert lived.store.objects.exists(old[3].oid) == (fails == "graft")
    check_whole(lived.store, [one.oid for one in lived.snapshots()])


def fails_for_want_of_room(*_: object) -> None:
    raise DiskFull("the disk is full")


def test_packs_are_smaller_afterwards_and_lose_nothing_else(lived: History) -> None:
    before = own_objects(lived.store)
    assert thin(lived, now=lived.clock.now + 2 * DAY) > 30
    assert len(own_objects(lived.store)) < len(before) - 60
    lived.edit(1.0)
    check_whole(lived.store, [one.oid for one in lived.snapshots()])
    git(Path(lived.store.path), "verify-pack", *map(str, Path(lived.store.path).glob("objects/pack/*.idx")))


def tidy_all(history: History) -> None:
    history.store.objects.heavy_bytes = 1 << 30
    assert tidied(history.store)


def test_the_contraction_of_a_graph_keeps_what_each_commit_descends_from() -> None:
    graph = {"tip": ("d2", "m"), "d2": ("d1", "b2"), "d1": ("k", "b1"), "k": ("b0",), "m": (), "b0": (), "b1": ()}
    contraction = Contraction(graph.__getitem__, {"d1", "d2"})
    assert contraction.of("tip") == ("k", "b1", "b2", "m")
    assert contraction.of("k") == ("b0",)


def test_a_very_long_chain_is_contracted_without_recursion() -> None:
    graph = {number: (number - 1,) for number in range(1, 50_000)} | {0: ()}
    names = {str(one): tuple(map(str, parents)) for one, parents in graph.items()}
    contraction = Contraction(names.__getitem__, {str(number) for number in range(1, 49_999)})
    assert contraction.of("49999") == ("0",)


KILLED = """
import itertools, os, shutil, sys
from bough_daemon.api.keep_ages import KeepAges
from bough_daemon.git import objects
from bough_daemon.retention import thinning
from bough_daemon.store import own_files, store as stores
from bough_daemon.store.store import Store
root, copies = sys.argv[1:]
left = 0

def dying(real, counts=lambda *arguments: True):
    def call(*arguments, **named):
        global left
        if not counts(*arguments):
            return real(*arguments, **named)
        left -= 1
        if left < 0:
            os._exit(9)
        return real(*arguments, **named)
    return call

for module, name in ((thinning, "write_whole"), (stores, "write_whole"), (own_files, "sync_folder")):
    setattr(module, name, dying(getattr(module, name)))
for name in ("delete_ref", "pack"):
    setattr(Store, name, dying(getattr(Store, name)))
unlink = os.unlink
objects.Objects.remove_loose = dying(objects.Objects.remove_loose)
for step in itertools.count():
    copy = os.path.join(copies, f"killed {step:02}")
    shutil.copytree(root, copy, symlinks=True)
    child = os.fork()
    if not child:
        left = 1000  # opening the store is another test's
        store = Store(os.path.join(copy, ".git"), "test")
        left = step
        os.unlink = dying(unlink, lambda path: os.fspath(path).endswith((".pack", ".idx", ".json")))
        assert thinning.finish(store, (), KeepAges())
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    if not code:
        break
"""


def test_a_plan_that_is_killed_at_any_step_is_done_whole_by_the_next_start_or_not_at_all(
    root: Path, clock: Clock, folder: Path
) -> None:
    store = Store(str(root / ".git"), "test")
    history = History(root, store, clock)
    history.long_day(saves=8)
    history.edit(5.0)
    history.long_day(saves=8)
    tidy_all(history)
    history.edit(5.0)
    plan = planned(store, (), AGES, history.clock.now + 35 * DAY)
    assert plan is not None and plan.names
    before = [one.oid for one in history.snapshots()]
    left = [oid for oid in before if oid not in plan.dropped]
    rest = own_objects(store) - set(plan.gone)
    store.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(root), str(folder)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    copies = sorted(folder.glob("killed *"))
    assert len(copies) > 8
    for copy in copies:
        check_after_kill(copy, before[0], left, plan.dropped, rest)
    git(copies[-1], "fsck", "--full", "--strict", "--no-dangling")


def check_after_kill(root: Path, tip: str, left: list[str], dropped: list[str], rest: set[str]) -> None:
    """Check that a store is whole as it is, and that the next start finishes the plan."""
    git(root / ".git" / "bough" / "store.git", "fsck", "--full", "--strict", "--no-dangling")
    store = Store(str(root / ".git"), "test")
    try:
        finish(store, (), AGES)
        assert store.ref(LIVE + "alice") == tip
        assert not os.path.exists(os.path.join(store.folder, thinning.PENDING))
        assert not any(map(store.objects.exists, dropped))
        assert own_objects(store) == rest
        check_whole(store, left[:1])
        assert finish(store, (), AGES) == 0
    finally:
        store.close()


def test_objects_read_a_commit_as_git_does(lived: History) -> None:
    lived.long_day()
    assert thin(lived, now=lived.clock.now + 2 * DAY) > 0
    objects = Objects(lived.store.objects.folder)
    ids = [one.oid for one in lived.snapshots()]
    asked = "".join(f"{oid}\n" for oid in ids).encode()
    listed = git(Path(lived.store.path), "rev-list", "--parents", "--no-walk=unsorted", "--stdin", stdin=asked)
    assert [[oid, *objects.commit(oid).parents] for oid in ids] == [line.split() for line in listed.splitlines()]
