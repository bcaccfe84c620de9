"""Read snapshots in a store for commands, in their own process, without writing.

Find where a text last was, including what HEAD left and what was undone; compare two snapshots; tell who wrote a line.
"""

from __future__ import annotations

import codecs
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from bough_daemon.errors import GitFailed, NothingFound, NotLive, UnknownMember
from bough_daemon.git.command import GitCommand
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.git.worktree import Worktree

MOST_CHANGES = 500  # snapshots that added or removed the text, newest first
MOST_PATHS = 50
LONGEST_LINE = 400  # characters
FIELDS = "%x01%H%x00%P%x00%ct%x00%(trailers:key=Bough-Base,valueonly)%x00"
LIVE, SHARED, KEPT = "refs/heads/", "refs/shared/", "refs/kept/"
CONTAINS = "refs/contains/"  # what landed commits contain, as `history/replacements` has recorded it
BRANCH = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")  # the name of a live branch
MOST_SNAPSHOTS = 20_000  # of all live branches, newest first, whose author is known by the branch
WRITTEN = "%x01%H%x00%P" + "".join(
    f"%x00%(trailers:key=Bough-{key},valueonly,separator=%x20)"
    for key in ("Base", "Previous", "Event", "Guest-Of", "Snapshot")
)
LONGEST_SECONDS = 60.0  # of one file
AT_ONCE = 4  # git processes
MOST_LANDINGS = 20  # in each other's history
BEGINNING = ("hop", "agent")  # first words of events by which a branch continues another one
HOPS = "hop"  # the working tree of `bough hop --worktree`, which begins as an agent's does, but is the user's


@dataclass(frozen=True)
class FoundText:
    """A line that contains the text. `snapshot`: the newest one that has it at this path.

    `time`: of the snapshot, in seconds since the epoch. `branches`: the live branches that it is on. `is_there`: the
    path still has the text there.
    """

    path: str
    line: int
    text: str
    snapshot: str
    time: int
    branches: tuple[str, ...]
    is_there: bool


@dataclass(frozen=True)
class _Change:
    oid: str
    parents: tuple[str, ...]
    time: int
    paths: tuple[str, ...]


def find_text(path: str, text: str, below: Sequence[str] = ()) -> list[FoundText]:
    """Return where a text last was, one line for each path, newest first; `below`: paths from the top folder.

    The user's own commits are left to `git log -S`. Raise NotLive if nothing was ever recorded.
    """
    worktree = Worktree.find(path)
    git, found = _git_of(worktree), dict[str, FoundText | None]()
    for change in _changes(git, worktree, text, below):
        for changed in change.paths:
            if changed not in found and len(found) < MOST_PATHS:
                found[changed] = _last_at(git, change, changed, text)
    return [one for one in found.values() if one is not None]


def _changes(git: GitCommand, worktree: Worktree, text: str, below: Sequence[str]) -> Iterator[_Change]:
    """Yield the snapshots that added or removed the text, newest first."""
    refs = worktree.git.run("for-each-ref", "--format=^%(objectname)").split()
    own = [*refs, b"^" + worktree.head().commit.encode()]
    asked = ["log", f"-S{text}", "-m", "--first-parent", "-z", "--name-only", f"--format={FIELDS}", "--text"]
    asked += [f"-n{MOST_CHANGES}", "--stdin", "--glob=refs/heads/*", "--glob=refs/kept/*", "--ignore-missing"]
    paths = ["--", *(f":(top,literal){one}" for one in below)] if below else []
    said = git.run(*asked, *paths, stdin=b"\n".join(own) + b"\n")
    for part in said.split(b"\x01")[1:]:
        oid, parents, time, base, *names = part.split(b"\0")
        if base.strip():
            touched = tuple(os.fsdecode(name.lstrip(b"\n")) for name in names if name.strip(b"\n"))
            yield _Change(oid.decode(), tuple(parents.decode().split()), int(time), touched)


