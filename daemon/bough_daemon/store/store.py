"""The store: Bough's own bare repository next to the user's, which holds every live branch.

It is at `<git common dir>/bough/store.git` and borrows, through `objects/info/alternates`, what the user's commits
reach; everything else it owns. The alternates point one way: the user's repository never needs the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import fcntl
import glob
import hashlib
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pygit2
from pygit2.enums import Option

from bough_daemon.errors import BranchMoved, StoreGone, StoreOwned
from bough_daemon.git.command import GitCommand, quoted
from bough_daemon.git.objects import GRAFTS, Objects
from bough_daemon.git.refs import REMOTES, commits_below
from bough_daemon.privacy.chosen_paths import AllowedPaths, HiddenPaths
from bough_daemon.privacy.pause import SharingPauseFile
from bough_daemon.privacy.purged import Purged
from bough_daemon.privacy.secret_blobs import SecretBlobs
from bough_daemon.store.leftovers import clear_leftovers, clear_skeleton
from bough_daemon.store.walks import Walks
from bough_daemon.system.children import PROCESS, GitChildren
from bough_daemon.system.durable import write_whole

LIVE = "refs/heads/"  # the tip of every live branch; of teammates, what they share
SHARED = "refs/shared/"  # the shared tip of one of our own branches
KEPT = "refs/kept/"  # what must not vanish: checkpoints of hops, states before an undo
COPIED = "refs/copied/"  # the user's commits whose objects the store owns
LANDED = "refs/landed/"  # what each member last landed on a shared branch
LOOSE_GIFT_LIMIT = 200  # objects given to the user's repository loose; more are given as a pack
GIVEN_SECONDS = 60.0  # in which a commit that was given ahead of a command is not looked through again
BORROWED_LIMIT = 50  # commits of a large local-only history that are copied
COPIED_LIMIT_BYTES = 64 << 20  # a history up to this size is copied completely
BLOCK_BYTES = 512  # of `st_blocks`, whatever the file system's own are

log = logging.getLogger(__name__)

NOBODY = "bough <bough@localhost>"

CONFIG = """[core]
	repositoryformatversion = 0
	bare = true
	logAllRefUpdates = false
	sharedRepository = 0600
[advice]
	graftFileDeprecated = false
[gc]
	auto = 0
[receive]
	fsckObjects = true
"""

# Git then knows that what the user's partial clone lacks may be missing. The remote has no address: nothing is fetched.
PARTIAL = """[remote "promised"]
	promisor = true
"""


def landed_ref(member: str, branch: bytes) -> str:
    """Return the reference for a member's landing on a branch: hashed, as `a` and `a/b` cannot both exist."""
    return f"{LANDED}{member}/{hashlib.sha256(branch).hexdigest()[:40]}"


def prepare_libgit2() -> None:
    """Make libgit2 sync its writes; called once by a process that owns a store."""
    pygit2.option(Option.ENABLE_FSYNC_GITDIR, True)


