"""The member's recent changes, file by file."""

from __future__ import annotations

from collections.abc import Iterator

_FILES = 6
# Lines kept around a change.
_AROUND = 2
# Lines of one change at most.
_LINES = 24


class RecentEdits:
    """The newest change of each recently changed file."""

    def __init__(self) -> None:
        self._changes: dict[str, str] = {}

    def see(self, path: str, before: str, now: str) -> None:
        """Record that a file was changed."""
        text = changed(before, now)
        if text.strip():
            self._changes.pop(path, None)
            self._changes[path] = text
            if len(self._changes) > _FILES:
                del self._changes[next(iter(self._changes))]

    def others(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield path and changed lines of every file except `path`, newest first."""
        yield from ((other, text) for other, text in reversed(self._changes.items()) if other != path)


def changed(before: str, now: str) -> str:
    """Return the lines of `now` from the first to the last that differs, with a few around them; "" if none does."""
    old, new = before.split("\n"), now.split("\n")
    most = min(len(old), len(new))
    start = next((at for at in range(most) if old[at] != new[at]), most)
    if start == len(old) == len(new):
        return ""
    end = next((at for at in range(most - start) if old[-1 - at] != new[-1 - at]), most - start)
    last = min(len(new) - end + _AROUND, len(new))
    return "\n".join(new[max(0, start - _AROUND) : last][:_LINES])