def _last_at(git: GitCommand, change: _Change, path: str, text: str) -> FoundText | None:
    """Return the line that a path had before a change removed the text, or has since it was added."""
    for oid, is_there in ((change.oid, True), *((parent, False) for parent in change.parents[:1])):
        asked = ["grep", "-n", "-z", "-F", "-a", "-m1", "--no-color", "-e", text, oid, "--", f":(top,literal){path}"]
        code, said, _ = git.result(*asked, allowed=(0, 1))
        if code == 0:
            _, number, line = said.split(b"\0", 2)
            time = change.time if is_there else int(git.line("log", "-1", "--format=%ct", oid))
            shown = line.split(b"\n", 1)[0].decode(errors="replace")[:LONGEST_LINE]
            return FoundText(path, int(number), shown, oid, time, _branches(git, oid), is_there)
    return None


def _branches(git: GitCommand, oid: str) -> tuple[str, ...]:
    """Return the live branches that contain a snapshot now, or did before HEAD left it."""
    names = git.run("for-each-ref", "--contains", oid, "--format=%(refname)", LIVE, KEPT).decode().split()
    live = [name.removeprefix(LIVE) for name in names if name.startswith(LIVE)]
    left = [name.removeprefix(KEPT).rpartition("/")[0] for name in names if name.startswith(KEPT)]
    return tuple(dict.fromkeys(live or left))


@dataclass(frozen=True)
class LinesChanged:
    """How many lines of a path were added and removed; None for a binary file."""

    path: str
    added: int | None
    removed: int | None


def lines_changed(path: str, pairs: Sequence[tuple[str, str]], below: Sequence[str] = ()) -> list[list[LinesChanged]]:
    """Return the differences for each pair of commits, below some paths from the top folder."""
    git, found = _git_of(Worktree.find(path)), list[list[LinesChanged]]()
    paths = ["--", *(f":(top,literal){one}" for one in below)] if below else []
    # One process for all: git takes the second commit on a line for the parent of the first.
    lines = "".join(f"{after} {before}\n" for before, after in pairs).encode()
    asked = ["diff-tree", "--stdin", "--always", "-r", "-z", "--numstat", "--no-renames"]
    for part in git.run(*asked, *paths, stdin=lines).split(b"\0"):
        added, _, rest = part.partition(b"\t")
        gone, is_path, changed = rest.partition(b"\t")
        if is_path:
            found[-1].append(LinesChanged(os.fsdecode(changed), _number(added), _number(gone)))
        elif part:
            found.append([])  # the id of the next commit
    return found


def _number(word: bytes) -> int | None:
    return int(word) if word.isdigit() else None


@dataclass(frozen=True)
class BlamedLine:
    """Who wrote a line. `kind`: `person`, `guest`, `agent`, or `commit` if no more is known than its Git commit says.

    `commit`: the snapshot or commit that brought it, `path` and `commit_line`: where it was there. `branch`: the live
    branch that it was written on, `guest_of`: the one in which its member was a guest. `time`: seconds since the epoch.
    """

    line: int
    text: str
    commit: str
    branch: str
    author: str
    kind: str
    guest_of: str
    time: int
    path: str
    commit_line: int


@dataclass(frozen=True)
class _Written:
    """What a commit says of itself. `snapshot`: the one that it landed."""

    parents: Sequence[str]
    base: str
    previous: str
    event: str
    guest_of: str
    snapshot: str


def blame(path: str, branch: str, file: str, lines: Sequence[str] = ()) -> list[BlamedLine]:
    """Return who wrote each line of a file, as it is on a live branch; `lines`: ranges as for `git blame -L`.

    A line that has landed is followed into the snapshot that it came from. Raise UnknownMember, or NothingFound if the
    branch does not have the file or those lines.
    """
    worktree = Worktree.find(path)
    tip = _git_of(worktree).line("rev-parse", "-q", "--verify", f"{LIVE}{branch}^{{commit}}", allowed=(0, 1, 128))
    if not tip:
        raise UnknownMember(f"{branch} has no live branch here", name=branch)
    try:
        return blame_at(worktree, tip, file, lines)
    except GitFailed as failure:
        why = failure.facts.get("output", "").removeprefix("fatal: ")
        raise NothingFound(why.replace(f" in {tip}", f" on {branch}'s branch")) from None


