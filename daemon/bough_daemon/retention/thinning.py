"""Remove old snapshots from a store, while everything that stays keeps its id, its content and what it descends from.

Only snapshots that no live branch descends from now are removed: what a branch had before HEAD went elsewhere, or
before its history started over (`starting_over`). A commit whose parents are removed gets their nearest remaining
ancestors as parents, by Git's own grafts; so each of the others is reached by what reached it before.

The plan is made aside, while snapshots are taken, and carried out when the store is next opened: then nothing else uses
it. Only named objects are removed, never what merely looks unreachable.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise

from bough_daemon.api.keep_ages import KeepAges
from bough_daemon.git.object_id import IN_BYTES, OBJECT_ID
from bough_daemon.git.objects import read_grafts
from bough_daemon.history.replacements import CONTAINS, TRAILER
from bough_daemon.history.timeline import REMEMBERED, Snapshot, read_snapshot, timeline
from bough_daemon.retention.ages import Moment, kept
from bough_daemon.store.own_files import Inventory, remove, split
from bough_daemon.store.store import KEPT, LIVE, SHARED, Store
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

log = logging.getLogger(__name__)

PENDING = "thinning.json"  # in a store's folder
PURGE = "purge.json"  # a purge that has to be finished first: it replaces commits
LEAST = 100  # snapshots: for fewer, no pack is rewritten
LARGEST_FILE_BYTES = 256 << 20  # of Bough's own data; what is larger cannot be searched, so nothing is removed
IN_BASE64 = re.compile(rb'"([A-Za-z0-9+/]{56,}={0,2})"')
INDEX = b"DIRC"  # an index file begins with it
STORE = "store.git"
UNFINISHED = re.compile(r"^\.new-|\.(new|lock)$")  # files that become others, or are made again
MOST_MOVED = 20_000  # objects that are packed again when the store is opened


@dataclass
class ThinningPlan:
    """What will be removed. `dropped`: commits; `gone`: all objects, those commits among them.

    `grafts`: the parents of the commits that named one of them, of those that had other parents before, and of the
    dropped ones, in case that one is used again before it is gone. `names`: references to some of them. `ages`: why. It
    was made at `made_at` by this machine's clock. `begun`: some of it may be gone, so it is carried out.
    """

    dropped: list[str]
    gone: list[str]
    grafts: dict[str, list[str]]
    names: list[str]
    ages: KeepAges | None = None
    made_at: float = field(default_factory=time.time)
    begun: bool = False


# What must stay.


def named_in(folders: Iterable[str], check: Callable[[], None] = lambda: None) -> set[str]:
    """Return every object id in the files of some folders: in text, in base64, and in index files.

    Raise OSError if one cannot be read: then it is not known what must stay. `check` is called before each.
    """
    found = set[bytes]()
    for path in chain.from_iterable(map(_files, folders)):
        check()
        data = _read(path)
        found.update(IN_BYTES.findall(data))
        for word in IN_BASE64.findall(data):
            with suppress(binascii.Error):
                found.update(IN_BYTES.findall(base64.b64decode(word)))
    return {oid.decode() for oid in found}


def _read(path: str) -> bytes:
    """Return the content of a file, empty if it was replaced, which does not happen while a plan is carried out."""
    try:
        if os.path.getsize(path) > LARGEST_FILE_BYTES:
            raise OSError(f"{path} is too large to be searched")
        with open(path, "rb") as source:
            return source.read()
    except FileNotFoundError:
        return b""


def _files(folder: str) -> Iterator[str]:
    """Yield the files below a folder, without those of stores, of packs on their way, and of this plan."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in (STORE, "spool", "stage")]
        for name in names:
            path = os.path.join(place, name)
            if name != PENDING and not UNFINISHED.search(name) and os.path.isfile(path) and not os.path.islink(path):
                yield path


def _in_indexes(store: Store) -> set[str]:
    """Return the blobs that index files of Bough's own name."""
    found = set[str]()
    for path in _files(store.folder):
        if _read(path).startswith(INDEX):
            listed = store.git.with_environment(GIT_INDEX_FILE=path).run("ls-files", "-s", "-z")
            found |= {entry.split(b" ", 2)[1].decode() for entry in listed.split(b"\0") if entry}
    return found


