"""How far an answer goes: to the end of its line, or of the block that starts there."""

from __future__ import annotations

from bough_completion.text.indentation import indent_of, last_line

_CLOSERS = ")]}"
# Characters before the cursor that are looked at.
_WINDOW = 10_000


def extent(text: str, prefix: str, max_lines: int) -> tuple[str, bool]:
    """Return the part of `text`, written after `prefix`, that belongs to one answer, and whether it is complete.

    It is the rest of the line and, if that line starts a block, or is the first of one, the block's other lines: at
    most `max_lines` in all. `text` may end anywhere, even in the middle of a line.
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
    """Return the indentation of a line, a tab as eight blanks."""
    return len(indent_of(line).expandtabs(8))
