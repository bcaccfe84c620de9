"""What the files of a repository say, which any teammate may have written: settings, rules, the index."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

from bough_daemon.commands.shared_branch import _settings
from bough_daemon.errors import BadUsage, GitFailed
from bough_daemon.git import index
from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.git.repository_settings import table_in
from bough_daemon.git.rule_files import RuleFiles
from bough_daemon.git.rules import Attributes, Ignores, IndexReader
from bough_daemon.merging.merge_process import _merged
from bough_daemon.merging.worker_wire import Job, read_job, write_job
from bough_daemon.privacy.former_rules import FormerRules

from tests.daemon.moves_support import desk
from tests.daemon.support import git
from tests.fuzz.target import Trial, target

SETTINGS = b"""
[land]
branch = "main"
remote = "origin"
[merge]
limit_bytes = 1000
limit_nodes = 10
ordered = ["legacy/**"]
[merge.languages.starlark]
like = "python"
paths = [".bzl", "a.txt"]
free = [{ group = "calls", kind = "call", container = "module", text = "x" }]
[merge.languages.own]
grammar = "json"
paths = [".own"]
joins = { a = "," }
marks = { a = "b" }
record_key = "id"
told = [["a", "b"]]
"""
FOLDERS = ("", "dir/")
PATHS = ["a.txt", "x.o", "dir/b.txt", "d ü/x", ":(top)a", "!x", "\\a", "*"]
RULES = [b"*.o\n!x.o\n/dir/\n", b"**/x\n\\#a\n[a-\n[[:x:]]\n", b"a.txt text eol=crlf working-tree-encoding=UTF-16\n"]
RULE_WORDS = [
    b"!",
    b"**",
    b"[",
    b"\\",
    b"\n",
    b"/",
    b"\0",
    b"filter=x",
    b"-text",
    b"text=auto",
    b"ident",
    b"\xff",
    b"\xef\xbb\xbf",
]


@target(BadUsage, short=20)
def bough_toml(folder: Path) -> Iterator[Trial]:
    """Read `.bough.toml` as a landing and as a merge do; what it says of merges goes on to a worker."""
    with desk(folder / "r") as here:

        def attempt(data: bytes) -> None:
            (here.root / ".bough.toml").write_bytes(data)
            _settings(here.worktree)
            table, wire = table_in(data, "merge"), io.BytesIO()
            side = dict.fromkeys(("a.txt", "b.own"), b"a = 1\n")
            write_job(wire, Job(side, side, {"a.txt": b"a = 2\n", "b.own": b"[1]\n"}, table))
            wire.seek(0)
            if isinstance(wrong := _merged(read_job(wire)), str):
                raise BadUsage(wrong)

        words = [
            b"like",
            b"free",
            b"told",
            b"= 1",
            b"= []",
            b"= {}",
            b'= ""',
            b"= 1979-05-27",
            b"= nan",
            b"[merge]",
            b'"json"',
        ]
        yield Trial(
            attempt,
            [SETTINGS, b'[land]\nbranch = "main"\n', b"[merge]\nlimit_bytes = 1\n", b"[merge]\nlanguages = 1\n"],
            words,
        )


@target(GitFailed, BadUsage, short=12)
def rules(folder: Path) -> Iterator[Trial]:
    """Ask Git about paths under ignore and attribute rules of any bytes, and about rules that were weakened."""
    with desk(folder / "r") as here:
        rule_files = RuleFiles(here.worktree)
        reader = IndexReader(here.worktree, str(folder / "index"), rule_files)
        reader.changed()
        ignores, attributes = Ignores(here.worktree, rule_files), Attributes(here.worktree, reader)
        objects = here.store.objects
        head = objects.commit(git(here.root, "rev-parse", "HEAD")).tree

        def attempt(data: bytes) -> None:
            for name in (".gitignore", ".gitattributes"):
                (here.root / name).write_bytes(data)
            ignores.forget()
            attributes.forget()
            assert len(ignores.answers(PATHS)) == len(PATHS)
            for path in PATHS[:2]:
                attributes.conversion(path)
            kept = folder / "rules.json"
            kept.unlink(missing_ok=True)
            former = FormerRules(here.worktree, objects, str(kept), str(folder))
            former.note(_tree_with(here.store.objects, head, data), head, "bob")
            former.covers(PATHS)
            assert bool(FormerRules(here.worktree, objects, str(kept), str(folder))) == bool(former)

        try:
            yield Trial(attempt, RULES, RULE_WORDS)
        finally:
            ignores.forget()
            attributes.forget()


def _tree_with(objects: Objects, tree: str, data: bytes) -> str:
    blob = objects.write_blob(data)
    return objects.splice(tree, {f"{above}.gitignore": TreeEntry(0o100644, blob) for above in FOLDERS})


def _sealed(data: bytes) -> bytes:
    return data + hashlib.sha1(data).digest()


@target(GitFailed, short=12)
def index_file(folder: Path) -> Iterator[Trial]:
    """Read an index with a right checksum and any content, as recording and as a hop do."""
    with desk(folder / "r") as here:
        root = here.root
        (root / "staged.txt").write_bytes(b"staged\n")
        git(root, "add", "staged.txt")
        path, head = root / ".git/index", git(root, "rev-parse", "HEAD")
        seeds = [path.read_bytes()[:-20]]
        git(root, "write-tree")
        seeds.append(path.read_bytes()[:-20])

        def attempt(data: bytes) -> None:
            path.write_bytes(_sealed(data))
            reader = IndexReader(here.worktree, str(folder / "good"), RuleFiles(here.worktree))
            reader.changed()
            index.named_beyond(here.worktree, here.store.objects, head)
            index.unmerged_paths(here.worktree)
            index.staged(here.worktree)

        yield Trial(attempt, seeds, [b"TREE", b"REUC", b"link", b"\0\0\0\4", bytes(20)])


@target(short=1000)
def index_extensions(folder: Path) -> Iterator[Trial]:
    """Read the extensions of an index, which Git leaves out where they say nothing."""
    with desk(folder / "r") as here:
        git(here.root, "write-tree")
        right = (here.root / ".git/index").read_bytes()[:-20]
    blob = bytes(range(20))
    reuc = b"a.txt\0100644\0100644\0" + b"0\0" + blob * 2
    body = right + b"REUC" + len(reuc).to_bytes(4, "big") + reuc
    cached = b"\x003 1\n" + blob + b"d\0-1 0\n"

    def attempt(data: bytes) -> None:
        whole = _sealed(data[1:])
        trees, resolved = (
            index._extension(whole, name) if data[:1] == b"\0" else data[1:] for name in (b"TREE", b"REUC")
        )
        for path, oid in index._readable(index._cached_trees(trees)):
            assert os.fsencode(path) is not None and len(oid) == 40
        assert all(len(oid) == 40 for oid in index._readable(index._resolved(resolved)))

    yield Trial(
        attempt,
        [b"\0" + body, b"\1" + cached, b"\1" + reuc],
        [b"TREE", b"REUC", b"\0", b"-1 0\n", json.dumps(1).encode()],
    )