def pinned(store: Store, folders: Iterable[str]) -> set[str]:
    """Return the objects that stay because something names them: records, comments, marks, checkpoints, landings.

    `folders`: those with the team's data.
    """
    objects, found = store.objects, named_in([store.folder, *folders], store.git.children.check) | _in_indexes(store)
    mine = store.refs(SHARED)
    for prefix in (KEPT, CONTAINS):
        for name, oid in store.refs(prefix).items():
            # The end of a chain is kept for its age; its name says that it is one.
            if prefix == KEPT and _is_end(name, oid, mine) and read_snapshot(objects, oid) is not None:
                continue
            found.add(oid)
            if objects.header(oid)[0] == "commit":
                found.update(objects.commit(oid).parents)
    return found


def _landed(store: Store) -> set[str]:
    """Return the snapshots that landed commits name. A later landing names a tip, which stays anyway."""
    asked = ("log", "--all", "--grep", TRAILER, f"--format=%(trailers:key={TRAILER},valueonly,separator=%x20)")
    said = [git.run(*asked).split() for git in (store.git, replace(store.git, git_dir=store.common_dir))]
    return {word.decode(errors="replace") for words in said for word in words}


def _is_end(name: str, oid: str, branches: Collection[str]) -> bool:
    """Return whether a kept reference names the end of a chain of one of some live branches."""
    branch, _, named = name.rpartition("/")
    return named == oid and branch in branches


def _reaching(store: Store) -> list[str]:
    """Return what live branches, and all other references but those that keep one state, name."""
    return [oid for name, oid in store.refs("refs/").items() if not f"refs/{name}".startswith((KEPT, CONTAINS))]


def _reached(store: Store) -> set[str]:
    lines = "".join(f"{oid}\n" for oid in _reaching(store)).encode()
    return set(store.git.run("rev-list", "--stdin", stdin=lines).decode().split())


def _any_old(store: Store, before: float, least: int) -> bool:
    """Return whether there may be so many commits from before a moment that no live branch descends from."""
    kept_ones = store.refs(KEPT).values()
    lines = "".join(f"{oid}\n" for oid in (*kept_ones, *(f"^{oid}" for oid in _reaching(store)))).encode()
    asked = ("rev-list", f"--max-count={least}", f"--until={int(before)}", "--stdin")
    return bool(kept_ones) and len(store.git.run(*asked, stdin=lines).split()) >= least


# Which snapshots go.


def is_milestone(newer: Snapshot | None, one: Snapshot, older: Snapshot | None) -> bool:
    """Return whether a snapshot means something: a command's result, or the state before one, or a moved base.

    So do the first and the last of a chain, and the last one of a day.
    """
    if newer is None or older is None or one.event != "save" or newer.event != "save":
        return True
    starts, ends = one.parents[:1] != (older.oid,), newer.parents[:1] != (one.oid,)
    day = time.localtime(one.time)[:3] != time.localtime(newer.time)[:3]
    return starts or ends or one.base != older.base or bool(one.operation) or day


def too_old(snapshots: Sequence[Snapshot], stays: Collection[str], now: float, ages: KeepAges) -> list[Snapshot]:
    """Return those of a timeline, newest first, that its ages let go and that are not among `stays`."""
    around = zip([None, *snapshots], snapshots, [*snapshots[1:], None], strict=False)
    moments = [Moment(one.time, is_milestone(newer, one, older)) for newer, one, older in around]
    keeps = [keep or one.is_among(stays) for keep, one in zip(kept(moments, now, ages), snapshots, strict=True)]
    oldest = max((number for number, keep in enumerate(keeps) if keep), default=-1)
    for number, (one, older) in enumerate(pairwise([*snapshots, None])):
        # Between what stays, the ends of each chain lead from one to the next.
        if one is not None and number < oldest and older is not None and one.parents[:1] != (older.oid,):
            keeps[number] = keeps[number + 1] = True
    return [one for one, keep in zip(snapshots, keeps, strict=True) if not keep]


