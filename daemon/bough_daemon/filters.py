"""What Git does to bytes between a blob and a file: line endings, encodings, `ident`, the user's own filters."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bough_daemon.git import Git
from bough_daemon.ground import Ground
from bough_daemon.objects import FILE, FOLDER, Objects
from bough_daemon.paths import folders_above
from bough_daemon.worktree import Worktree

ATTRIBUTES = ("text", "eol", "crlf", "ident", "filter", "working-tree-encoding")
LOSSLESS = {"lfs"}  # filters that give back exactly what they were given
AT_ONCE = 100  # files that one git child converts, so that memory stays bounded


@dataclass(frozen=True)
class Filters:
    """Git's conversions under the attributes that lie in `git.work_tree`, of blobs that the store has."""

    git: Git
    objects: Objects

    def converted(self, paths: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the attributes of those paths whose bytes Git may change, by path."""
        if not paths:
            return {}
        always = self.git.line("config", "--get", "core.autocrlf", allowed=(0, 1)) in ("true", "input")
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        answers = self.git.run("check-attr", "-z", "--stdin", *ATTRIBUTES, stdin=names).split(b"\0")
        found: dict[str, dict[str, str]] = {path: {} for path in paths} if always else {}
        for path, attribute, value in zip(answers[0::3], answers[1::3], answers[2::3], strict=False):
            if value not in (b"unspecified", b"unset"):
                found.setdefault(os.fsdecode(path), {})[attribute.decode()] = os.fsdecode(value)
        return found

    def smudged(self, wanted: Iterable[tuple[str, str]]) -> Iterator[bytes]:
        """Yield for each (blob, path) the bytes that a checkout would put in the file."""
        pending = list(wanted)
        for start in range(0, len(pending), AT_ONCE):
            yield from self._smudge(pending[start : start + AT_ONCE])

    def _smudge(self, wanted: list[tuple[str, str]]) -> list[bytes]:
        # The header tells the size of the blob, not of the file, so a question that has no answer marks the end.
        end = secrets.token_hex(20)
        asked = "".join(f"{oid} {path}\0{end}\0" for oid, path in wanted)
        # What was staged before a hop may be in the store alone by now.
        git = self.git.with_environment(GIT_ALTERNATE_OBJECT_DIRECTORIES=os.fsdecode(_quoted(self.objects.folder, ":")))
        out = git.run("cat-file", "--batch", "--filters", "-z", stdin=os.fsencode(asked))
        answers = out.split(f"\n{end} missing\n".encode())[:-1]
        return [
            git.run("cat-file", "--filters", f"--path={path}", oid)
            if path[0] in " \t"  # cat-file would trim it
            else answer.split(b"\n", 1)[1]
            for answer, (oid, path) in zip(answers, wanted, strict=True)
        ]

    def cleaned(self, paths: Sequence[str]) -> dict[str, str]:
        """Return for each file on disk the id of the blob that `git add` would make of it."""
        if not paths:
            return {}
        names = b"".join(_quoted(path) + b"\n" for path in paths)
        return dict(zip(paths, self.git.run("hash-object", "--stdin-paths", stdin=names).decode().split(), strict=True))


@contextlib.contextmanager
def rules_of(
    worktree: Worktree, objects: Objects, tree: str, paths: Iterable[str], name: str, scratch: str
) -> Iterator[Git]:
    """Yield git over a folder that holds a tree's `.gitattributes` or `.gitignore` (`name`) and nothing else.

    Only those that lie above one of `paths` are there. The user's own rules (`info/`, global) hold as well.
    """
    with tempfile.TemporaryDirectory(prefix="rules-", dir=scratch) as folder:
        for above in {"", *(folder for path in paths for folder in folders_above(path))}:
            entry = objects.entry(tree, f"{above}/{name}" if above else name)
            if entry is not None and entry.mode & FILE == FILE:
                os.makedirs(os.path.join(folder, above), exist_ok=True)
                with open(os.path.join(folder, above, name), "wb") as out:
                    out.write(objects.blob(entry.oid))
        # Without an index, or rules that the new tree no longer has would be read from there.
        yield Git(worktree.git_dir, folder, {"GIT_INDEX_FILE": os.path.join(folder, ".no-index")})


def ignored_under(
    worktree: Worktree, objects: Objects, tree: str, paths: Sequence[str], scratch: str
) -> frozenset[str]:
    """Return those of `paths` that the `.gitignore` files of `tree` ignore, and the user's own rules."""
    if not paths:
        return frozenset()
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    with rules_of(worktree, objects, tree, paths, ".gitignore", scratch) as git:
        out = git.run("check-ignore", "--no-index", "-z", "--stdin", stdin=names, allowed=(0, 1))
    return frozenset(os.fsdecode(name) for name in out.split(b"\0") if name)


def not_given_back(worktree: Worktree, objects: Objects, tree: str) -> dict[str, str]:
    """Return, by path, a blob of the exact bytes of each file that a checkout of `tree` would not give back.

    `tree` is what `git add` makes of the files as they are. The blobs are in the store.
    """
    if not _any_rules(worktree, objects, tree):
        return {}
    filters = Filters(worktree.git, objects)
    entries = {path: entry.oid for path, entry in objects.walk(tree) if entry.mode & FILE == FILE}
    converted = filters.converted(list(entries))
    plain_endings = worktree.config("core.autocrlf") != "true" and not worktree.config("core.eol")
    unsure: list[tuple[str, str]] = []
    exact: dict[str, str] = {}
    with Ground(worktree.root) as ground:
        for path, attributes in converted.items():
            if attributes.get("filter") in LOSSLESS:
                continue
            if attributes.keys() <= {"text", "crlf"} and plain_endings and os.linesep == "\n":
                # Only a carriage return that goes makes a difference, and then the size differs.
                status = ground.status(path)
                if status is not None and status.st_size != objects.size(entries[path]):
                    exact |= _recorded(ground, objects, path, None)
            else:
                unsure.append((entries[path], path))
        for (_, path), usual in zip(unsure, filters.smudged(unsure), strict=True):
            exact |= _recorded(ground, objects, path, usual)
    return exact


def _recorded(ground: Ground, objects: Objects, path: str, usual: bytes | None) -> dict[str, str]:
    """Return the blob of a file's bytes by its path, written to the store, where they are not the usual ones."""
    standing = ground.read(path)
    if standing is None or standing[0] & FILE != FILE or standing[1] == usual:
        return {}
    return {path: objects.write_blob(standing[1])}


def _any_rules(worktree: Worktree, objects: Objects, tree: str) -> bool:
    """Return whether anything here could make a file differ from its blob."""
    config: Mapping[str, str] = {name: worktree.config(name) for name in ("core.autocrlf", "core.attributesFile")}
    if config["core.autocrlf"] in ("true", "input") or config["core.attributesFile"]:
        return True
    default = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "git", "attributes")
    if os.path.exists(os.path.join(worktree.common_dir, "info", "attributes")) or os.path.exists(default):
        return True
    pending = [tree]
    while pending:
        entries = objects.tree(pending.pop())
        if ".gitattributes" in entries:
            return True
        pending += [entry.oid for entry in entries.values() if entry.mode == FOLDER]
    return False


def _quoted(path: str, special: str = "") -> bytes:
    """Return a path in C quotes where Git could misread it: a quote in front, a newline, one of `special`."""
    raw = os.fsencode(path)
    if not raw.startswith(b'"') and not any(letter in path for letter in "\n" + special):
        return raw
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
