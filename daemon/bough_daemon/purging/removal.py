"""Remove contents from a store: from every snapshot, and then from its files.

The plan is recorded before anything is changed, with the replacement of each commit. References are moved next, then
the records of commands, and only then are objects removed. Each step can be repeated: if the daemon is killed on the
way, the purge is finished when the store is next opened.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from bough_daemon.errors import CutShort, StillHopped, TextTooShort
from bough_daemon.git.command import GitCommand
from bough_daemon.git.object_id import IN_BYTES
from bough_daemon.git.objects import EMPTY_BLOB, FOLDER, SUBMODULE, Objects, read_grafts
from bough_daemon.history.journal import Journal, Operation
from bough_daemon.privacy.purged import Record, digest_of
from bough_daemon.purging.rewriting import Contents, Rewriting, place_has
from bough_daemon.store.own_files import Inventory, remove, split
from bough_daemon.store.store import COPIED, LANDED, LIVE, SHARED, Store
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record
from bough_daemon.transaction.replaced_files import remove_now

log = logging.getLogger(__name__)

PENDING = "purge.json"
SHORTEST_TEXT = 4  # bytes
MOST_PATHS = 10_000  # of one tree that are reported


@dataclass(frozen=True)
class Found:
    """Contents to purge: for each blob the paths that had it."""

    paths: Mapping[str, frozenset[str]]

    @property
    def ids(self) -> frozenset[str]:
        """The blobs."""
        return frozenset(self.paths)


@dataclass
class RemovalPlan:
    """A purge in progress. `commits`: the replacement of each; None while unknown.

    `held`: paths that are no longer shared. `named`: the commits that signed states name. `stays_out`: purged contents
    are no longer recorded or accepted here, because the user said so; others who ask for a purge have no say in what is
    recorded here. `lost`: by journal, the numbers of the commands that can no longer be undone. `gone`: the objects to
    remove. `at`: when it began, in seconds since the epoch.
    """

    ids: list[str]
    by: str
    paths: list[str]
    held: list[str]
    named: list[str]
    stays_out: bool
    at: float = field(default_factory=time.time)
    commits: dict[str, str] | None = None
    trees: dict[str, str] = field(default_factory=dict)
    lost: dict[str, list[int]] = field(default_factory=dict)
    gone: list[str] | None = None


# What exists.


def roots(store: Store, teammates: bool) -> list[str]:
    """Return the commits that the store's references name; without `teammates`, only this repository's own."""
    mine, found = store.refs(SHARED), list[str]()
    for name, oid in store.refs("refs/").items():
        branch = name.removeprefix(LIVE.removeprefix("refs/"))
        is_theirs = name.startswith(LANDED.removeprefix("refs/")) or (branch != name and branch not in mine)
        if teammates or not is_theirs:
            found.append(oid)
    return list(dict.fromkeys(found))


def of_bough_alone(store: Store, commits: Iterable[str]) -> list[str]:
    """Return what some commits contain that no reference of the user's does. May be called from any thread."""
    return _beyond(store, commits, _users(store))


def _users(store: Store) -> frozenset[str]:
    """Return the commits that references of the user's name."""
    found = GitCommand(store.common_dir).run("rev-list", "--no-walk", "--ignore-missing", "--all")
    return frozenset(found.decode().split())