def _dropped(store: Store, folders: Iterable[str], now: float, ages: KeepAges, least: int) -> set[str]:
    """Return the commits that go: old snapshots of this member's branches, and what the team saw instead of them.

    None if that are fewer than `least`, which is found out as soon as possible.
    """
    if not _any_old(store, now - ages.all, (least + 1) // 2):  # two commits go for each snapshot, at most
        return set()
    objects, reached = store.objects, _reached(store)
    tips = [tip for branch in store.refs(SHARED) if (tip := store.ref(LIVE + branch)) is not None]
    timelines = [_listed(store, tip) for tip in tips]

    def old_but(stays: Collection[str]) -> dict[str, Snapshot]:
        return {one.oid: one for snapshots in timelines for one in too_old(snapshots, stays, now, ages)}

    if 2 * len(old_but(reached)) < least:
        return set()
    newest = [one for tip in store.refs(LIVE).values() for one in islice(timeline(objects, tip), REMEMBERED)]
    past = [one for snapshots in timelines for one in snapshots if one.oid not in reached]
    pins = reached | pinned(store, folders) | _landed(store)
    for one in (*past, *newest):
        pins |= {*one.brought, *one.company.folded.values()}
    old = old_but(pins)
    stays = {oid for snapshots in timelines for one in snapshots if one.oid not in old for oid in (one.oid, one.shared)}
    going = {oid for one in old.values() for oid in (one.oid, one.shared)}
    gone = {oid for oid in going - stays - pins if objects.owns(oid)}
    return gone if len(gone) >= least else set()


def _listed(store: Store, tip: str) -> list[Snapshot]:
    found = list[Snapshot]()
    for one in timeline(store.objects, tip):
        store.git.children.check()
        found.append(one)
    return found


class Contraction:
    """The parents of commits once others are gone: in place of each, its nearest remaining ancestors, in order."""

    def __init__(self, parents: Callable[[str], Sequence[str]], dropped: Collection[str]) -> None:
        self._parents = parents
        self._dropped = dropped
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, commit: str) -> tuple[str, ...]:
        """Return the parents of a commit, dropped or not."""
        pending = [commit]
        while pending:
            one = pending[-1]
            waits = [oid for oid in self._parents(one) if oid in self._dropped and oid not in self._known]
            if waits and one not in self._known:
                pending += waits
                continue
            pending.pop()
            if one not in self._known:
                ways = (self._known[oid] if oid in self._dropped else (oid,) for oid in self._parents(one))
                self._known[one] = tuple(dict.fromkeys(chain.from_iterable(ways)))
        return self._known[commit]


# The plan.


def propose(
    store: Store, folders: Sequence[str], ages: KeepAges, now: float, least: int = LEAST
) -> ThinningPlan | None:
    """Return the plan of what grows too old; None if that is fewer than `least` commits, or one is not finished.

    On any thread, with databases of its own (`Store.beside`), while snapshots are taken and packs are combined: what
    it misses for that is found when it is carried out. `folders`: with the team's data. It ends with the children of
    the store's git.
    """
    unfinished = _read_plan(store)
    if store.is_partial or (unfinished is not None and unfinished.begun):
        return None  # what the user's clone lacks cannot be told from what is gone
    dropped = _dropped(store, folders, now, ages, least)
    if not dropped:
        return None
    inventory = Inventory()
    inventory.look(store.objects)
    left = inventory.commits - dropped
    plan = ThinningPlan(sorted(dropped), [], _grafts(store, left, dropped), _names_of(store, dropped), ages)
    stays = {*left, *store.refs("refs/").values(), *pinned(store, folders)} - dropped
    gone = _contents(store, dropped) - _contents(store, _here(store, stays))
    plan.gone = sorted(dropped.union(filter(store.objects.owns, gone)))
    return plan


def prepare(store: Store, plan: ThinningPlan) -> None:
    """Write a plan, and the new packs that it needs, so that little is left to do. On any thread, as `propose`."""
    _, moved = split(store, Inventory(), set(plan.gone))
    if moved:
        store.pack((), sorted(moved))
    _write(store, plan)


def _grafts(store: Store, left: Iterable[str], dropped: AbstractSet[str]) -> dict[str, list[str]]:
    objects = store.objects
    parents = {oid: objects.commit(oid).parents for oid in (*left, *dropped)}
    contraction = Contraction(parents.__getitem__, dropped)
    grafts = {oid: list(these) for oid, these in read_grafts(store.path).items() if oid in parents}
    for oid in parents:
        if not dropped.isdisjoint(parents[oid]):
            grafts[oid] = list(contraction.of(oid)) if oid in dropped else _fewest(store, contraction.of(oid))
    return grafts


def _fewest(store: Store, parents: Sequence[str]) -> list[str]:
    """Return parents without those that others reach; the first stays, as it continues the timeline."""
    if len(parents) < 3:
        return list(parents)
    needed = store.git.run("merge-base", "--independent", *parents).decode().split()
    return [parents[0], *(oid for oid in parents[1:] if oid in needed)]


