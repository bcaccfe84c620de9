"""`bough merge-tool`: make stock Git merge by meaning, or restore its own merge."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from bough_daemon.errors import NotPossibleNow
from bough_daemon.system.durable import write_whole

LINE = b"* merge=bough"
SECTION = "merge.bough"
# What Git passes to a shell. A missing or failing program must not leave our version as the result of the merge: then
# Git's own merge writes its markers.
DRIVER = (
    'b={program}; [ -x "$b" ] || b=bough; '
    '"$b" merge-driver --conflict-code 3 -- %O %A %B %L %P; case $? in 0) exit 0;; 3) exit 1;; esac; '
    'echo "$b did not merge "%P": Git merges its lines" >&2; '
    "git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B || exit 1"
)


class Action(StrEnum):
    """The actions of the merge tool."""

    INSTALL = "install"
    UNINSTALL = "uninstall"


def merge_tool(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    everywhere: Annotated[bool, typer.Option("--global", help="For all your repositories, not only this one.")] = False,
    remove: Annotated[bool, typer.Option("--remove", hidden=True)] = False,
) -> None:
    """Make Bough the merge driver of stock Git, or remove it."""
    scope = "--global" if everywhere else "--local"
    if remove or action is Action.UNINSTALL:
        said = uninstalled(scope) or ["Nothing was installed here."]
    else:
        said = _installed(scope)
    for line in said:
        print(line)


def uninstalled(scope: str) -> list[str]:
    """Remove exactly what the installation wrote for a scope (`--local`, `--global`), and return it."""
    said = []
    for key in ("name", "driver"):
        if _git("config", scope, "--get", f"{SECTION}.{key}", may_fail=True):
            _git("config", scope, "--unset-all", f"{SECTION}.{key}")
            said = [f"{SECTION} is gone from the {scope[2:]} config"]
    attributes = _attributes(scope)
    lines = _lines(attributes)
    if LINE in map(bytes.strip, lines):
        kept = b"".join(line for line in lines if line.strip() != LINE)
        if kept:
            _write(attributes, kept)
        else:
            attributes.unlink()
        said.append(f"{LINE.decode()} is gone from {attributes}")
    return said


def _installed(scope: str) -> list[str]:
    values = {"name": "merge by meaning", "driver": DRIVER.format(program=shlex.quote(_program()).replace("%", "%%"))}
    for key, value in values.items():
        _git("config", scope, f"{SECTION}.{key}", value)
    attributes = _attributes(scope)
    lines = _lines(attributes)
    if LINE not in map(bytes.strip, lines):
        attributes.parent.mkdir(parents=True, exist_ok=True)
        _write(attributes, b"".join([LINE + b"\n", *lines]))  # first, so that the user's own attributes take precedence
    return [
        *(f"{SECTION}.{key} = {value} ({scope[2:]} config)" for key, value in values.items()),
        f"{LINE.decode()} in {attributes}",
    ]


def _program() -> str:
    """Return the path of this program as it was called: a symlink outlives its target."""
    typed = shutil.which(sys.argv[0]) or ""
    beside = os.path.join(os.path.dirname(sys.executable), "bough")
    named = [path for path in (typed, beside) if os.path.basename(path) == "bough" and os.access(path, os.X_OK)]
    return os.path.abspath(named[0]) if named else shutil.which("bough") or "bough"


def _attributes(scope: str) -> Path:
    """Return the file in which Git looks for attributes that no commit holds."""
    if scope == "--local":
        return Path(_git("rev-parse", "--path-format=absolute", "--git-path", "info/attributes"))
    named = _git("config", "--global", "--type=path", "--get", "core.attributesFile", may_fail=True)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(named) if named else home / "git" / "attributes"


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def _write(path: Path, data: bytes) -> None:
    """Replace a file of the user's atomically, keeping its permissions; through a symlink if it is one."""
    path.touch()
    there = os.path.realpath(path)
    mode = os.stat(there).st_mode & 0o7777
    write_whole(there, data)
    os.chmod(there, mode)


def _git(*arguments: str, may_fail: bool = False) -> str:
    """Run git and return its output; unless `may_fail`, a failure ends the command."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        raise NotPossibleNow(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip() if not done.returncode else ""
