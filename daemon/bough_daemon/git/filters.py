"""Git's conversions between blobs and files: line endings, encodings, `ident`, the user's own filters."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache

from bough_daemon.errors import FilterFailed, GitFailed
from bough_daemon.git.command import GitCommand, quoted
from bough_daemon.git.index import WHOLE, marks_of
from bough_daemon.git.objects import FILE, FOLDER, Objects
from bough_daemon.git.paths import check_path, folders_above
from bough_daemon.git.root_dir import RootDir, read_regular
from bough_daemon.git.rule_files import ATTRIBUTES as ATTRIBUTES_FILE
from bough_daemon.git.rule_files import RuleFiles
from bough_daemon.git.rules import as_pathspec
from bough_daemon.git.worktree import DEFAULT_REMOTE, Worktree
from bough_daemon.system.text import bounded, printable, shell_word

ATTRIBUTES = ("text", "eol", "crlf", "ident", "filter", "working-tree-encoding")
FAILED = re.compile(r"^fatal: ((?:.|\n)+): smudge filter (\S+) failed$", re.MULTILINE)
EXTERNAL = "external filter "
NOT_PUSHED = (
    "Git LFS does not have the content here: it is uploaded when its author lands or pushes it, or runs "
    "`git lfs push --object-id {0} {1}`. Try again then, or check that the LFS server can be reached."
)
POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize ")
LARGEST_POINTER = 1024  # bytes, as Git LFS has it
MOST_NAMED = 20  # LFS contents that one hint names
LOSSLESS = {"lfs"}  # filters that return exactly what they were given
AT_ONCE = 1000  # files that one git child converts

OutsideRules = tuple[Mapping[str, str], Mapping[str, bytes | None]]
"""The settings, and the content of each file of rules outside the tree."""


def converted_on_disk(worktree: Worktree, paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the attributes of those paths whose bytes Git may change, by path, under the rules in the files."""
    if not paths or not (
        _rules_outside(worktree) or marks_of(worktree).has_attributes or _rules_above(worktree, paths)
    ):
        return {}
    return _converted(worktree, worktree.git, paths)


def _converted(worktree: Worktree, git: GitCommand, paths: Sequence[str], *options: str) -> dict[str, dict[str, str]]:
    """Return the same as `git` tells it; `options` for `git check-attr`."""
    if not paths:
        return {}
    always = worktree.config("core.autocrlf") in ("true", "input")
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    answers = git.run("check-attr", "-z", "--stdin", *options, *ATTRIBUTES, stdin=names).split(b"\0")
    found: dict[str, dict[str, str]] = {path: {} for path in paths} if always else {}
    for path, attribute, value in zip(answers[0::3], answers[1::3], answers[2::3], strict=False):
        if value not in (b"unspecified", b"unset"):
            found.setdefault(os.fsdecode(path), {})[attribute.decode()] = os.fsdecode(value)
    return found


def cleaned(git: GitCommand, paths: Sequence[str]) -> dict[str, str]:
    """Return, for each file on disk, the id of the blob that `git add` would create."""
    if not paths:
        return {}
    names = b"".join(quoted(path) + b"\n" for path in paths)
    return dict(zip(paths, git.run("hash-object", "--stdin-paths", stdin=names).decode().split(), strict=True))