def blame_at(worktree: Worktree, tip: str, file: str, lines: Sequence[str] = ()) -> list[BlamedLine]:
    """Return the same for a commit; raise GitFailed."""
    git = _git_of(worktree).with_environment(GIT_REPLACE_REF_BASE=CONTAINS)
    landings: dict[str, _Written] = {}
    while True:
        found = _blamed(git, tip, file, lines, _grafts(git, landings))
        written = _written(git, ["--no-walk", "--stdin"], {one.commit for one in found})
        new = {oid: one for oid, one in written.items() if one.snapshot and oid not in landings}
        if not new or len(landings) > MOST_LANDINGS:
            break
        landings |= new
    return _by_branch(worktree, found, written)


def blame_landed(worktree: Worktree, commit: str, files: Mapping[str, Sequence[str]]) -> dict[str, list[BlamedLine]]:
    """Return who wrote some lines of several files, by path, that a landed commit has brought from its snapshot.

    A file about which Git cannot tell is left out. One git process for each, some at a time.
    """
    git = _git_of(worktree)
    grafts = _grafts(git, _written(git, ["--no-walk", "--stdin"], [commit]))

    def ask(file: str) -> list[BlamedLine]:
        with suppress(GitFailed):
            return _blamed(git, commit, file, files[file], grafts)
        return []

    with ThreadPoolExecutor(AT_ONCE) as asking:
        found = dict(zip(files, asking.map(ask, files), strict=True))
    every = [line for lines in found.values() for line in lines]
    told = iter(_by_branch(worktree, every, _written(git, ["--no-walk", "--stdin"], {one.commit for one in every})))
    return {file: [next(told) for _ in lines] for file, lines in found.items()}


def _grafts(git: GitCommand, landings: Mapping[str, _Written]) -> str:
    """Return lines for `git blame -S` that make landed commits children of the snapshots that they name, if here."""
    there = {one.snapshot for one in landings.values() if one.snapshot}
    known = _written(git, ["--no-walk", "--ignore-missing", "--stdin"], there).keys() if there else ()
    return "".join(
        " ".join([oid, *one.parents, *([one.snapshot] if one.snapshot in known else [])]) + "\n"
        for oid, one in landings.items()
    )


def _blamed(git: GitCommand, tip: str, file: str, lines: Sequence[str], grafts: str) -> list[BlamedLine]:
    """Ask Git, with other parents for some commits; what those lack stays with the commit."""
    with tempfile.NamedTemporaryFile("w", prefix="bough-") as out:
        out.write(grafts)
        out.flush()
        ranges = [word for one in lines for word in ("-L", one)]
        asked = ["-c", "blame.ignoreRevsFile=", "blame", "--porcelain", "-S", out.name, *ranges, tip, "--", file]
        return list(_lines_of(git.run(*asked, seconds=LONGEST_SECONDS)))


def _lines_of(said: bytes) -> Iterator[BlamedLine]:
    """Yield the lines of `git blame --porcelain`, without what only the branch tells."""
    facts: dict[str, dict[bytes, bytes]] = {}
    rest = said.split(b"\n")
    at = 0
    while at < len(rest) - 1:
        oid, before, now, *_ = rest[at].decode().split(" ")
        own = facts.setdefault(oid, {})
        at += 1
        while not rest[at].startswith(b"\t"):
            key, _, value = rest[at].partition(b" ")
            own[key] = value
            at += 1
        author = b"%s %s" % (own.get(b"author", b""), own.get(b"author-mail", b""))
        yield BlamedLine(
            *(int(now), rest[at][1:].decode(errors="replace"), oid, "", author.decode(errors="replace"), "commit", ""),
            *(int(own.get(b"author-time", b"0")), _unquoted(own.get(b"filename", b"")), int(before)),
        )
        at += 1


def _unquoted(name: bytes) -> str:
    """Return a path that Git may have put into C quotes."""
    return os.fsdecode(codecs.escape_decode(name[1:-1])[0] if name.startswith(b'"') else name)


