"""Create packs of Git objects for a teammate, and receive theirs.

What comes from outside is unpacked in quarantine, checked as strictly as Git can, and moved into the store only if it
is complete. Otherwise nothing of it is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import os
import re
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, TypeVar

from bough_daemon.budgets import (
    MOST_LACKING,
    QUICK_EFFORT,
    RESERVE_BYTES,
    RESERVE_SHARE,
    Effort,
    OutOfEffort,
    child_seconds,
)
from bough_daemon.errors import GitFailed, HostilePack, StoreDamaged
from bough_daemon.git.command import GitCommand, failure_of, quiet_environment
from bough_daemon.store.arrival import REFUSED, Weights, check_objects, check_pack, objects_task
from bough_daemon.store.completeness import HASH_BYTES, Arrived, is_surely_whole
from bough_daemon.store.negotiation import known_commits, shared_tips
from bough_daemon.store.store import Store
from bough_daemon.system.durable import sync_folder
from bough_daemon.system.limited_child import run_limited
from bough_daemon.system.threads import StoreThread, to_the_end

T = TypeVar("T")

MOST_KNOWN = 16  # objects of one pack that fsck refuses although the user already has them
# Commits in which the longer search finds what a pack was based on: near the newest, as they named it.
RECENT_COMMITS = 1000
OBJECT = re.compile(r"\b[0-9a-f]{40}\b")
FINDING = re.compile(r"error: object ([0-9a-f]+): (\w+: .+)$", re.MULTILINE)
LACKING = re.compile("missing|did not receive expected object|unresolved delta")
IN_PARTIAL_CLONE = "the receiver has a partial clone; `git fetch --refetch --no-filter` there brings what it lacks"
TREE_IN_PACK = 2  # the type of a tree
MOST_REMEMBERED = 8  # most recent packs
LARGEST_REMEMBERED = 256 << 10  # bytes
# With --strict every finding of fsck is an error, including `.git` in all its spellings, `..` and a slash in a name.
# These findings occur in the old history of real projects and are harmless, so they alone pass.
HARMLESS = (
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badFilemode",
    "badName",
    "badTimezone",
    "extraHeaderEntry",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "multipleAuthors",
    "nulInCommit",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)
STRICT = "--strict=" + ",".join(f"{finding}=ignore" for finding in HARMLESS)


@dataclass(frozen=True)
class Limits:
    """Size limits in bytes. `pack`: the largest pack; `chunk`: of one message; `inline`: unasked.

    `small`: of a pack that goes between the words, where others have a stream of their own: 0.2 s of 750 kbit/s.
    """

    pack: int = 2 << 30
    chunk: int = 1 << 20
    inline: int = 1 << 20
    small: int = 16 << 10


class Spool:
    """A pack in transit, in an unnamed file that vanishes with the process."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)

    @classmethod
    def below(cls, folder: str) -> Spool:
        """Return an empty spool on the file system of `folder`."""
        check_room(folder)
        # Unbuffered: closing the file writes nothing, and so cannot fail.
        return cls(tempfile.TemporaryFile(dir=folder, buffering=0))

    def append(self, data: bytes) -> None:
        """Append data; raise OSError if the disk is full, keeping what was there."""
        self.file.seek(self.size)
        written = memoryview(data)
        while written:
            written = written[self.file.write(written) :]
        self.size += len(data)

    def read(self, offset: int, most: int) -> bytes:
        """Return up to `most` bytes from `offset`."""
        self.file.seek(offset)
        return self.file.read(most)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def check_room(folder: str) -> None:
    """Raise OSError if the disk of `folder` is nearly full: the rest is for saves on this machine."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < min(RESERVE_BYTES, disk.f_blocks * disk.f_frsize // RESERVE_SHARE):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)


async def run_child(
    git: GitCommand,
    *arguments: str,
    stdin: bytes | BinaryIO,
    stdout: BinaryIO | None = None,
    seconds: float | None = None,
) -> None:
    """Run git within a child's limits of memory and time; raise GitFailed, DiskFull or LimitReached.

    The child of a cancelled caller is killed.
    """
    command, environment = git.command(*arguments), git.child_environment()
    try:
        code, said = await run_limited(command, environment, git.git_dir, stdin, stdout, seconds)
    except TimeoutError as late:
        raise failure_of(arguments[0], f"it took longer than {seconds} seconds") from late
    if code != 0:
        raise failure_of(arguments[0], said or f"exit code {code}")


async def make_pack(
    store: Store, tips: Sequence[str], haves: Sequence[str], shallow: Sequence[str] = ()
) -> tuple[Spool, str]:
    """Return a thin pack of what `tips` reach and `haves` do not, and its id; raise GitFailed.

    `haves`: commits that the store knows. `shallow`: commits whose parents the receiver lacks. It contains only what
    the tips reach, so nothing that only a private branch has.
    """
    lines = [*(f"--shallow {oid}" for oid in shallow), *tips, "--not", *haves]
    spool = Spool.below(store.folder)
    try:
        # Without bitmaps, with which it leaves out what a receiver cannot quickly tell to be shared.
        options = ["--revs", "--thin", "--stdout", "-q", "--delta-base-offset", "--threads=1", "--no-use-bitmap-index"]
        # What a partial clone lacks is old, and the receiver has it as well, or refuses the pack.
        options += ["--missing=allow-promisor"] * store.is_partial
        await run_child(store.git, "pack-objects", *options, stdin="\n".join(lines).encode() + b"\n", stdout=spool.file)
    except BaseException:
        spool.close()
        raise
    made = Spool(spool.file)
    return made, made.read(made.size - 20, 20).hex()


class PacksMade:
    """The most recent packs: one that goes to many holders of the same commits is created once."""

    def __init__(self) -> None:
        self._packs: dict[object, bytes] = {}
        self._making: dict[object, asyncio.Event] = {}

    async def made(
        self, what: object, make: Callable[[], Awaitable[tuple[Spool, str] | None]]
    ) -> tuple[Spool, str] | None:
        """Return the pack for `what`, created once by `make`, and its id. None: it failed.

        All waiting callers resume in the same turn of the loop: otherwise the last one waits for the work of the first.
        """
        while what in self._making:
            await self._making[what].wait()
        if what not in self._packs:
            over = self._making[what] = asyncio.Event()
            try:
                made = await make()
                if made is None or made[0].size > LARGEST_REMEMBERED:
                    return made
                self._remember(what, made[0].read(0, made[0].size))
                made[0].close()
            finally:
                del self._making[what]
                over.set()
        data = self._packs[what]
        return Spool(io.BytesIO(data)), data[-HASH_BYTES:].hex()

    def _remember(self, what: object, data: bytes) -> None:
        while len(self._packs) >= MOST_REMEMBERED:
            del self._packs[next(iter(self._packs))]
        self._packs[what] = data


def pack_of_trees(trees: Sequence[bytes]) -> bytes:
    """Return a pack of raw trees, whether or not Git accepts them (gitformat-pack)."""
    parts = [b"PACK" + struct.pack(">II", 2, len(trees))]
    for tree in trees:
        rest, first = len(tree) >> 4, TREE_IN_PACK << 4 | len(tree) & 15
        while rest:
            parts.append(bytes([first | 0x80]))
            rest, first = rest >> 7, rest & 0x7F
        parts += [bytes([first]), zlib.compress(tree, 1)]
    made = b"".join(parts)
    return made + hashlib.sha1(made).digest()


def finding_in(failure: Exception) -> str:
    """Return fsck's finding in the object that made `index-pack` fail; empty if it failed for another reason."""
    found = FINDING.search(str(failure))
    return f"{found[2]} (object {found[1][:10]})" if found is not None else ""


