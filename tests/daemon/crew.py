"""Members of one team, each with a clone of one remote, a store and a live branch, for the law of merges.

Every edit leaves words that say who wrote them (`alice17`): what was lost, and whose it was, can be read from a file.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bough_daemon.commands.land import Landed, land
from bough_daemon.commands.merge import Merged, merge
from bough_daemon.errors import NoCommitYet
from bough_daemon.history.timeline import Snapshot, chain, read_snapshot
from bough_daemon.store.store import LIVE, SHARED
from bough_daemon.transaction.context import LiveBranch

from tests.daemon.moves_support import Desk, git, merge_both, tree_on_disk
from tests.daemon.support import write_files

NAMES = ("alice", "bob", "carol")
WORD = re.compile(rb"\b(?:alice|bob|carol|[a-z])\d+\b")
FILES = {
    name: b"".join(b"%c%d\n" % (name.encode()[0], number) for number in range(12))
    for name in ("a.txt", "b.txt", "d/c.txt", "e.txt")
}


NARROWING = ("sparse-checkout", "update-index")  # they take files out of the working tree, not out of the branch


class Mate(Desk):
    """One member at a desk of their own; teammates' branches are fetched into the store when they are asked for."""

    def __init__(self, root: Path, name: str, crew: dict[str, Mate]) -> None:
        super().__init__(root, name)
        self.name = name
        self.crew = crew
        self.count = 0
        self.removed: set[bytes] = set()  # words that were overwritten, deleted or put aside by hand

    def snapshot(self) -> Snapshot:
        """Record the files; on a branch without a commit as well."""
        try:
            return super().snapshot()
        except NoCommitYet:
            return self.branch.save(self._owned(tree_on_disk(self.root)), self.store.no_commit())

    def _owned(self, tree: str) -> str:
        self.store.objects.own_tree_difference(None, tree)
        return tree

    def teammate(self, name: str) -> LiveBranch | None:
        """Return a teammate's branch as the team sees it now."""
        other = self.crew.get(name)
        if other is None or other is self or other.branch.tip is None:
            return None
        refspec = f"+{SHARED}{name}:{LIVE}{name}"
        self.store.git.run("-c", "protocol.file.allow=always", "fetch", "-q", other.store.path, refspec)
        self.store.objects.refresh()
        tip = self.store.ref(LIVE + name)
        snapshot = read_snapshot(self.store.objects, tip) if tip is not None else None
        return LiveBranch(name, snapshot.oid, snapshot.base) if snapshot is not None else None

    def git(self, *words: str) -> bool:
        """Type a git command; return whether it went well. That it may fail is part of it.

        What it removes from the files while HEAD stays (`git stash`, `restore`, `checkout -- FILE`) is removed by hand.
        """
        head, before = self._types("rev-parse", "HEAD").stdout, self.files()
        done = self._types(*words)
        if words[0] not in NARROWING and self._types("rev-parse", "HEAD").stdout == head:
            self.removes_by_hand(before)
        return done.returncode == 0

    def _types(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", "-c", "gc.auto=0", "-c", "advice.detachedHead=false", *words],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(os.environ) | {"GIT_EDITOR": "true", "GIT_SEQUENCE_EDITOR": "true"},
            check=False,
        )

    def word(self) -> bytes:
        """Return a word that nobody has written yet."""
        self.count += 1
        return b"%s%d" % (self.name.encode(), self.count)

    def edit(self, path: str, line: int, insert: bool) -> None:
        """Write a word of mine over a line of a file, or between two lines; a file that is not there is made."""
        file = self.root / path
        if not file.parent.is_dir():
            file.parent.mkdir(parents=True)
        lines = file.read_bytes().splitlines() if file.is_file() else []
        at = line % (len(lines) + 1)
        self.removed |= set() if insert else set(words_of(b"\n".join(lines[at : at + 1])))
        lines[at : at if insert else at + 1] = [self.word()]
        file.write_bytes(b"\n".join(lines) + b"\n")

    def remove(self, path: str) -> None:
        """Delete a file, if it is there."""
        file = self.root / path
        if file.is_file():
            self.removed |= set(words_of(file.read_bytes()))
            file.unlink()

    def removes_by_hand(self, before: dict[str, bytes]) -> None:
        """Count what my files have no longer, of those `before`, as removed by hand."""
        now = self.files()
        for path, content in before.items():
            self.removed |= set(words_of(content)) - set(words_of(now.get(path)))

    def files(self) -> dict[str, bytes]:
        """Return every file of the working tree."""
        found = dict[str, bytes]()
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name != ".git"]
            found |= {os.path.relpath(os.path.join(folder, n), self.root): Path(folder, n).read_bytes() for n in names}
        return found

    def at_tree(self, tree: str) -> dict[str, bytes]:
        """Return every file of a tree in the store."""
        return {path: self.store.objects.blob(entry.oid) for path, entry in self.store.objects.walk(tree)}

    def merge(self, name: str) -> Merged:
        return self.do(merge(self.live, self.terminal, name, merge_both))

    def land(self) -> Landed:
        return self.do(land(self.live, self.terminal, "work", merge_both))


