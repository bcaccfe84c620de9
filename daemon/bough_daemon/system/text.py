"""Names, ids and reasons as a sentence for a person may hold them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence

LONGEST_SHOWN = 60  # characters of a command line in a sentence
SHORT = 10  # characters of an id that people see
COMMITS_NAMED = 20  # of others, that a landing takes in
NAMED = 5  # paths that a sentence names
LONGEST_REASON = 300  # characters
ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\033"}


def printable(text: str) -> str:
    """Return a name as a terminal may show it: control characters and bytes that are no UTF-8 are written out."""
    return "".join(letter if letter.isprintable() else _written_out(letter) for letter in text)


def shell_word(text: str) -> str:
    """Return a name as a shell takes it, in printable characters (`$'…'` where there are others)."""
    if text.isprintable():
        return shlex.quote(text)
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{printable(quoted)}'"


def shown(arguments: Sequence[str]) -> str:
    """Return a command line as a sentence may have it."""
    text = " ".join(map(shell_word, arguments))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def first_few(paths: Sequence[str]) -> str:
    """Return the first few paths, as a sentence names them."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(map(printable, paths[:NAMED])) + more


def commits_by(by: str, commits: int, files: Sequence[str]) -> str:
    """Return how many commits somebody made, and of which files."""
    counted = f"{commits} commit{'s' if commits != 1 else ''} by {by}"
    return f"{counted} ({first_few(files)})" if files else counted


def taken_in(by: str, commits: Sequence[tuple[str, str]], files: Sequence[str]) -> list[str]:
    """Return what a landing takes in of somebody else's, as lines. `commits`: id and title of each."""
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
    """Return how long something takes, to the minute and in a unit that it has at least two of: `24 hours`."""
    minutes = max(1, round(seconds / 60))
    size, unit = next((one for one in ((1440, "day"), (60, "hour")) if minutes >= 2 * one[0]), (1, "minute"))
    count = round(minutes / size)
    return f"{count} {unit}{'s' if count > 1 else ''}"


def bounded(reason: str) -> str:
    """Return somebody else's words as they may be kept, sent and shown: one line, at most LONGEST_REASON characters."""
    line = printable(" ".join(reason.split()))
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def _written_out(letter: str) -> str:
    octal = "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", "surrogateescape"))
    return ESCAPES.get(letter, octal)