def _beyond(store: Store, commits: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return what some commits contain that others do not."""
    store.follow_shallow()
    lines = "\n".join([*commits, *(f"^{oid}" for oid in known), ""]).encode()
    return store.git.run("rev-list", "--ignore-missing", "--stdin", stdin=lines).decode().split()


@dataclass
class Rehearsed:
    """The part of a purge that was prepared.

    `owned`: the store's own commits at the beginning; `named`, `users`: those that references named then.
    """

    rewriting: Rewriting
    inventory: Inventory
    owned: frozenset[str]
    named: frozenset[str]
    users: frozenset[str]


def find_paths(objects: Objects, commits: Iterable[str], path: str) -> Found:
    """Return every content that a file, or the files of a folder, had in some commits."""
    found: dict[str, set[str]] = {}
    seen = set[tuple[str, str]]()
    for commit in commits:
        entry = objects.entry(objects.commit(commit).tree, path)
        if entry is None or (path, entry.oid) in seen:
            continue
        seen.add((path, entry.oid))
        for name, one in objects.walk(entry.oid, path) if entry.mode == FOLDER else [(path, entry)]:
            if one.mode not in (FOLDER, SUBMODULE) and one.oid != EMPTY_BLOB:
                found.setdefault(one.oid, set()).add(name)
    return Found({oid: frozenset(names) for oid, names in found.items()})


def find_text(objects: Objects, commits: Iterable[str], text: bytes) -> Found:
    """Return every content in some commits that contains a text."""
    if len(text) < SHORTEST_TEXT:
        raise TextTooShort(f"a text of fewer than {SHORTEST_TEXT} bytes is in too many files")
    found: dict[str, set[str]] = {}
    has, seen = dict[str, bool](), set[tuple[str, str]]()
    pending = [("", objects.commit(commit).tree) for commit in commits]
    while pending:
        under, tree = pending.pop()
        if (under, tree) in seen:
            continue
        seen.add((under, tree))
        for name, entry in objects.tree(tree).items():
            path = f"{under}/{name}" if under else name
            if entry.mode == FOLDER:
                pending.append((path, entry.oid))
            elif entry.mode != SUBMODULE:
                if entry.oid not in has:
                    has[entry.oid] = objects.exists(entry.oid) and text in objects.blob(entry.oid)
                if has[entry.oid]:
                    found.setdefault(entry.oid, set()).add(path)
    return Found({oid: frozenset(names) for oid, names in found.items()})


def find_ids(objects: Objects, commits: Iterable[str], ids: Collection[str]) -> Found:
    """Return those of some contents that are in commits."""
    contents, found = Contents(objects, ids), dict[str, set[str]]()
    for tree in dict.fromkeys(objects.commit(commit).tree for commit in commits):
        for path, oid in islice(contents.paths(tree), MOST_PATHS):
            found.setdefault(oid, set()).add(path)
    return Found({oid: frozenset(names) for oid, names in found.items()})


def in_history(common_dir: str, ids: Collection[str]) -> frozenset[str]:
    """Return those of some blobs that a reference of the user's own repository reaches. May take seconds."""
    user = GitCommand(common_dir)
    listed = "".join(f"{oid}\n" for oid in ids).encode()
    checked = user.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=listed).decode()
    here = {line.split(" ")[0] for line in checked.splitlines() if line.endswith(" blob")}
    if not here:
        return frozenset()
    reached = user.run("rev-list", "--objects", "--no-object-names", "--missing=allow-any", "--all")
    return frozenset(here.intersection(reached.decode().split()))


def where_in_history(common_dir: str, oid: str) -> str:
    """Return the user's commit that brought a blob, abbreviated; empty if Git does not find it."""
    looking = ("log", "--all", "--max-count=1", "--format=%h", f"--find-object={oid}")
    return GitCommand(common_dir).run(*looking, allowed=(0, 128)).decode().strip()


def leads_to_any(store: Store, tip: str, besides: str, ids: Collection[str]) -> bool:
    """Return whether `tip` has one of some contents beyond another commit. May be called from any thread."""
    commits = store.git.run("rev-list", tip, f"^{besides}").decode().split()
    objects = Objects(store.objects.folder)
    contents = Contents(objects, ids)
    return any(contents.of(objects.commit(commit).tree) for commit in commits)


# Obstacles, and what is lost.


def check_free(store: Store, contents: Contents) -> None:
    """Raise NotPossibleNow if a command was interrupted, or the return from a hop needs the contents."""
    for journal in Journal.every(store.folder):
        broken, hop = journal.interrupted(), journal.hop()
        if broken is not None:
            raise CutShort(f"`{broken.command}` was cut short")
        if hop is not None and hop.home and place_has(store.objects, contents, hop.home):
            raise StillHopped(
                f"you are on {hop.name}'s branch, and your own files from before the hop have the content",
            )