def _names_of(store: Store, commits: Collection[str]) -> list[str]:
    return [f"refs/{name}" for name, oid in store.refs("refs/").items() if oid in commits]


def _here(store: Store, oids: Iterable[str]) -> list[str]:
    return [oid for oid in oids if OBJECT_ID.fullmatch(oid) and store.objects.exists(oid)]


def _contents(store: Store, oids: Iterable[str]) -> set[str]:
    """Return some objects with the trees and blobs in them, but no parents."""
    lines = "".join(f"{oid}\n" for oid in oids).encode()
    asked = ("rev-list", "--objects", "--no-object-names", "--no-walk=unsorted", "--stdin")
    return set(store.git.run(*asked, stdin=lines).decode().split())


def _write(store: Store, plan: ThinningPlan) -> None:
    write_whole(os.path.join(store.folder, PENDING), as_json(plan))


def give_up(store: Store) -> None:
    """Forget a plan, unless it is being carried out."""
    plan = _read_plan(store)
    if plan is not None and not plan.begun:
        os.unlink(os.path.join(store.folder, PENDING))


def _read_plan(store: Store) -> ThinningPlan | None:
    try:
        return read_record(os.path.join(store.folder, PENDING), ThinningPlan)
    except FileNotFoundError:
        return None


# Carrying it out.


def finish(store: Store, folders: Sequence[str], ages: KeepAges | None) -> int:
    """Carry out the plan, if there is one; return how many snapshots were removed.

    On the store's thread, when nothing else uses the store. `ages`: as the user has set them now; None: everything is
    kept. Each step can be repeated: after a kill, and after a failure, when snapshots have been taken since. What they,
    or anything else, use again stays; if that is a snapshot and nothing has begun, all of it does.
    """
    plan, inventory = _read_plan(store), Inventory()
    if plan is None:
        return 0
    if not plan.begun and not _may_begin(store, plan, ages, inventory):
        give_up(store)
        return 0
    used = _in_use(store, folders, plan, inventory)
    if not plan.begun:
        if not used.isdisjoint(plan.dropped):
            give_up(store)
            return 0
        plan.begun = True
        _write(store, plan)
    return _carry_out(store, plan, set(plan.gone) - used, inventory)


def _carry_out(store: Store, plan: ThinningPlan, gone: set[str], inventory: Inventory) -> int:
    """Remove some objects of a plan that has begun; return how many of them were snapshots."""
    removed = gone.intersection(plan.dropped)
    # A purge may have come between two attempts: the commits that it wrote have got grafts of their own.
    grafts = {**read_grafts(store.path), **plan.grafts}
    store.graft(grafts)
    for name in _names_of(store, removed):
        if name in plan.names:
            store.delete_ref(name)
    try:
        remove(store, inventory, gone)
    finally:  # an open database would find what is no longer there, and nothing would write it again
        store.objects.forget()
    store.graft({oid: parents for oid, parents in grafts.items() if oid not in removed})
    os.unlink(os.path.join(store.folder, PENDING))
    log.info("%d old snapshots were removed, with %d objects", len(removed), len(gone))
    return len(removed)


def _may_begin(store: Store, plan: ThinningPlan, ages: KeepAges | None, inventory: Inventory) -> bool:
    """Return whether the user still wants a plan, and it can be carried out soon.

    Not if packs were combined since, a purge was begun, or the clock was ahead: the next plan knows.
    """
    purges = os.path.exists(os.path.join(store.folder, PURGE))
    if ages is None or plan.ages != ages or time.time() < plan.made_at or purges:
        return False
    return len(split(store, inventory, set(plan.gone))[1]) <= MOST_MOVED


def _in_use(store: Store, folders: Sequence[str], plan: ThinningPlan, inventory: Inventory) -> set[str]:
    """Return every object that a snapshot which stays has, or that a reference or anything else names now."""
    objects, dropped, found = store.objects, set(plan.dropped), set[str]()
    inventory.look(objects)
    left = inventory.commits - dropped
    for oid in left - plan.grafts.keys():  # only what came since continues what goes
        found.update(objects.commit(oid).parents)
    for name, oid in store.refs("refs/").items():
        if oid not in dropped or f"refs/{name}" not in plan.names:
            found.add(oid)
    return _contents(store, _here(store, found | left | pinned(store, folders)))
