"""`bough merge-file`: merge three versions of one file, without a repository or a daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from bough_daemon.errors import BadUsage
from bough_daemon.git.repository_settings import table_on_disk

from bough_cli.failure import CONFLICTS

if TYPE_CHECKING:
    from bough_merge import MergeResult, MergeSettings


def merge_file(
    base: Annotated[Path, typer.Argument(help="The common ancestor; an empty file if there is none.")],
    ours: Annotated[Path, typer.Argument(help="Our version.")],
    theirs: Annotated[Path, typer.Argument(help="Their version.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of to stdout.")] = None,
    path: Annotated[str, typer.Option(help="File name that determines the language (default: the name of OURS).")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print how it was merged as one JSON object.")] = False,
) -> None:
    """Merge three versions of a file by what its language means."""
    from bough_merge import merge_file as merge  # help needs no engine

    contents = [read(side) for side in (base, ours, theirs)]
    name = path or ours.name
    labels = (str(ours), str(base), str(theirs))
    result = merge(contents[0], contents[1], contents[2], name, labels=labels, settings=settings_in(Path.cwd()))
    if output is not None:
        output.write_bytes(result.content)
    elif not as_json:
        sys.stdout.buffer.write(result.content)
    if as_json:
        print(json.dumps(described(name, result), ensure_ascii=False))
    for line in spoken(name, result):
        print(line, file=sys.stderr)
    if not result.clean:
        raise typer.Exit(CONFLICTS)


def read(path: Path) -> bytes:
    """Return a file's bytes, or raise BadUsage."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadUsage(f"{path} cannot be read: {error.strerror}") from error


def settings_in(folder: Path) -> MergeSettings:
    """Return the `[merge]` settings of the `.bough.toml` in a folder; the defaults if there is none."""
    from bough_merge import MergeSettings, SettingsError

    try:
        return MergeSettings.parsed(table_on_disk(str(folder), "merge"))
    except SettingsError as error:
        raise BadUsage(".bough.toml cannot be used") from error


def described(name: str, result: MergeResult) -> dict[str, object]:
    """Return a result as the stable keys that `--json` prints."""
    return {
        "path": name,
        "result": "clean" if result.clean else "conflict",
        "method": str(result.method),
        "conflicts": [
            {"line": item.line, "where": item.where, "ours": item.ours, "theirs": item.theirs, "reason": item.reason}
            for item in result.conflicts
        ],
        "findings": [{"kind": item.kind, "line": item.line, "message": item.message} for item in result.findings],
    }


def spoken(name: str, result: MergeResult) -> list[str]:
    """Describe what a person must review, one line each."""
    lines = []
    for item in result.conflicts:
        place = f"{name}:{item.line}" + (f" in {item.where}" if item.where else "")
        reason = f" ({item.reason})" if item.reason else ""
        lines.append(f"{place}: ours {item.ours}; theirs {item.theirs}{reason}")
    return lines + [f"{name}:{item.line}: {item.message}" for item in result.findings]