def _written(git: GitCommand, words: Sequence[str], commits: Collection[str]) -> dict[str, _Written]:
    """Return what some commits, or those that `words` for `git log` name, say of themselves."""
    stdin = "".join(f"{oid}\n" for oid in sorted(commits)).encode()
    if "--no-walk" in words and not commits:
        return {}
    said = git.run("log", *words, f"--format={WRITTEN}", stdin=stdin).decode(errors="replace")
    found = {}
    for part in said.split("\x01")[1:]:
        oid, *fields = (field.strip() for field in part.split("\0"))
        if len(fields) != 6:
            continue  # a piece of a message: any teammate may have written it
        parents, base, previous, event, guest_of, snapshot = fields
        named = snapshot if OBJECT_ID.fullmatch(snapshot) else ""
        host = guest_of.partition(" ")[0]
        found[oid] = _Written(parents.split(), base, previous, event, host if BRANCH.fullmatch(host) else "", named)
    return found


def _by_branch(worktree: Worktree, found: Sequence[BlamedLine], written: Mapping[str, _Written]) -> list[BlamedLine]:
    """Return the lines with what the live branches say: only the chain of a branch tells whose a snapshot is."""
    wanted = {oid for oid, one in written.items() if one.base}
    owners, agents = _owners(worktree, wanted) if wanted else ({}, frozenset[str]())
    lines = []
    for line in found:
        branch = owners.get(line.commit, "")
        guest_of = written[line.commit].guest_of if branch else ""
        kind = "agent" if branch in agents else "guest" if guest_of else "person" if branch else "commit"
        lines.append(replace(line, branch=branch, kind=kind, guest_of=guest_of))
    return lines


def _owners(worktree: Worktree, wanted: Collection[str]) -> tuple[dict[str, str], frozenset[str]]:
    """Return the live branch of each wanted snapshot, and the branches that are agents'."""
    git, refs = _git_of(worktree), worktree.git.run("for-each-ref", "--format=^%(objectname)").decode().split()
    globs = [f"--glob={LIVE}*", f"--glob={SHARED}*", f"--glob={KEPT}*"]  # what a return left is kept
    words = [*globs, "--ignore-missing", "--stdin", f"--max-count={MOST_SNAPSHOTS}"]
    known = _written(git, words, refs)
    owners: dict[str, str] = {}
    agents = set[str]()
    tips = git.run("for-each-ref", "--format=%(refname) %(objectname)", LIVE, SHARED).decode().split("\n")
    for ref, _, at in (line.partition(" ") for line in tips if line):
        branch = ref.removeprefix(LIVE).removeprefix(SHARED)
        seen = set[str]()
        while at in known and at not in seen and known[at].base:
            seen.add(at)
            if at in wanted:
                # A teammate may name anyone's snapshot as their previous one: what two members have is nobody's.
                before = owners.get(at, branch)
                owners[at] = before if before.partition("@")[0] == branch.partition("@")[0] else ""
            one, (word, _, name) = known[at], known[at].event.partition(" ")
            if word == "agent" and name != HOPS:
                agents.add(branch)
            if word in BEGINNING and one.previous not in known:
                break  # it continues another branch
            at = one.previous if one.previous in known else next(iter(one.parents), "")
    return owners, frozenset(agents)


def live_base(path: str, name: str) -> str:
    """Return the commit that a live branch is on; raise UnknownMember if there is no branch of that name."""
    words = ["log", "-1", "--format=%(trailers:key=Bough-Base,valueonly)", f"{LIVE}{name}^{{commit}}", "--"]
    code, said, _ = _git_of(Worktree.find(path)).result(*words, allowed=(0, 128))
    base = said.decode(errors="replace").strip() if code == 0 else ""
    if not OBJECT_ID.fullmatch(base):  # any teammate may have written it
        raise UnknownMember(f"{name} has no live branch here", name=name)
    return base


def store_path(worktree: Worktree) -> str:
    """Return the path of a working tree's store; raise NotLive if nothing was ever recorded."""
    store = os.path.join(worktree.common_dir, "bough", "store.git")
    if not os.path.isdir(store):
        raise NotLive(f"{worktree.root} is not live", path=worktree.root)
    return store


def _git_of(worktree: Worktree) -> GitCommand:
    return GitCommand(store_path(worktree))