class Store:
    """One repository's store, owned by one daemon. Not for use by two threads at once, unless stated.

    `common_dir`: the user's git common directory. `folder`: Bough's folder in it. `path`: the bare repository.
    `is_partial`: the user's repository is a partial clone, and may lack what its commits name.
    """

    def __init__(self, common_dir: str, home: str) -> None:
        """Open the store, creating it if there is none; raise StoreOwned while another daemon has it."""
        self.common_dir = common_dir
        self.folder = os.path.join(common_dir, "bough")
        self.path = os.path.join(self.folder, "store.git")
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self._lock = self._take(home)
        try:
            for left in clear_leftovers(self.folder, self.path):
                log.warning("%s was left by a daemon that was killed; it is removed", left)
            self._make()
            self.git = GitCommand(self.path)
            self.objects = Objects(os.path.join(self.path, "objects"))
            self.secrets = SecretBlobs(self.objects)
            self.allowed = AllowedPaths(self.folder)
            self.hidden = HiddenPaths(self.folder)
            self.pause = SharingPauseFile(self.folder)
            self.purged = Purged(self.folder)
            self._repository = pygit2.Repository(self.path)
            self._arriving = threading.Lock()
            self._naming = threading.Lock()
            self.gathering = asyncio.Lock()  # held while objects or packs are combined
            self.walks = Walks(self.git)
            self._given: dict[str, float] = {}  # commits that the user's database was given, and when (monotonic)
            self._common_inode = os.stat(self.common_dir).st_ino
            self._inode = os.stat(self.path).st_ino
        except BaseException:
            os.close(self._lock)
            raise

    def _take(self, home: str) -> int:
        descriptor = os.open(os.path.join(self.folder, "owner.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            owner = os.read(descriptor, 65536).decode(errors="replace")
            os.close(descriptor)
            with contextlib.suppress(ValueError, KeyError):
                owner = json.loads(owner)["home"]
            raise StoreOwned(f"this repository is live under another home, {owner}", owner=owner) from taken
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"home": home, "pid": os.getpid()}).encode(), 0)
        return descriptor

    def _make(self) -> None:
        """Create the store if there is none; if one lacks something (a copy, a restored backup), only that."""
        if not os.path.lexists(self.path):
            new = tempfile.mkdtemp(prefix="new-", dir=self.folder)
            self._complete(new)
            os.rename(new, self.path)
        self._complete(self.path)
        alternate = os.path.join(self.common_dir, "objects")
        # Rewritten each time, because the repository may have been moved, or cloned in part since.
        packs = os.path.join(alternate, "pack")
        self.is_partial = os.path.isdir(packs) and any(name.endswith(".promisor") for name in os.listdir(packs))
        write_whole(os.path.join(self.path, "config"), (CONFIG + PARTIAL * self.is_partial).encode())
        write_whole(os.path.join(self.path, "objects", "info", "alternates"), quoted(alternate) + b"\n")

    @staticmethod
    def _complete(path: str) -> None:
        for folder in ("objects/info", "objects/pack", "refs/heads"):
            os.makedirs(os.path.join(path, folder), mode=0o700, exist_ok=True)
        if not os.path.exists(os.path.join(path, "HEAD")):
            write_whole(os.path.join(path, "HEAD"), b"ref: refs/heads/none\n")

    def check_there(self) -> None:
        """Raise StoreGone if the store was moved or removed; it is never recreated under a live branch."""
        if not os.path.isfile(os.path.join(self.path, "HEAD")):
            # A git command that was running when the store was moved may have made folders here again.
            clear_skeleton(self.folder)
            raise StoreGone(f"{self.folder} was moved or removed", folder=self.folder)

    def is_replaced(self) -> bool:
        """Return whether another store, or another repository without one, is now at this path."""
        if not os.path.isdir(self.common_dir):
            return False
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self.path).st_ino == self._inode:
                return False
            if os.path.isfile(os.path.join(self.path, "HEAD")):  # not only a folder that a late write made
                return True
        return os.stat(self.common_dir).st_ino != self._common_inode

    def refresh(self) -> None:
        """Open the databases again: until then, the descriptors of removed packs stay open."""
        self.objects.refresh()
        self._repository.free()

    @contextlib.contextmanager
    def beside(self, children: GitChildren = PROCESS) -> Iterator[Store]:
        """Yield this store for another thread, with databases of its own: saves are recorded meanwhile.

        What is written there is synced at the end of the block. `children`: those that may be ended before.
        """
        other = copy.copy(self)
        other.git = replace(self.git, children=children)
        other.objects = Objects(self.objects.folder)
        other.secrets = SecretBlobs(other.objects)
        other._repository = pygit2.Repository(self.path)
        try:
            with self.walks.patient():
                yield other
            other.objects.settle()
        finally:
            other._repository.free()

    def close(self) -> None:
        """Release the store."""
        self._repository.free()
        os.close(self._lock)

    # References. Names are full (`refs/heads/alice`).

    def ref(self, name: str) -> str | None:
        """Return the commit that a reference names, or None."""
        found = self._repository.references.get(name)
        return str(found.target) if found is not None else None

    def refs(self, prefix: str) -> dict[str, str]:
        """Return the references below `prefix`, by what follows it."""
        found = self._repository.references.iterator()
        return {ref.name.removeprefix(prefix): str(ref.target) for ref in found if ref.name.startswith(prefix)}

    def set_ref(self, name: str, new: str, old: str | None) -> None:
        """Move a reference from `old` (None: it must not be there) to `new`, or raise BranchMoved."""
        self.objects.settle()
        with self._naming:
            now = self.ref(name)
            if now != old:
                raise BranchMoved(f"{name} is at {now or 'nothing'}, not at {old or 'nothing'}", ref=name)
            self._repository.references.create(name, new, force=True)

    def name(self, name: str, oid: str) -> None:
        """Point a reference at an object, whatever it was before."""
        self.objects.settle()
        with self._naming:
            self._repository.references.create(name, oid, force=True)

    def keep(self, name: str, oid: str) -> None:
        """Keep an object and what it reaches, under a name below `refs/kept/`."""
        self.name(KEPT + name, oid)

    def delete_ref(self, name: str) -> None:
        """Remove a reference if it exists."""
        if self.ref(name) is not None:
            self._repository.references.delete(name)

    def graft(self, grafts: Mapping[str, Sequence[str]]) -> None:
        """Give commits other parents than those that they name, which are to be removed; for Git and for Bough.

        `grafts`: all of them, with those that have been given before.
        """
        path = os.path.join(self.path, GRAFTS)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        lines = (" ".join((oid, *parents)) + "\n" for oid, parents in sorted(grafts.items()))
        write_whole(path, "".join(lines).encode())
        self.objects.forget()
        self.walks.forget()

    # What the user's commits reach.

    def arrive(self, commit: str) -> None:
        """Copy what `commit` brought, so that no `git gc` of the user's removes a base of a live branch.

        What remotes have stays borrowed; without a remote, so do the objects older than the last BORROWED_LIMIT commits
        of a history too large to copy. May be called from any thread: it uses only git children.
        """
        with self._arriving:
            self._arrive(commit)

    def _arrive(self, commit: str) -> None:
        self.follow_shallow()
        if os.path.exists(os.path.join(self.path, COPIED + commit)):
            return
        known = commits_below(self.git, COPIED)
        if commit in known:
            return
        borrowed = known or commits_below(GitCommand(self.common_dir), REMOTES) or self._old_enough(commit)
        self.pack(["--revs", "--window=0"], [commit, *(f"^{oid}" for oid in borrowed)])
        moves = [f"create {COPIED}{commit} {commit}"]
        moves += [f"delete {COPIED}{older}" for older in known if self.is_ancestor(older, commit)]
        self.git.run("update-ref", "--stdin", stdin="\n".join(moves).encode() + b"\n")

    def follow_shallow(self) -> None:
        """Adopt the borders of a shallow clone."""
        theirs, mine = os.path.join(self.common_dir, "shallow"), os.path.join(self.path, "shallow")
        before, now = _read_or_none(mine), _read_or_none(theirs)
        if before == now:
            return
        if now is not None:
            write_whole(mine, now)
        else:
            os.unlink(mine)
        self.walks.forget()

    def _old_enough(self, commit: str) -> list[str]:
        if not _is_large(os.path.join(self.common_dir, "objects"), COPIED_LIMIT_BYTES):
            return []
        newest = (
            self.git.run("rev-list", f"--max-count={BORROWED_LIMIT + 1}", "--first-parent", commit).decode().split()
        )
        return newest[BORROWED_LIMIT:] or newest[-1:]

    def no_commit(self) -> str:
        """Return the empty commit without a parent that replaces the missing one of an unborn branch."""
        return self.objects.write_commit(self.objects.write_tree({}), [], NOBODY, 0, "no commit yet\n")

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Return whether `newer` contains `older`."""
        return self.walks.is_ancestor(older, newer)

    def is_surely_ancestor(self, older: str, newer: str) -> bool:
        """Return whether `newer` contains `older`, as far as that is here and Git finds it out soon."""
        return self.objects.exists(older) and self.walks.is_surely_ancestor(older, newer)

    def merge_base(self, one: str, other: str) -> str | None:
        """Return a best common ancestor of two commits, or None when their histories are unrelated."""
        return self.walks.merge_base(one, other)

    # Packs.

    def pack(self, options: Sequence[str], names: Iterable[str]) -> set[str]:
        """Pack the named objects into a pack of the store's own, synced; return its name without an ending."""
        target = os.path.join(self.objects.folder, "pack", "pack")
        stdin = "\n".join(names).encode() + b"\n"
        packing = ("pack-objects", "-q", "--non-empty", *options, target)
        made = self.git.run("-c", "core.fsync=all", *packing, stdin=stdin).decode().split()
        return {f"pack-{name}" for name in made}

    def give_ahead(self, commit: str) -> None:
        """Copy what a commit reaches into the user's own database, where no save waits for it.

        HEAD is to name it soon, and `give` will not have to look through its history again.
        """
        self.give([commit])
        self._given[commit] = time.monotonic()

    def give(self, tips: list[str]) -> None:
        """Copy what `tips` (commits, trees or blobs) reach into the user's own database, synced.

        Done before anything of the user's, HEAD, the index or a ref, names one of them. May be called from any thread.
        """
        user = GitCommand(self.common_dir)
        given = self._given_ahead(user) if tips else set[str]()
        tips = [oid for oid in tips if oid not in given]
        if not tips:
            return
        has = [f"^{oid}" for oid in (*user.run("rev-list", "--no-walk", "--all").decode().split(), *given)]
        names = self.git.run("rev-list", "--objects", "--stdin", stdin="\n".join([*tips, *has]).encode() + b"\n")
        oids = b"".join(line.split(b" ", 1)[0] + b"\n" for line in names.splitlines())
        if oids:
            pack = self.git.run("pack-objects", "-q", "--stdout", "--window=0", stdin=oids)
            keep = ["unpack-objects", "-q"] if oids.count(b"\n") < LOOSE_GIFT_LIMIT else ["index-pack", "--stdin"]
            user.run("-c", "core.fsync=all", *keep, stdin=pack)

    def _given_ahead(self, user: GitCommand) -> set[str]:
        """Return the commits that were given a moment ago, and that no `git gc` has removed since."""
        for commit, at in list(self._given.items()):
            if time.monotonic() - at > GIVEN_SECONDS:
                self._given.pop(commit, None)
        asked = list(self._given)
        return {oid for oid in asked if user.result("cat-file", "-e", oid, allowed=(0, 1, 128))[0] == 0}

    @contextlib.contextmanager
    def quarantine(self) -> Iterator[GitCommand]:
        """Yield git over a temporary object folder that sees everything the store sees; writes go only there."""
        with tempfile.TemporaryDirectory(prefix="quarantine-", dir=self.folder) as folder:
            yield self.git.with_environment(
                GIT_OBJECT_DIRECTORY=folder,
                GIT_ALTERNATE_OBJECT_DIRECTORIES=os.fsdecode(quoted(self.objects.folder, ":")),
            )


def _read_or_none(path: str) -> bytes | None:
    """Return the content of a file, or None if there is none."""
    try:
        with open(path, "rb") as source:
            return source.read()
    except FileNotFoundError:
        return None


def _is_large(objects: str, limit_bytes: int) -> bool:
    """Return whether the objects in a folder take so many bytes; it stops looking as soon as they do.

    As Git finds them, the folders of packs and of loose objects may be symlinks. A file takes at least its size: some
    file systems have no blocks.
    """
    found = 0
    for name in glob.iglob("*/*", root_dir=objects):
        with contextlib.suppress(FileNotFoundError):  # it has just been packed
            status = os.stat(os.path.join(objects, name))
            found += max(status.st_size, status.st_blocks * BLOCK_BYTES)
        if found >= limit_bytes:
            return True
    return False
