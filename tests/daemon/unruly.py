"""A seeded user who does anything to a working tree: what editors, build tools and Git's own commands do to it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

NAMES = [
    *("a.txt", "b.txt", "A.txt", "c.log", "keep.log", "d", "sub", "Sub", "deep", "build", "x.bin", "x.up", "dos.dos"),
    *("with space", "-dash", '"quoted', "tab\tbed", "new\nline", "back\\slash", ":colon", "star*", "end\r", "ümlaut"),
    *(".env", "id_rsa", ".gitmodules~", "CON", "#hash", "!bang", "[bracket]"),
    os.fsdecode(b"\xff\xfe"),
]
IGNORES = ["*.log\n", "build/\n", "!keep.log\n", "/sub\n", "deep/*\n!deep/a.txt\n", "", "*.bin\n", "d\n", "\\!bang\n"]
ATTRIBUTES = [
    *("", "* text=auto\n", "*.txt text eol=crlf\n", "*.txt -text\n", "*.txt ident\n", "* -text\n"),
    *("*.txt text\n", "*.up filter=up\n", "*.dos eol=crlf\n", "* text=auto\n*.bin binary\n", "*.txt !text crlf\n"),
]
SETTINGS = [
    *(("core.autocrlf", "true"), ("core.autocrlf", "input"), ("core.autocrlf", "false"), ("core.safecrlf", "false")),
    *(("core.fileMode", "false"), ("core.fileMode", "true"), ("core.untrackedCache", "true"), ("status.short", "true")),
]
CONTENTS = [b"", b"one\n", b"one\ntwo\n", b"one\r\ntwo\r\n", b"no end", b"\0\1\2", b"$Id$\n", b"mixed\r\nends\n", b"\r"]


class Unruly:
    """Do random things to the working tree at `root`; the same seed does the same things.

    `done`: what was done, for the message of a failing test.
    """

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.root = root
        self.chance = chance
        self.done: list[str] = []
        self._count = 0
        self._deeds: list[tuple[int, Callable[[], object]]] = [
            (12, self.write),
            (4, self.append),
            (3, self.write_beside_and_rename),
            (3, self.overwrite_with_the_same_size_and_time),
            (4, self.delete),
            (5, self.rename),
            (2, self.make_executable),
            (3, self.link),
            (1, self.hard_link),
            (2, self.rename_by_case),
            (3, self.change_ignores),
            (2, self.change_attributes),
            (2, self.change_settings),
            (2, self.nest),
            (1, self.unnest),
            (8, self.git),
        ]

    def act(self, times: int) -> None:
        """Do `times` things, each if it is possible."""
        deeds = [deed for _, deed in self._deeds]
        weights = [weight for weight, _ in self._deeds]
        for _ in range(times):
            deed = self.chance.choices(deeds, weights)[0]
            self.done.append(deed.__name__)
            try:
                deed()
            except OSError as impossible:
                self.done[-1] += f" [{impossible.strerror}]"

    def _say(self, *words: object) -> None:
        self.done[-1] += " " + " ".join(map(repr, words))

    def _content(self) -> bytes:
        self._count += 1
        return self.chance.choice([*CONTENTS, b"number %d\n" % self._count, b"dos %d\r\n" % self._count])

    def _new(self) -> Path:
        parts = self.chance.choices(NAMES, k=self.chance.choice([1, 1, 2, 2, 3]))
        return self.root.joinpath(*parts)

    def _all(self) -> list[Path]:
        """Return every path below the root, Git's own folders apart."""
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if name != ".git")
            found += [Path(folder, name) for name in [*folders, *sorted(names)] if name != ".git"]
        return found

    def _some(self) -> Path:
        """Return a path that exists, where there is one."""
        found = self._all()
        return self.chance.choice(found) if found else self._new()

    def write(self) -> None:
        path = self.chance.choice([self._new, self._some])()
        self._say(path.relative_to(self.root))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._content())

    def append(self) -> None:
        path = self._some()
        self._say(path.relative_to(self.root))
        for _ in range(self.chance.randrange(1, 4)):
            with path.open("ab") as out:
                out.write(self._content())

    def write_beside_and_rename(self) -> None:
        path = self._some()
        self._say(path.relative_to(self.root))
        beside = path.with_name("4913~")
        beside.write_bytes(self._content())
        beside.rename(path)

    def overwrite_with_the_same_size_and_time(self) -> None:
        path = self._some()
        self._say(path.relative_to(self.root))
        status = path.stat()
        with path.open("r+b") as out:
            out.write(bytes(self.chance.choices(b"abc", k=status.st_size)))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def delete(self) -> None:
        path = self._some()
        self._say(path.relative_to(self.root))
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def rename(self) -> None:
        path, target = self._some(), self.chance.choice([self._new, self._some])()
        self._say(path.relative_to(self.root), target.relative_to(self.root))
        path.rename(target)

    def rename_by_case(self) -> None:
        path = self._some()
        self._say(path.relative_to(self.root))
        path.rename(path.with_name(path.name.swapcase()))

    def make_executable(self) -> None:
        path = self._some()
        self._say(path.relative_to(self.root))
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode ^ 0o111)

    def link(self) -> None:
        path, target = self._new(), self.chance.choice(["a.txt", "sub", "../sub", "nowhere", "/etc/hostname", "."])
        self._say(path.relative_to(self.root), target)
        path.symlink_to(target)

    def hard_link(self) -> None:
        path, target = self._some(), self._new()
        self._say(path.relative_to(self.root), target.relative_to(self.root))
        target.hardlink_to(path)

    def change_ignores(self) -> None:
        chosen = [".gitignore", ".gitignore", "sub/.gitignore", "deep/.gitignore", ".git/info/exclude"]
        self._rules(self.chance.choice(chosen), IGNORES)

    def change_attributes(self) -> None:
        self._rules(self.chance.choice([".gitattributes", "sub/.gitattributes", ".git/info/attributes"]), ATTRIBUTES)

    def _rules(self, name: str, lines: list[str]) -> None:
        rules = "".join(self.chance.sample(lines, 2))
        self._say(name, rules)
        (self.root / name).write_text(rules)

    def change_settings(self) -> None:
        self._git("config", *self.chance.choice(SETTINGS))

    def nest(self) -> None:
        """Make a repository inside, or commit once more in one."""
        path = self.chance.choice([self._new, self._some])()
        self._say(path.relative_to(self.root))
        path.mkdir(parents=True, exist_ok=True)
        if not (path / ".git").exists():
            self._git("init", "-q", where=path)
        self._git("commit", "-q", "--allow-empty", "-m", "inside", where=path)

    def unnest(self) -> None:
        """Make a repository inside a plain folder again."""
        inner = [path / ".git" for path in self._all() if (path / ".git").exists() and not path.is_symlink()]
        if inner:
            shutil.rmtree(self.chance.choice(inner))

    def git(self) -> None:
        """Type a git command; that it may fail is part of it."""
        path = str(self._some().relative_to(self.root))
        words = self.chance.choice(
            [
                *(["add", "-A"], ["add", "-f", "--", path], ["add", "-N", "--", path], ["add", "-u"]),
                *(["rm", "-rq", "--cached", "--", path], ["rm", "-rqf", "--", path], ["reset", "-q", "--", path]),
                *(["commit", "-qam", "all"], ["commit", "-qm", "staged"], ["commit", "-q", "--amend", "-C", "HEAD"]),
                *(["checkout", "-q", "--", path], ["reset", "-q", "--hard"], ["reset", "-q", "HEAD~1"]),
                *(["stash", "-q"], ["stash", "push", "-qu"], ["stash", "pop", "-q"], ["clean", "-fdq"]),
                *(["switch", "-qc", f"topic-{self._count}"], ["switch", "-q", "main"], ["switch", "-q", "-"]),
                *(["merge", "-q", "-"], ["merge", "--abort"], ["rebase", "-q", "main"], ["rebase", "--abort"]),
                *(["update-index", f"--{self.chance.choice(['', 'no-'])}assume-unchanged", path],),
                *(["update-index", f"--{self.chance.choice(['', 'no-'])}skip-worktree", path],),
                *(["update-index", "--chmod=+x", path], ["update-index", "--refresh", "-q"], ["mv", path, "moved.txt"]),
                *(["sparse-checkout", "set", "sub"], ["sparse-checkout", "disable"]),
                *(["update-index", "--split-index"], ["update-index", "--no-split-index"]),
                *(["gc", "-q", "--prune=now"], ["pack-refs", "--all"], ["status"], ["add", "--renormalize", "."]),
            ]
        )
        self._git(*words)

    def _git(self, *words: str, where: Path | None = None) -> None:
        done = subprocess.run(
            ["git", "-c", "gc.auto=0", "-c", "protocol.file.allow=always", *words],
            cwd=where or self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(os.environ) | {"GIT_EDITOR": "true"},
            check=False,
        )
        self._say(*words, done.returncode)