class Checkout:
    """The file contents of a checkout of `tree`: under its own attributes, with filters run in the working tree.

    `folder`: a scratch folder. Git takes the attributes from an index that has nothing else; it prefers those on disk,
    so only files that a filter of the user's converts are asked for there.
    """

    def __init__(self, worktree: Worktree, objects: Objects, tree: str, paths: Iterable[str], folder: str) -> None:
        self._folder = folder
        self._worktree = worktree
        self._objects = objects
        # What was staged before a hop may by now be in the store alone.
        borrowed = os.fsdecode(quoted(objects.folder, ":"))
        self._git = worktree.git.with_environment(
            GIT_INDEX_FILE=os.path.join(folder, "index"), GIT_ALTERNATE_OBJECT_DIRECTORIES=borrowed, **WHOLE
        )
        apart = os.path.join(folder, "empty")
        os.mkdir(apart)
        self._apart = self._git.with_work_tree(apart)
        nothing = objects.write_blob(b"")  # overrides rules that are on disk and not in the tree
        lines = []
        for above in sorted({"", *(above for path in paths for above in folders_above(path))}):
            name = f"{above}/.gitattributes" if above else ".gitattributes"
            entry = objects.entry(tree, name)
            known = entry is not None and entry.mode & FILE == FILE
            lines.append((entry.oid if entry is not None and known else nothing, name))
        self._index(lines)

    def converted(self, paths: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the attributes of those paths whose bytes Git may change, by path."""
        return _converted(self._worktree, self._git, paths, "--cached")

    def contents(self, wanted: Iterable[tuple[str, str]]) -> Iterator[bytes]:
        """Yield the file's bytes for each (blob, path); raise FilterFailed if a required filter fails."""
        pending = list(wanted)
        for start in range(0, len(pending), AT_ONCE):
            some = pending[start : start + AT_ONCE]
            with tempfile.TemporaryDirectory(prefix="files-", dir=self._folder) as out:
                self._index(some)
                rules = self.converted([path for _, path in some])
                for git, filtered in ((self._git, True), (self._apart, False)):
                    paths = [path for _, path in some if ("filter" in rules.get(path, ())) == filtered]
                    if paths:
                        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
                        self._check_out(git, out, names, some)
                for _, path in some:
                    with open(os.path.join(out, path), "rb") as source:
                        yield source.read()

    def _check_out(self, git: GitCommand, out: str, names: bytes, some: Sequence[tuple[str, str]]) -> None:
        try:
            git.run("checkout-index", "-z", "--stdin", f"--prefix={out}/", stdin=names)
        except GitFailed as failure:
            words = failure.facts.get("output", "")
            found = FAILED.search(words)
            if found is None:
                raise
            path, name = printable(found[1]), found[2]
            said = next((line for line in words.splitlines() if "error" in line.lower() and EXTERNAL not in line), "")
            hint = {"hint": self._not_pushed(some)} if name == "lfs" else {}
            why = f": {bounded(said)}" if said else ""
            message = f"the filter `{name}` failed on {path}; nothing was changed{why}"
            raise FilterFailed(message, filter=name, **hint) from None

    def _not_pushed(self, some: Iterable[tuple[str, str]]) -> str:
        """Return how to get the LFS contents that blobs name and that are not in this repository."""
        storage = os.path.join(self._worktree.common_dir, self._worktree.config("lfs.storage") or "lfs", "objects")
        small = (oid for oid, _ in some if self._objects.size(oid) < LARGEST_POINTER)
        named = (POINTER.match(self._objects.blob(oid)) for oid in small)
        ids = dict.fromkeys(one[1].decode() for one in named if one is not None)
        missing = [id for id in ids if not os.path.exists(os.path.join(storage, id[:2], id[2:4], id))]
        ids_told = " ".join([*missing[:MOST_NAMED], *(["…"] if len(missing) > MOST_NAMED else [])]) or "ID"
        return NOT_PUSHED.format(_usual_remote(self._worktree), ids_told)

    def _index(self, entries: Iterable[tuple[str, str]]) -> None:
        lines = "".join(f"100644 {oid} 0\t{path}\0" for oid, path in entries)
        self._git.run("update-index", "-z", "--index-info", stdin=os.fsencode(lines))


def _usual_remote(worktree: Worktree) -> str:
    """Return the remote that is pushed to, for a command: the only one, the configured one, or `origin`."""
    remotes = worktree.remotes()
    usual = remotes if len(remotes) == 1 else (worktree.config("remote.pushDefault"), DEFAULT_REMOTE)
    return next((shell_word(name) for name in usual if name in remotes), "REMOTE")


def ignored_under(
    worktree: Worktree, objects: Objects, tree: str, paths: Collection[str], scratch: str
) -> frozenset[str]:
    """Return those of `paths` that the `.gitignore` files of `tree` ignore, and the user's own rules."""
    rules: dict[str, bytes] = {}
    for above in {"", *(above for path in paths for above in folders_above(path))}:
        entry = objects.entry(tree, f"{above}/.gitignore" if above else ".gitignore")
        if entry is not None and entry.mode & FILE == FILE:
            rules[above] = objects.blob(entry.oid)
    return ignored_by(worktree, rules, paths, scratch)


def ignored_by(worktree: Worktree, rules: Mapping[str, bytes], paths: Collection[str], scratch: str) -> frozenset[str]:
    """Return those of `paths` that rules ignore, given as the `.gitignore` of each folder, and the user's own rules."""
    if not paths:
        return frozenset()
    names = b"".join(map(as_pathspec, paths))
    with tempfile.TemporaryDirectory(prefix="rules-", dir=scratch) as folder:
        for above, content in rules.items():
            check_path(above or ".top", FOLDER)
            os.makedirs(os.path.join(folder, above), exist_ok=True)
            with open(os.path.join(folder, above, ".gitignore"), "wb") as out:
                out.write(content)
        git = worktree.git.with_work_tree(folder).with_environment(GIT_INDEX_FILE=os.path.join(folder, ".no-index"))
        out_lines = git.run("check-ignore", "--no-index", "-z", "--stdin", stdin=names, allowed=(0, 1))
    return frozenset(os.fsdecode(name.removeprefix(b"./")) for name in out_lines.split(b"\0") if name)


def not_given_back(worktree: Worktree, objects: Objects, tree: str, scratch: str) -> dict[str, str]:
    """Return, by path, a blob with the exact bytes of each file that a checkout of `tree` would not reproduce.

    `tree` is what `git add` makes of the current files. The blobs are in the store. `scratch`: a folder. A file that
    Git does not look at here is left out: no checkout touches it.
    """
    if not any_rules(worktree, objects, tree):
        return {}
    hidden = marks_of(worktree).hidden
    files = ((path, entry.oid) for path, entry in objects.walk(tree) if entry.mode & FILE == FILE)
    entries = {path: oid for path, oid in files if path not in hidden}
    plain_endings = worktree.config("core.autocrlf") != "true" and not worktree.config("core.eol")
    unsure: list[tuple[str, str]] = []
    exact: dict[str, str] = {}
    with RootDir(worktree.root) as ground:
        for path, attributes in _converted(worktree, worktree.git, list(entries)).items():
            if attributes.get("filter") in LOSSLESS:
                continue
            if attributes.keys() <= {"text", "crlf"} and plain_endings and os.linesep == "\n":
                # Only a removed carriage return makes a difference, and then the size differs.
                status = ground.status(path)
                if status is not None and status.st_size != objects.size(entries[path]):
                    exact |= _recorded(ground, objects, path, None)
            else:
                unsure.append((entries[path], path))
        if unsure:
            with tempfile.TemporaryDirectory(prefix="checkout-", dir=scratch) as folder:
                usual = Checkout(worktree, objects, tree, [path for _, path in unsure], folder).contents(unsure)
                for (_, path), content in zip(unsure, usual, strict=True):
                    exact |= _recorded(ground, objects, path, content)
    return exact


def _recorded(ground: RootDir, objects: Objects, path: str, usual: bytes | None) -> dict[str, str]:
    """Return a blob with a file's bytes by its path, written to the store, if they differ from the usual ones."""
    standing = ground.read(path)
    if standing is None or standing[0] & FILE != FILE or standing[1] == usual:
        return {}
    return {path: objects.write_blob(standing[1])}


def any_rules(worktree: Worktree, objects: Objects, tree: str) -> bool:
    """Return whether any rule of a tree, or of the user's own, could make a file differ from its blob."""
    if _rules_outside(worktree):
        return True
    pending = [tree]
    while pending:
        entries = objects.tree(pending.pop())
        if ATTRIBUTES_FILE in entries:
            return True
        pending += [entry.oid for entry in entries.values() if entry.mode == FOLDER]
    return False


def _rules_outside(worktree: Worktree) -> bool:
    """Return whether the configuration, or a file outside the tree, has rules for conversions."""
    if worktree.config("core.autocrlf") in ("true", "input") or worktree.config("core.attributesFile"):
        return True
    return any(map(os.path.exists, _usual_files(worktree)))


def outside_rules(worktree: Worktree) -> OutsideRules:
    """Return all that decides which files Git makes of blobs, besides the rules in a tree."""
    named = RuleFiles(worktree).outside(ATTRIBUTES_FILE) if worktree.config("core.attributesFile") else ()
    return worktree.settings(), {path: _content(path) for path in (*_usual_files(worktree), *named)}


def _content(path: str) -> bytes | None:
    try:
        return read_regular(path)
    except OSError:
        return None


def _usual_files(worktree: Worktree) -> tuple[str, ...]:
    """Return the files outside the tree in which Git looks for rules if no setting names another one."""
    environment = worktree.git.child_environment()
    config_home = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", ""), ".config")
    return (
        os.path.join(worktree.common_dir, "info", "attributes"),
        os.path.join(config_home, "git", "attributes"),
        *_system_attributes(environment.get("PATH", "")),
    )


@cache
def _system_attributes(path: str) -> tuple[str, ...]:
    """Return where the git that is found on a PATH may have the rules of the whole system."""
    git = shutil.which("git", path=path)
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(git))) if git is not None else "/usr"
    return "/etc/gitattributes", os.path.join(prefix, "etc", "gitattributes")


def _rules_above(worktree: Worktree, paths: Iterable[str]) -> bool:
    """Return whether a folder on the way to one of some paths has a file of rules."""
    folders = {"", *(above for path in paths for above in folders_above(path))}
    return any(os.path.lexists(os.path.join(worktree.root, folder, ATTRIBUTES_FILE)) for folder in folders)
