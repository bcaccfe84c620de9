"""Find the co-authors of a landing: teammates by the states that they signed, and authors of one's own Git commits.

A teammate's daemon writes the author names in their snapshots, and may name anyone. So a branch counts as its member's,
under the name and address of its newest snapshot; if another member has the same address, under the member's name in
the team alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bough_daemon.git.command import GitCommand
from bough_daemon.history.replacements import knowing, learn, learn_from
from bough_daemon.history.timeline import BRINGING, EVENT, Snapshot
from bough_daemon.store.store import LIVE, Store
from bough_daemon.team.names import owner_of

FORM = f"%H%x00%T%x00%P%x00%ct%x00%an <%ae>%x00%(trailers:key={EVENT},valueonly,unfold,separator=%x20)"
MOST_SNAPSHOTS = 10_000  # of all live branches, in which a merged commit is searched
NOWHERE = "bough.invalid"  # RFC 2606


@dataclass(frozen=True)
class _Commit:
    oid: str
    tree: str
    parents: Sequence[str]
    time: int
    author: str
    event: str


def co_authors(store: Store, mine: Snapshot, without: Sequence[str], branch: str, myself: str) -> list[str]:
    """Return `Name <email>` of everyone else whose work is in my snapshot and in none of `without`, oldest first.

    `branch`, `myself`: my live branch, and my name in commits. On the store's thread.
    """
    learn(store, mine.shared, *without)
    found = _commits(store, mine.shared, without)
    alone = list(_chain(found, mine.shared))
    if len(alone) == len(found) and all(_is_mine(one, myself) for one in alone):
        return []
    if found:
        # Some of it may have landed already in a squash, which is newer than its parts.
        learn_from(store, *without, f"--since={min(one.time for one in found.values())}")
        found = _commits(store, mine.shared, without)
    known, own = people(store, branch, myself), _own_commits(store, without)
    chain = {one.oid for one in _chain(found, mine.shared)}
    signed = _signed(store, known, without) if found.keys() - own - chain else {}
    others: dict[str, str] = {}
    for one in found.values():
        if one.oid in own:
            author: str | None = one.author
        elif one.oid in chain:
            author = known.get(_brought_by(store, one, found.keys() - own))
        else:
            # If one of them hopped into the other's branch, both have it.
            authors = sorted(known[name] for name in signed.get(one.oid, ()))
            author = one.author if one.author in authors else next(iter(authors), None)
        if author is not None and _email(author) != _email(myself):
            others.setdefault(_email(author), author)
    return list(others.values())


def _commits(store: Store, tip: str, without: Sequence[str]) -> dict[str, _Commit]:
    """Return the commits of a tip that other commits lack, oldest first."""
    return _log(knowing(store.git), [tip], without, "--reverse")


def _log(git: GitCommand, tips: Iterable[str], without: Sequence[str], *options: str) -> dict[str, _Commit]:
    lines = "\n".join([*tips, *(f"^{oid}" for oid in without)]).encode() + b"\n"
    said = git.run("log", *options, f"--format={FORM}", "--stdin", stdin=lines).decode(errors="replace")
    split = (line.split("\0", 5) for line in said.split("\n") if line)
    return {
        oid: _Commit(oid, tree, parents.split(), int(when), who, event)
        for oid, tree, parents, when, who, event in split
    }


def people(store: Store, branch: str, myself: str) -> dict[str, str]:
    """Return the name that each member whose live branch is here uses in commits, by branch, without my own."""
    tips = {name: tip for name, tip in store.refs(LIVE).items() if name != branch}
    said = {name: store.objects.commit(tip) for name, tip in tips.items()}
    sharing = defaultdict[str, set[str]](set, {_email(myself): {owner_of(branch)}})
    for name, commit in said.items():
        sharing[commit.email.lower()].add(owner_of(name))
    return {
        name: f"{commit.author} <{commit.email}>"
        if len(sharing[commit.email.lower()]) == 1
        else f"{name} <{name}@{NOWHERE}>"
        for name, commit in said.items()
    }


def _own_commits(store: Store, without: Sequence[str]) -> set[str]:
    """Return the commits of the user's own and remote-tracking branches that other commits lack."""
    heads = GitCommand(store.common_dir).run("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes")
    lines = "\n".join([*heads.decode().split(), *(f"^{oid}" for oid in without)]).encode() + b"\n"
    return set(store.git.run("rev-list", "--stdin", stdin=lines).decode().split())


def _chain(found: Mapping[str, _Commit], tip: str) -> Iterator[_Commit]:
    """Yield the snapshots of one branch among the commits found, newest first, until a hop into another branch."""
    at = found.get(tip)
    while at is not None:
        yield at
        at = found.get(at.parents[0]) if at.parents and not at.event.startswith("hop ") else None


def _is_mine(commit: _Commit, myself: str) -> bool:
    return _email(commit.author) == _email(myself) and commit.event.partition(" ")[0] not in BRINGING


def _brought_by(store: Store, snapshot: _Commit, found: Collection[str]) -> str:
    """Return the branch that my snapshot claims to have merged; empty for none, or if it brought nothing new."""
    word, _, name = snapshot.event.partition(" ")
    if word in ("fold", "stay"):  # also recorded if they only record what is contained
        before = snapshot.parents[:1]
        is_new = (
            not before or not store.objects.exists(before[0]) or store.objects.commit(before[0]).tree != snapshot.tree
        )
        return name if is_new else ""
    brought = snapshot.parents[1:] if word == "merge" else snapshot.parents if word == "hop" else ()
    return name if any(oid in found for oid in brought) else ""


def _signed(store: Store, people: Mapping[str, str], without: Sequence[str]) -> dict[str, set[str]]:
    """Return the members whose live branches have a commit, by commit."""
    tips = {name: tip for name, tip in store.refs(LIVE).items() if name in people}
    found = _log(store.git, tips.values(), without, "--first-parent", f"--max-count={MOST_SNAPSHOTS}")
    signed = defaultdict[str, set[str]](set)
    for name, tip in tips.items():
        for one in _chain(found, tip):
            signed[one.oid].add(name)
    return signed


def _email(author: str) -> str:
    return author.rpartition("<")[2].rstrip(">").lower()