def lost_commands(store: Store, is_gone: Callable[[str], bool]) -> dict[str, list[int]]:
    """Return the commands that can no longer be undone, by journal: those up to a checkpoint that is lost."""
    found = dict[str, list[int]]()
    for journal in Journal.every(store.folder):
        standing = [one for one in journal.operations() if _could_be_undone(one)]
        last = max((number for number, operation in enumerate(standing) if is_gone(operation.before)), default=-1)
        if last >= 0:
            found[journal.path] = [one.number for one in standing[: last + 1]]
    return found


def _could_be_undone(operation: Operation) -> bool:
    """Return whether a command could be undone or, if it was an undo, redone."""
    return operation.state == "done" and bool(operation.before) and not operation.lost


def count_lost(store: Store, contents: Contents) -> int:
    """Return how many commands could no longer be undone after a purge."""
    lost = lost_commands(store, lambda place: place_has(store.objects, contents, place))
    operations = {journal.path: journal.operations() for journal in Journal.every(store.folder)}
    return sum(
        one.undoes is None and one.number in lost.get(path, ()) for path in operations for one in operations[path]
    )


# Carrying it out.


def begin(store: Store, work: RemovalPlan) -> None:
    """Record a purge. From then on it will be carried out, at the latest when the store is next opened."""
    _write(store, work)


def rehearse(store: Store, named: Collection[str], ids: Collection[str]) -> Rehearsed:
    """Prepare the slow parts of a purge, without effect yet: write the replacements, and the rewritten packs.

    `named`: the commits that references name. On any thread, while snapshots are taken.
    """
    objects, inventory, users = Objects(store.objects.folder), Inventory(), _users(store)
    inventory.look(objects)
    owned = frozenset(inventory.commits)
    changing = _beyond(store, [*named, *owned], users)
    rewriting = Rewriting(objects, Contents(objects, ids), changing)
    rewriting.run()
    objects.settle()
    _, kept = split(store, inventory, _objects_that_go(objects, inventory, rewriting.contents, rewriting.became))
    if kept:
        store.pack((), sorted(kept))
    inventory.packs(store)
    return Rehearsed(rewriting, inventory, owned, frozenset(named), users)


def finish(store: Store, rehearsed: Rehearsed | None = None) -> Record | None:
    """Carry out the recorded purge and return it. On the store's thread. `rehearsed`: the part that was prepared."""
    work = _read(store)
    if work is None:
        return None
    contents, inventory = Contents(store.objects, work.ids), rehearsed.inventory if rehearsed else Inventory()
    if work.commits is None:
        if work.stays_out:
            store.purged.note(work.ids, work.held)
        contents = _rewrite(store, work, inventory, rehearsed).contents
        store.objects.settle()
        _write(store, work)
    assert work.commits is not None
    store.purged.moves({oid: work.commits[oid] for oid in work.named if oid in work.commits})
    _move_references(store, work.commits)
    _follow_in_journals(store, work)
    _follow_in_grafts(store, work.commits)
    if work.gone is None:
        work.gone = sorted(_objects_that_go(store.objects, inventory, contents, work.commits))
        _write(store, work)  # on a second search some of them would be missing
    remove(store, inventory, set(work.gone))
    remove_now(store)  # what commands replaced may have the contents too
    record = Record(work.at, work.by, tuple(work.paths), len(work.ids), digest_of(work.ids))
    store.purged.add(record)
    store.walks.forget()
    os.unlink(os.path.join(store.folder, PENDING))
    log.info("purged %d contents, and %d objects with them, for %s", len(work.ids), len(work.gone), work.by)
    return record


def _read(store: Store) -> RemovalPlan | None:
    path = os.path.join(store.folder, PENDING)
    try:
        return read_record(path, RemovalPlan)
    except FileNotFoundError:
        return None


