"""`bough merge-tool install`: make stock Git merge by meaning, or take that back."""

from __future__ import annotations

import os
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from bough_daemon.errors import NotPossibleNow

LINE = "* merge=bough"
DRIVER = {
    "merge.bough.name": "merge by meaning",
    "merge.bough.driver": "bough merge-driver %O %A %B %L %P",
}


class Action(StrEnum):
    """What can be done with the merge tool."""

    INSTALL = "install"


def merge_tool(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    everywhere: Annotated[
        bool, typer.Option("--global", help="For every repository of yours, not only this one.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take back what installing wrote.")] = False,
) -> None:
    """Install Bough as the merge driver of stock Git."""
    del action
    scope = "--global" if everywhere else "--local"
    attributes = _attributes(everywhere)
    for line in _removed(scope, attributes) if remove else _installed(scope, attributes):
        print(line)


def _installed(scope: str, attributes: Path) -> list[str]:
    said = []
    for key, value in DRIVER.items():
        _git("config", scope, key, value)
        said.append(f"{key} = {value} ({scope[2:]} config)")
    lines = _lines(attributes)
    if LINE not in lines:
        attributes.parent.mkdir(parents=True, exist_ok=True)
        attributes.write_text("\n".join([*lines, LINE]) + "\n", encoding="utf-8")
    said.append(f"{LINE} in {attributes}")
    return said


def _removed(scope: str, attributes: Path) -> list[str]:
    said = []
    if _git("config", scope, "--get", "merge.bough.driver", may_fail=True):
        _git("config", scope, "--remove-section", "merge.bough")
        said.append(f"merge.bough is gone from the {scope[2:]} config")
    lines = _lines(attributes)
    if LINE in lines:
        kept = [line for line in lines if line != LINE]
        if kept:
            attributes.write_text("\n".join(kept) + "\n", encoding="utf-8")
        else:
            attributes.unlink()
        said.append(f"{LINE} is gone from {attributes}")
    return said or ["Nothing was installed here."]


def _attributes(everywhere: bool) -> Path:
    """Return the file in which Git looks for attributes that no commit holds."""
    if not everywhere:
        return Path(_git("rev-parse", "--path-format=absolute", "--git-path", "info/attributes"))
    named = _git("config", "--global", "--type=path", "--get", "core.attributesFile", may_fail=True)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(named) if named else home / "git" / "attributes"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _git(*arguments: str, may_fail: bool = False) -> str:
    """Run git and return what it prints; where it must not fail, its failure ends the command."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        raise NotPossibleNow(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip() if not done.returncode else ""