@dataclass(frozen=True)
class Measure:
    """What received trees are measured against. `mine`: a commit of this member's own. `weights`: previous results."""

    mine: str | None = None
    weights: Weights = field(default_factory=dict)


async def take_pack(
    store: Store,
    owner: StoreThread,
    spool: Spool,
    commits: Sequence[str],
    shared: Sequence[str],
    ref: str,
    measure: Measure | None = None,
    purged: Collection[str] = (),
) -> None:
    """Adopt a pack into the store, synced, and move `ref` to the first of `commits`; or raise HostilePack.

    All that `commits` reach must be in the pack or reached by `shared`, commits that the team shares; anything else
    here does not count. It must be within the budgets, compared with `measure`, and have none of the `purged` blobs. If
    it raises, nothing of the pack is kept and no reference has moved.
    """
    try:
        await _take(store, owner, spool, commits, shared, ref, measure or Measure(), purged)
    except (HostilePack, StoreDamaged) as failure:
        if store.is_partial and LACKING.search(failure.message):
            raise HostilePack(f"{failure.message}; {IN_PARTIAL_CLONE}", **failure.facts) from failure
        raise


async def _take(
    store: Store,
    owner: StoreThread,
    spool: Spool,
    commits: Sequence[str],
    shared: Sequence[str],
    ref: str,
    measure: Measure,
    purged: Collection[str],
) -> None:
    seconds = child_seconds(spool.size)
    with store.quarantine() as git:
        folder = git.environment["GIT_OBJECT_DIRECTORY"]
        if spool.read(8, 4) != bytes(4):
            await _looked_at(lambda effort: check_pack(spool.file, spool.size, effort), "pack", spool, seconds)
            await _index(store, git, spool, seconds)
        known = folder, store.objects.folder, spool.size
        arrived = await to_the_end(asyncio.to_thread(Arrived, *known))
        found = next(filter(arrived.owns, purged), None)
        if found is not None:
            raise HostilePack(f"it has content that was purged (object {found[:10]})", oid=found)
        if not await to_the_end(asyncio.to_thread(is_surely_whole, arrived, commits, set(shared))):
            mine = await to_the_end(asyncio.to_thread(shared_tips, store))
            whole = await owner.run(known_commits, store, [*shared, *mine])
            await _check_whole(git, arrived, commits, whole, seconds)
        # Not before it is known that the peer may name all of it: a refusal reveals what is here.
        look = partial(check_objects, arrived, commits, measure.mine, measure.weights)
        await _looked_at(look, objects_task(*known, commits, measure.mine), spool, seconds)
        await to_the_end(owner.run(_adopt, store, arrived, commits, ref))


