"""How far an answer goes: to the end of its line, or of the block that begins there."""

from __future__ import annotations

from bough_completion.text.indentation import indent_of, last_line

_CLOSERS = ")]}"
_WINDOW = 10_000
"""Characters before the cursor that are looked at."""


def extent(text: str, prefix: str, max_lines: int) -> tuple[str, bool]:
    """Return what of `text`, written after `prefix`, belongs to one answer, and whether no more of it can come.

    It is the rest of the line, and where that line begins a block, or is the first of one, the block's other lines:
    `max_lines` in all at the most. `text` may end anywhere, in the middle of a line too.
    """
    above, _, typed = prefix[-_WINDOW:].rpartition("\n")
    lines = text.split("\n")
    first = indent_of(typed + lines[0])
    least = first if _depth(last_line(above)) < _depth(first) and not typed.strip() else first + " "
    kept = 1
    for number, line in enumerate(lines[1:max_lines], 1):
        is_cut = number == len(lines) - 1
        if not line.strip():
            if not is_cut and not lines[number - 1].strip():
                return _joined(lines[:kept]), True
            continue
        if _depth(line) >= _depth(least):
            kept = number + 1
        elif _is_closing(line) and _depth(line) == _depth(first):
            return _joined(lines[: number + 1]), not is_cut
        else:
            return _joined(lines[:kept]), True
    return _joined(lines[:kept]), len(lines) > max_lines


def _is_closing(line: str) -> bool:
    return line.lstrip()[0] in _CLOSERS and not any(map(str.isalnum, line))


def _joined(lines: list[str]) -> str:
    return "\n".join(lines)


def _depth(line: str) -> int:
    """Return how far a line is indented, a tab as eight blanks."""
    return len(indent_of(line).expandtabs(8))
