"""The common tree of both sides of a merge.

Git finds the base by what the branches claim, and treats whatever the base has and a side lacks as removed by that
side. But a branch may lack what it claims, although nobody on it removed that: see `taken_away`. So the base is taken
without it, and it counts as added by the other side. What both HEADs have is different: there the files decide what was
removed, for Git too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bough_merge.text.lines import line_changes
from bough_merge.text.text import lines_of

from bough_daemon.errors import GitTooSlow
from bough_daemon.git.command import GitCommand
from bough_daemon.git.objects import EMPTY_TREE, Objects, TreeEntry
from bough_daemon.history.line_counts import Lines, lines_at, lines_in, text_at
from bough_daemon.history.taken_away import Side, not_taken_away
from bough_daemon.store.store import Store
from bough_daemon.store.walks import LONGEST_SECONDS

MOST_BASES = 64  # that are merged into one: a history with more of them was made to have them
WHO = "bough <bough@localhost> 0 +0000"


@dataclass(frozen=True)
class MergeBase:
    """The common origin of two sides. `commits`: the merge bases. `tree`: of the one, or a merge of all of them."""

    commits: tuple[str, ...]
    tree: str


def merge_base(git: GitCommand, ours: str, theirs: str) -> MergeBase:
    """Return the merge base of two commits, as Git finds it; raise GitTooSlow if that takes too long."""
    bases = git.run("merge-base", "--all", ours, theirs, seconds=LONGEST_SECONDS).decode().split()
    if len(bases) == 1:
        return MergeBase(tuple(bases), git.line("rev-parse", f"{bases[0]}^{{tree}}"))
    if len(bases) > MOST_BASES:
        raise GitTooSlow(f"the two histories have {len(bases):,} common origins", output="", running="")
    merged = bases[0]
    for base in bases[1:]:
        out = git.run("merge-tree", "--write-tree", merged, base, allowed=(0, 1), seconds=LONGEST_SECONDS).decode()
        tree = out.split("\n", 1)[0]
        merged = scratch_commit(git, tree, [merged, base])
    return MergeBase(tuple(bases), tree)


def scratch_commit(git: GitCommand, tree: str, parents: Sequence[str]) -> str:
    """Write a commit that only tells Git, in quarantine, what to merge; return its name."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {WHO}", f"committer {WHO}"]
    raw = "\n".join(lines) + "\n\nmine\n"
    return git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode()).decode().strip()


def common_tree(store: Store, base: MergeBase, ours: Side, theirs: Side) -> str:
    """Return the tree of a merge base, less what is newer than the HEADs' fork and a side lacks but did not remove."""
    objects = store.objects
    fork = store.merge_base(ours.head, theirs.head)
    # HEADs without a common commit (`git switch --orphan`) diverged before the first one.
    began, tree = objects.commit(fork).tree if fork is not None else EMPTY_TREE, base.tree
    for side, other in ((ours, theirs), (theirs, ours)):
        now = objects.commit(side.tip).tree
        lacking = _lacking(objects, began, tree, now) if began != tree else {}
        never = not_taken_away(store, side, other, base.commits, lacking)
        tree = objects.splice(tree, {path: _without(objects, (began, tree, now), path, never[path]) for path in never})
    return tree


def _lacking(objects: Objects, began: str, base: str, now: str) -> dict[str, Lines]:
    """Return the lines of a base that are newer than `began` and that a side lacks, by path, except moved ones."""
    claimed = {path for path, _, _ in objects.difference(began, base)}
    changed = list(objects.difference(base, now))
    found: dict[str, Lines] = {}
    for path, before, after in changed:
        if path in claimed and before is not None:
            lines = lines_at(objects, before) - lines_at(objects, after)
            found[path] = lines - lines_at(objects, objects.entry(began, path))
    found = {path: lines for path, lines in found.items() if lines}
    if found:
        moved = sum((lines_at(objects, after) for _, before, after in changed if before is None), Lines())
        found = {path: lines - moved for path, lines in found.items()}
    return found


def _without(objects: Objects, trees: tuple[str, str, str], path: str, lines: Lines) -> TreeEntry | None:
    """Return a file of the base without lines that a side lacks. `trees`: of the fork, the base, the side."""
    began, base, now = (objects.entry(tree, path) for tree in trees)
    if now is None or base is None:
        return None
    texts = [text_at(objects, entry) for entry in (base, now)]
    if texts[0] is None or texts[1] is None:
        return began
    returned = lines_at(objects, began) - lines_at(objects, base)
    return TreeEntry(base.mode, objects.write_blob(without_lines(texts[0], texts[1], lines, returned)))


def without_lines(text: bytes, newer: bytes, lines: Lines, returned: Lines) -> bytes:
    """Return a text without those of some lines that a newer version lacks, and without brackets between them.

    If the newer version has only `returned` in their place, the result has them there too.
    """
    old, new, left, made = lines_of(text), lines_of(newer), Lines(lines), list[bytes]()
    at = 0
    for hunk in line_changes(text, newer):
        made += old[at : hunk.old_start]
        gone, came = old[hunk.old_start : hunk.old_end], new[hunk.new_start : hunk.new_end]
        kept = _kept(gone, left)
        # No one else's line is in between: it is as before the whole change.
        whole = lines_in(b"".join(gone)) and not lines_in(b"".join(kept))
        made += came if whole and not lines_in(b"".join(came)) - returned else kept
        at = hunk.old_end
    return b"".join([*made, *old[at:]])


def _kept(lines: list[bytes], left: Lines) -> list[bytes]:
    """Return the lines of a hunk that are not among `left`, which is counted down, nor brackets after such a line."""
    kept, dropping = list[bytes](), False
    for line in lines:
        said = lines_in(line)
        if said:
            dropping = bool(said & left)
            left -= said
        if not dropping:
            kept.append(line)
    return kept
