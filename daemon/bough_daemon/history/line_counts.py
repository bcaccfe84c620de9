"""Count the lines of files, to find what was lost between two versions, wherever in the file it was."""

from __future__ import annotations

from collections import Counter

from bough_merge.text.lines import merge_lines
from bough_merge.text.text import is_binary

from bough_daemon.git.objects import FILE, Objects, TreeEntry

LIMIT_BYTES = 4_000_000  # limit for comparing a file line by line; a larger one counts as one line
WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") | frozenset(range(128, 256))

Lines = Counter[bytes]


def lines_at(objects: Objects, entry: TreeEntry | None) -> Lines:
    """Return the lines of a file."""
    return lines_in(content_at(objects, entry))


def lines_in(content: bytes) -> Lines:
    """Return how often a text has each meaningful line: blank lines and lone brackets do not count."""
    stripped = (line.strip() for line in content.splitlines())
    return Lines(line for line in stripped if any(letter in WORD for letter in line))


def content_at(objects: Objects, entry: TreeEntry | None) -> bytes:
    """Return a file's text; for one that is not text, too large or not here, a line that names it."""
    if entry is None:
        return b""
    text = text_at(objects, entry)
    return text if text is not None else entry.oid.encode()


def text_at(objects: Objects, entry: TreeEntry) -> bytes | None:
    """Return the content of a file, or None if it is not text, not here, or too large to compare by lines."""
    if entry.mode & FILE != FILE or not objects.exists(entry.oid) or objects.size(entry.oid) > LIMIT_BYTES:
        return None
    content = objects.blob(entry.oid)
    return None if is_binary(content) else content


def merged_cleanly(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Return the line merge of three texts, or None if it conflicts."""
    parts = merge_lines(base, ours, theirs)
    clean = [part for part in parts if isinstance(part, bytes)]
    return b"".join(clean) if len(clean) == len(parts) else None


def keeps_nothing(objects: Objects, before: TreeEntry | None, after: TreeEntry | None, now: TreeEntry | None) -> bool:
    """Return whether a file has none of the lines added between two versions, and all of the removed ones."""
    old, new, lines = lines_at(objects, before), lines_at(objects, after), lines_at(objects, now)
    added, removed = new - old, old - new
    return bool(added or removed) and not (lines & added) and not (removed - lines)