def _write(store: Store, work: RemovalPlan) -> None:
    write_whole(os.path.join(store.folder, PENDING), as_json(work))


def _resumed(store: Store, work: RemovalPlan, rehearsed: Rehearsed, users: frozenset[str]) -> bool:
    """Return whether what was prepared is still valid, after adding what came since."""
    if rehearsed.rewriting.contents.ids != set(work.ids) or users != rehearsed.users:
        return False
    new = {*roots(store, teammates=True), *rehearsed.inventory.commits} - rehearsed.named - rehearsed.owned
    came = _beyond(store, new, users | rehearsed.named)
    return rehearsed.rewriting.goes_on(store.objects, rehearsed.rewriting.commits.union(came))


def _rewrite(store: Store, work: RemovalPlan, inventory: Inventory, rehearsed: Rehearsed | None) -> Rewriting:
    """Write the replacement of every commit that changes, and record it."""
    objects, users = store.objects, _users(store)
    inventory.look(objects)
    if rehearsed is not None and _resumed(store, work, rehearsed, users):
        rewriting = rehearsed.rewriting
    else:
        commits = _beyond(store, [*roots(store, teammates=True), *inventory.commits], users)
        rewriting = Rewriting(objects, Contents(objects, work.ids), commits)
    work.commits = dict(rewriting.run())
    places = {oid for oid, now in work.commits.items() if not now}
    work.lost = lost_commands(store, lambda place: place in places)
    for journal in Journal.every(store.folder):
        for operation in journal.operations():
            work.trees |= _trees_of(objects, rewriting, operation)
    return rewriting


def _trees_of(objects: Objects, rewriting: Rewriting, operation: Operation) -> dict[str, str]:
    """Return the replacements of the trees that the record of a command names."""
    found = dict[str, str]()
    for tree in (operation.toward, *operation.by_way_of):
        if tree and objects.exists(tree) and rewriting.contents.of(tree):
            found[tree] = rewriting.tree(tree, None)
    return found


def _move_references(store: Store, commits: Mapping[str, str]) -> None:
    lines = list[str]()
    for short, oid in store.refs("refs/").items():
        name, now = f"refs/{short}", commits.get(oid, oid)
        renamed = IN_BYTES.sub(
            lambda found: (commits.get(found[0].decode()) or found[0].decode()).encode(), name.encode()
        )
        new = renamed.decode()
        if new == name and now == oid:
            continue
        if name.startswith(COPIED) or not now:
            lines.append(f"delete {name} {oid}")
        elif new == name:
            lines.append(f"update {name} {now} {oid}")
        else:
            lines += [f"update {new} {now}", f"delete {name} {oid}"]
    if lines:
        store.git.run("-c", "core.fsync=all", "update-ref", "--stdin", stdin="\n".join([*lines, ""]).encode())


def _follow_in_journals(store: Store, work: RemovalPlan) -> None:
    """Update the records of commands to the replacements of their commits and trees."""
    assert work.commits is not None
    became = {old: new for old, new in {**work.trees, **work.commits}.items() if new}
    for journal in Journal.every(store.folder):
        journal.follow(became, work.lost.get(journal.path, ()))


def _follow_in_grafts(store: Store, commits: Mapping[str, str]) -> None:
    """Give the replacements of commits the parents that were given to these when older ones were removed."""
    before = read_grafts(store.path)
    named = {oid: commits.get(oid) or oid for oid in {*before, *chain.from_iterable(before.values())}}
    now = {named[oid]: tuple(named[parent] for parent in parents) for oid, parents in before.items()}
    if now != before:
        store.graft(now)


def _objects_that_go(objects: Objects, inventory: Inventory, contents: Contents, commits: Collection[str]) -> set[str]:
    """Return the store's own objects that are or reach one of the contents. `commits`: those that change."""
    inventory.look(objects)
    trees = {oid for oid in inventory.trees if contents.of(oid)}
    return {oid for oid in {*contents.ids, *trees, *commits} if objects.owns(oid)}
