"""Format names, ids and reasons for messages."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence

LONGEST_SHOWN = 60  # characters of a command line in a message
SHORT = 10  # characters of an id that people see
COMMITS_NAMED = 20  # of others' commits in a landing
NAMED = 5  # paths that a message names
LONGEST_REASON = 300  # characters
ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\033"}


def printable(text: str) -> str:
    """Return a name for a terminal: control characters and bytes that are not UTF-8 are escaped."""
    return "".join(letter if letter.isprintable() else _written_out(letter) for letter in text)


def shell_word(text: str) -> str:
    """Return a name quoted for a shell, in printable characters (`$'…'` if necessary)."""
    if text.isprintable():
        return shlex.quote(text)
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{printable(quoted)}'"


def shown(arguments: Sequence[str]) -> str:
    """Return a command line for a message, shortened if it is long."""
    text = " ".join(map(shell_word, arguments))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def first_few(paths: Sequence[str]) -> str:
    """Return the first few paths, for a message."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(map(printable, paths[:NAMED])) + more


def commits_by(by: str, commits: int, files: Sequence[str]) -> str:
    """Return a phrase with the number of commits by someone, and their files."""
    counted = f"{commits} commit{'s' if commits != 1 else ''} by {by}"
    return f"{counted} ({first_few(files)})" if files else counted


def taken_in(by: str, commits: Sequence[tuple[str, str]], files: Sequence[str]) -> list[str]:
    """Return lines about someone else's commits that come with a landing. `commits`: id and title of each."""
    lines = [f"  {oid[:SHORT]} {printable(title)}" for oid, title in commits[:COMMITS_NAMED]]
    more = len(commits) - COMMITS_NAMED
    return [f"Takes in {commits_by(by, len(commits), files)}:", *lines, *([f"  and {more} more"] if more > 0 else [])]


def ago(at: float) -> str:
    """Return how long ago a moment was, in words."""
    seconds = max(0, int(time.time() - at))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now" if seconds < 2 else f"{seconds} seconds ago"


def in_words(seconds: float) -> str:
    """Return a duration in words, to the minute and in a unit of which there are at least two: `24 hours`."""
    minutes = max(1, round(seconds / 60))
    size, unit = next((one for one in ((1440, "day"), (60, "hour")) if minutes >= 2 * one[0]), (1, "minute"))
    count = round(minutes / size)
    return f"{count} {unit}{'s' if count > 1 else ''}"


def bounded(reason: str) -> str:
    """Return someone else's text as it may be kept, sent and shown: one line, at most LONGEST_REASON characters."""
    line = printable(" ".join(reason.split()))
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def _written_out(letter: str) -> str:
    octal = "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", "surrogateescape"))
    return ESCAPES.get(letter, octal)