async def _index(store: Store, git: GitCommand, spool: Spool, seconds: float) -> None:
    """Unpack a pack into quarantine, or raise HostilePack.

    What fsck refuses passes if the user has that very object in their own repository: they got it with Git.
    """
    folder, known = git.environment["GIT_OBJECT_DIRECTORY"], list[str]()
    while True:
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix="known-") as skipped:
            skipped.write("".join(f"{oid}\n" for oid in known))
            skipped.flush()
            # Relative, as Git accepts no path with a space or a comma here.
            strict = f"{STRICT},skiplist={os.path.relpath(skipped.name, git.git_dir)}"
            spool.file.seek(0)
            try:
                taking = ("index-pack", strict, "--fix-thin", "--stdin", "--threads=1")
                await run_child(git, *taking, stdin=spool.file, seconds=seconds)
                return
            except GitFailed as refused:
                found = FINDING.search(str(refused))
                if found is None or len(known) >= MOST_KNOWN or not await asyncio.to_thread(_user_has, store, found[1]):
                    said = finding_in(refused) or refused.facts["output"]
                    raise HostilePack(f"a pack was refused: {said}") from refused
        known.append(found[1])
        shutil.rmtree(os.path.join(folder, "pack"), ignore_errors=True)


def _user_has(store: Store, oid: str) -> bool:
    return GitCommand(store.common_dir).result("cat-file", "-e", oid, allowed=(0, 1, 128))[0] == 0