@functools.cache
def _template() -> Path:
    """Make a remote, `origin.git`, and a clone of it, `clone`, once for every crew of this process."""
    folder = Path(tempfile.mkdtemp(prefix="crew-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    seed = folder / "seed"
    seed.mkdir()
    git(seed, "init", "-q")
    for number, extra in enumerate(({}, {"a.txt": FILES["a.txt"] + b"f1\n"}, {"g.txt": b"g1\ng2\n"})):
        write_files(seed, {**(FILES if number == 0 else {}), **extra})
        git(seed, "add", "-A")
        git(seed, "commit", "-qm", f"c{number}")
    git(seed, "branch", "old", "HEAD~2")
    git(folder, "clone", "-q", "--bare", "seed", "origin.git")
    git(folder, "clone", "-q", "origin.git", "clone")
    for sample in folder.glob("**/hooks/*.sample"):
        sample.unlink()
    return folder


def found_crew(folder: Path, names: Sequence[str]) -> dict[str, Mate]:
    """Make a remote and a clone of it for each member."""
    shutil.copytree(_template() / "origin.git", folder / "origin.git")
    crew: dict[str, Mate] = {}
    for name in names:
        crew[name] = _clone(folder, name, crew)
        crew[name].snapshot()
    return crew


def found_outsider(folder: Path) -> Mate:
    """Make one more clone, of somebody who is in no team; their words begin with `z`."""
    return _clone(folder, "z", {})


def _clone(folder: Path, name: str, crew: dict[str, Mate]) -> Mate:
    root = folder / name
    shutil.copytree(_template() / "clone", root)
    config = (root / ".git/config").read_text().replace(str(_template()), str(folder))
    (root / ".git/config").write_text(f"{config}[user]\n\tname = {name.title()}\n\temail = {name}@example.org\n")
    git(root, "update-index", "-q", "--refresh")  # the times that the index has are those of the template
    return Mate(root, name, crew)


def words_of(content: bytes | None) -> list[bytes]:
    """Return the words of a file, as often as they are there."""
    return WORD.findall(content or b"")


def oracle(mate: Mate, ours: tuple[str, str], theirs: tuple[str, str]) -> tuple[dict[str, bytes], set[str]]:
    """Return what git makes of two trees, each a commit on the HEAD of its owner, and the paths that it disputes.

    `ours`, `theirs`: (tree, HEAD).
    """
    store = mate.store
    sides = [store.objects.write_commit(tree, [head], "o <o@o>", 0, "side\n") for tree, head in (ours, theirs)]
    code, out, said = store.git.result("merge-tree", "--write-tree", "-z", "--name-only", *sides, allowed=(0, 1))
    if code == 1 and not out:
        raise AssertionError(said)
    fields = out.split(b"\0")
    disputed = {os.fsdecode(path) for path in fields[1 : fields.index(b"", 1)]} if code == 1 else set()
    return mate.at_tree(fields[0].decode()), disputed


def removed_by_commit(mate: Mate, tip: str, head: str, path: str, word: bytes) -> bool:
    """Return whether a commit of a user's, in `tip` and not in `head`, took a word out of a file."""
    form = "--format=%H %(trailers:key=Bough-Base,valueonly,separator=%x20)"
    asked = ["log", "-m", f"-S{word.decode()}", form, tip, f"^{head}", "--", path]
    commits = [line.split(" ")[0] for line in mate.store.git.run(*asked).decode().splitlines() if line.endswith(" ")]
    return any(word not in words_of(mate.at_tree(mate.store.objects.commit(oid).tree).get(path)) for oid in commits)


def taken_back(mate: Mate, tip: str, path: str, word: bytes) -> bool:
    """Return whether the writer of a word had it once, and had it no longer when `tip` got their work.

    Where their chain began again meanwhile, they have not taken it back.
    """
    objects = mate.store.objects
    writer = word.rstrip(b"0123456789").decode()
    asked = [
        "log",
        "-1",
        "--topo-order",
        "--format=%H",
        f"--author=<{writer}@example.org>",
        "--grep=^Bough-Base: ",
        tip,
    ]
    newest = mate.store.git.run(*asked).decode().strip()
    had = [word in words_of(mate.at_tree(one.tree).get(path)) for one in chain(objects, newest)] if newest else []
    return any(had) and not had[0]
