"""Checkpoints: HEAD, the index and everything it names, the files, and what a tree cannot hold; recorded and restored.

A checkpoint is one commit in the store, kept by a reference and synced to disk before a file of the user's is touched.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from bough_daemon.errors import StoreDamaged
from bough_daemon.git import index
from bough_daemon.git.filters import not_given_back
from bough_daemon.git.objects import FILE, FOLDER, Objects, TreeEntry
from bough_daemon.git.worktree import Head
from bough_daemon.history.timeline import Snapshot
from bough_daemon.system.durable import sync_filesystem
from bough_daemon.system.json_records import BadRecord, as_json, record_from
from bough_daemon.transaction.apply import in_the_way, unusual_modes
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import FileState

FILES, INDEX, SHARED_INDEX, NAMED, RAW, FACTS = "files", "index", "shared-index", "named", "raw", "place.json"
SAID = "place\n"  # in the commit that records a checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """A recorded checkpoint.

    `tree`: the tree of the snapshot; `picture`: the same with ignored files that were in the way. `index`: the blob of
    the index file. `named`: what the index names beyond HEAD's commit. `shared_index`: (name, blob) of the file that a
    split index shares. `index_written_at`: nanoseconds since the epoch. `hidden`: paths marked skip-worktree or
    assume-unchanged, whatever is on disk.
    """

    oid: str
    head: Head
    snapshot: str
    tree: str
    picture: FileState
    index: str | None
    named: tuple[str, ...]
    shared_index: tuple[str, str] | None
    hidden: frozenset[str] = frozenset()
    index_written_at: int | None = None


@dataclass(frozen=True)
class CheckpointFacts:
    """The content of a checkpoint's file; the rest of it are entries next to that file."""

    branch: str | None
    commit: str
    snapshot: str
    tree: str
    raw: Mapping[str, str]
    modes: Mapping[str, int]
    shared_index: str | None
    hidden: tuple[str, ...] = ()
    index_written_at: int | None = None


def facts_of(objects: Objects, oid: str) -> CheckpointFacts:
    """Return the facts in a checkpoint's commit, or raise StoreDamaged."""
    entry = objects.tree(objects.commit(oid).tree).get(FACTS)
    try:
        return record_from(objects.blob(entry.oid) if entry is not None else b"", CheckpointFacts)
    except BadRecord as damage:
        raise StoreDamaged(f"checkpoint {oid} is damaged: {damage}", oid=oid) from damage


def record(live: LiveWorktree, snapshot: Snapshot, toward: FileState, also: Collection[str] = ()) -> Checkpoint:
    """Record a checkpoint of the worktree, whose files are `snapshot`, before it changes to another state.

    `also`: paths whose files belong to it even if Git ignores them. Call it with the index locked, on the store's
    thread.
    """
    objects, head = live.store.objects, live.worktree.head()
    live.store.arrive(head.commit)
    exact = FileState(snapshot.tree, not_given_back(live.worktree, objects, snapshot.tree, live.scratch))
    picture = in_the_way(live.worktree, objects, exact, toward, also)
    picture = replace(picture, modes=unusual_modes(live.worktree, objects, picture, toward))
    shared = index.shared(live.worktree)
    found = Checkpoint(
        oid="",
        head=head,
        snapshot=snapshot.oid,
        tree=snapshot.tree,
        picture=picture,
        index=index.blob(live.worktree, objects),
        named=tuple(index.named_beyond(live.worktree, objects, head.commit)),
        shared_index=(shared[0], objects.write_blob(shared[1])) if shared is not None else None,
        hidden=index.hidden_paths(live.worktree),
        index_written_at=index.written_at(live.worktree),
    )
    objects.own(found.named)
    oid = objects.write_commit(
        _tree(objects, found), [head.commit, snapshot.oid], live.branch.author, int(time.time()), SAID
    )
    live.store.keep(f"{live.branch.name}/place-{oid}", oid)
    sync_filesystem(live.store.path)
    return replace(found, oid=oid)


def read(objects: Objects, oid: str) -> Checkpoint:
    """Return the checkpoint that a commit records."""
    entries = objects.tree(objects.commit(oid).tree)
    facts = facts_of(objects, oid)
    shared = entries.get(SHARED_INDEX)
    return Checkpoint(
        oid=oid,
        head=Head(facts.branch, facts.commit),
        snapshot=facts.snapshot,
        tree=facts.tree,
        picture=FileState(entries[FILES].oid, facts.raw, facts.modes),
        index=entries[INDEX].oid if INDEX in entries else None,
        named=tuple(entry.oid for entry in objects.tree(entries[NAMED].oid).values()) if NAMED in entries else (),
        shared_index=(facts.shared_index, shared.oid) if shared is not None and facts.shared_index else None,
        hidden=frozenset(facts.hidden),
        index_written_at=facts.index_written_at,
    )


def give(live: LiveWorktree, place: Checkpoint, known: str = "") -> None:
    """Copy what the checkpoint's HEAD and index name into the user's own database; `known`: a commit that it has."""
    live.store.give([oid for oid in (place.head.commit, *place.named) if oid != known])


def put_index(live: LiveWorktree, place: Checkpoint, lock: index.Lock) -> None:
    """Restore the index byte for byte; `give` comes first."""
    objects = live.store.objects
    if place.shared_index is not None:
        name, blob = place.shared_index
        index.restore_shared(live.worktree, name, objects.blob(blob))
    is_there = index.blob(live.worktree, objects) == place.index
    if not is_there or index.written_at(live.worktree) != place.index_written_at:
        lock.replace(objects.blob(place.index) if place.index is not None else None, place.index_written_at)


def _tree(objects: Objects, place: Checkpoint) -> str:
    raw = {oid: TreeEntry(FILE, oid) for oid in place.picture.raw.values()}
    named = {oid: TreeEntry(FOLDER if objects.read(oid)[0] == "tree" else FILE, oid) for oid in place.named}
    facts = CheckpointFacts(
        branch=place.head.branch,
        commit=place.head.commit,
        snapshot=place.snapshot,
        tree=place.tree,
        raw=dict(place.picture.raw),
        modes=dict(place.picture.modes),
        shared_index=place.shared_index[0] if place.shared_index is not None else None,
        hidden=tuple(sorted(place.hidden)),
        index_written_at=place.index_written_at,
    )
    entries = {
        FILES: TreeEntry(FOLDER, place.picture.tree),
        FACTS: TreeEntry(FILE, objects.write_blob(as_json(facts))),
    }
    entries |= {RAW: TreeEntry(FOLDER, objects.write_tree(raw))} if raw else {}
    entries |= {NAMED: TreeEntry(FOLDER, objects.write_tree(named))} if named else {}
    entries |= {INDEX: TreeEntry(FILE, place.index)} if place.index is not None else {}
    entries |= {SHARED_INDEX: TreeEntry(FILE, place.shared_index[1])} if place.shared_index is not None else {}
    return objects.write_tree(entries)