async def _check_whole(
    git: GitCommand, arrived: Arrived, commits: Sequence[str], shared: Sequence[str], seconds: float
) -> None:
    """Raise HostilePack if something that `commits` reach was neither sent nor is reached by `shared` commits.

    What is here unshared is refused in the same words as what is missing.
    """
    try:
        needed = [*commits, *(f"^{oid}" for oid in shared)]
        lacking = await _reached(git, seconds, needed, partial(_not_sent, arrived)) | arrived.borrowed
        if lacking and shared:
            await _reached(git, seconds, shared, lacking.difference_update, f"--max-count={RECENT_COMMITS}")
    except GitFailed as failure:
        named = OBJECT.search(failure.facts["output"])
        raise HostilePack(f"a pack was refused: {_lacks(named[0]) if named else 'it is incomplete'}") from failure
    if lacking:
        raise HostilePack(f"a pack was refused: {_lacks(min(lacking))}")


def _lacks(oid: str) -> str:
    return f"object {oid[:10]} is missing from it"


def _not_sent(arrived: Arrived, oids: Iterable[str]) -> set[str]:
    """Return those of some objects that the peer did not send; raise HostilePack if there are too many."""
    found = set[str]()
    for oid in oids:
        if not arrived.sent(oid):
            found.add(oid)
            if len(found) > MOST_LACKING:
                raise HostilePack(f"a pack was refused: more than {MOST_LACKING:,} objects are missing from it")
    return found


async def _reached(
    git: GitCommand, seconds: float, commits: Sequence[str], look: Callable[[Iterable[str]], T], *options: str
) -> T:
    """Return the result of `look` on the objects that commits reach, without those reached by commits with a `^`.

    They are never all in memory: a long history has millions.
    """
    with tempfile.TemporaryFile(dir=git.environment["GIT_OBJECT_DIRECTORY"]) as listed:
        stdin = "\n".join(commits).encode() + b"\n"
        listing = ("rev-list", "--objects", "--no-object-names", *options, "--stdin")
        await run_child(git, *listing, stdin=stdin, stdout=listed, seconds=seconds)
        listed.seek(0)
        return await to_the_end(asyncio.to_thread(look, (line.decode().strip() for line in listed)))


async def _looked_at(look: Callable[[Effort], None], task: str, spool: Spool, seconds: float) -> None:
    """Check what arrived, in a separate process if it takes more than a moment; raise HostilePack."""
    with contextlib.suppress(OutOfEffort):
        await to_the_end(asyncio.to_thread(look, Effort(QUICK_EFFORT)))
        return
    command = [sys.executable, "-P", "-m", "bough_daemon.store.arrival", task]
    spool.file.seek(0)
    try:
        code, said = await run_limited(command, quiet_environment(), os.sep, spool.file, seconds=seconds)
    except TimeoutError as late:
        raise HostilePack(f"checking it took longer than {seconds:.0f} seconds") from late
    if code == REFUSED:
        raise HostilePack(said)
    if code != 0:
        raise HostilePack(f"it could not be checked: {said[-200:]}")


def _adopt(store: Store, arrived: Arrived, commits: Sequence[str], ref: str) -> None:
    """Move the quarantine into the store and the reference to the first of `commits`. On the store's thread."""
    source, target = os.path.join(arrived.folder, "pack"), os.path.join(store.objects.folder, "pack")
    # The index last: a pack becomes visible only when it is complete.
    names = sorted(os.listdir(source), key=lambda name: name.endswith(".idx")) if os.path.isdir(source) else []
    for name in names:
        os.rename(os.path.join(source, name), os.path.join(target, name))
    if names:
        sync_folder(target)
        store.objects.refresh()
    store.set_ref(ref, commits[0], store.ref(ref))


def sweep(store: Store) -> None:
    """Remove the quarantines of a killed daemon; called before any is created."""
    for name in os.listdir(store.folder):
        if name.startswith("quarantine-"):
            shutil.rmtree(os.path.join(store.folder, name), ignore_errors=True)
