"""Output: data on stdout, messages on stderr, colours only on a terminal."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

import typer
from bough_daemon.api import notices
from bough_daemon.api.records import Status, TeammateStatus, Withheld, WorktreeStatus
from bough_daemon.errors import NeedsYes
from bough_daemon.system.plain_record import PlainRecord
from bough_daemon.system.text import SHORT, printable

GB, MB = 1_000_000_000, 1_000_000
KEPT = re.compile("(\x1b\\[(?:[012]|3[123])m|[\n\t])")  # the styles and the layout of Bough's own text


def data(text: str = "") -> None:
    """Print a line of data."""
    typer.echo(harmless(text))


def talk(text: str) -> None:
    """Print a message for the user, on stderr."""
    typer.echo(harmless(text), err=True)


def harmless(text: str) -> str:
    """Return text that a terminal only displays, whatever a teammate or a file name put into it.

    Every line that Bough prints passes through here, so no caller can forget it.
    """
    parts = KEPT.split(text)
    return "".join(part if number % 2 else printable(part) for number, part in enumerate(parts))


def as_json(record: Any) -> None:
    """Print a record as one JSON object on one line."""
    typer.echo(json.dumps(_strict(plain(record)), ensure_ascii=True))


def plain(value: Any) -> Any:
    """Return a record, and those in it, as JSON objects; one of several kinds of records says which it is."""
    names = _fields(value)
    if names:
        fields = {name: plain(getattr(value, name)) for name in names}
        return {"kind": type(value).__name__} | fields if isinstance(value, notices.EITHER) else fields
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _fields(value: Any) -> Sequence[str]:
    """Return the names of the fields of a record, the daemon's or a dataclass; none for another value."""
    if isinstance(value, PlainRecord):
        return value.__struct_fields__
    return [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else ()


def _strict(value: Any) -> Any:
    """Return a value whose texts are all valid: bytes of a name that are not UTF-8 are escaped."""
    if isinstance(value, dict):
        return {_strict(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return printable(value) if isinstance(value, str) and not value.isascii() and not _is_valid(value) else value


def _is_valid(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def short(oid: str) -> str:
    """Return an abbreviated id."""
    return oid[:SHORT]


def shortened(text: str, most: int = 160) -> str:
    """Return a text, shortened in the middle if it is long."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 4 :]}"


def bold(text: str) -> str:
    """Return bold text for a terminal."""
    return typer.style(text, bold=True)


def dim(text: str) -> str:
    """Return dim text for a terminal."""
    return typer.style(text, dim=True)


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size(in_bytes: int) -> str:
    """Return a size in words."""
    if in_bytes >= GB // 10:
        return f"{in_bytes / GB:,.1f} GB"
    return f"{in_bytes / MB:,.0f} MB" if in_bytes >= MB else "under 1 MB"


def waiting(guest: str) -> str:
    """Return a line about a guest about whom the user has yet to decide."""
    return (
        f"{guest} works in your branch and waits for you: `bough guests {guest} fold` lets their edits into your "
        f"files, `bough guests {guest} off` keeps them out"
    )


def kept_here(host: str, rule: str) -> list[str]:
    """Return what a guest is told whose edits the host does not fold."""
    if rule == "ask":
        return [f"your edits wait here until {host} lets them in (`bough guests` there)"]
    return [f"{host} takes no edits of yours into their files: they stay here"] if rule == "off" else []


def not_folded(told: Status) -> list[str]:
    """Return lines about files and branches that are not folded, with the reasons and remedies."""
    lines = [f"nothing of {one.branch} is folded for now: {one.reason}" for one in told.held]
    paused: dict[tuple[str, str], list[str]] = {}
    for file in told.paused:
        paused.setdefault((file.branch, file.reason), []).append(file.path)
    for (branch, reason), paths in paused.items():
        are = "are" if len(paths) > 1 else "is"
        lines.append(
            f"{few(paths)} {are} paused with {branch}: {reason}; it resumes when both versions agree, "
            f"or when one of you runs `bough merge`"
        )
    lines += [
        f"staying on {one.name} is paused: {one.held}; `bough merge {one.name}` resolves it"
        for one in told.stays
        if one.held
    ]
    if told.detached:
        lines.append(f"{few(told.detached)}: edited here, so {told.hopped_to}'s changes to it stay out")
    return lines


def withheld(paths: list[Withheld], most: int = 3) -> list[str]:
    """Return a line for each withheld path; those beyond `most` with the same reason share one."""
    by_reason: dict[str, list[str]] = {}
    for one in paths:
        by_reason.setdefault(one.reason, []).append(one.path)
    lines = []
    for reason, found in by_reason.items():
        shown = [few(found, most)] if len(found) > most else [printable(path) for path in found]
        lines += [f"withheld: {shortened(path)} ({printable(reason)})" for path in shown]
    return lines


def comments(status: Status) -> str:
    """Return the number of comments on the user's branch; empty: no open and no new ones."""
    if not status.comments and not status.new_comments:
        return ""
    new = f", {status.new_comments} new" if status.new_comments else ""
    return f"{count(status.comments, 'open comment')} on your branch{new}; `bough comments` lists them"


def can_ask() -> bool:
    """Return whether there is someone at a terminal to answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agree(question: str, yes: bool, what: str) -> None:
    """Ask before something irreversible; without a terminal, `yes` is required.

    `what`: what needs confirmation. Raises NotPossibleNow, or aborts the command if the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise NeedsYes(f"{what} needs confirmation")
    typer.confirm(harmless(question), abort=True, err=True)


def named(names: list[str]) -> str:
    """Return names joined for a message."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1] if names else "") if part)


def few(words: list[str], most: int = 3) -> str:
    """Return the first words of a list, and how many more there are."""
    return ", ".join(printable(word) for word in words[:most]) + (
        f" and {len(words) - most} more" if len(words) > most else ""
    )


def extent(commits: int, files: list[str], *, more: bool) -> str:
    """Return the numbers of commits and files; `more`: there are more files than named."""
    counted = count(len(files), "file")
    return ", ".join([*([count(commits, "commit")] if commits else []), f"more than {counted}" if more else counted])


def changed(one: TeammateStatus | WorktreeStatus | Status, most: int = 3) -> str:
    """Return what a branch has of its own: commits that have not landed, and files, or else uncommitted changes."""
    would = one.would_land
    if would is not None and would.commits:
        said, files = extent(would.commits, would.files, more=would.more_files), would.files
    else:
        said, files = extent(0, one.files, more=one.more_files), one.files
        if not files:
            return "no changes"
    return f"{said}: {few(files, most)}" if files else said
