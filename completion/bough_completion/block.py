"""Lines that belong together: what stands deeper than the line that begins it, and the bracket that closes it."""

from __future__ import annotations

import re
from collections import Counter

from bough_completion.search import Line, Search
from bough_completion.tokens import BOUNDARY, DEEPER, SHALLOWER
from bough_completion.vote import REACH

_LEAST_CHANCE = 0.3
"""A further line is less likely than this: the block ends before it."""
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


def with_block(search: Search, first: Line, prefix: str, max_lines: int) -> Line:
    """Return a line with the block that it begins, `max_lines` lines in all at the most; the line alone if none."""
    start = _indent(prefix.rpartition("\n")[2] + first.text)
    unit = indent_unit(prefix)
    indent, block, last = start, first, first
    for _ in range(max_lines - 1):
        change, chance = search.break_after(last)
        indent = _moved(indent, change, unit)
        is_over = change == BOUNDARY or (len(indent) <= len(start) and block is first)
        if is_over or len(indent) < len(start):
            break
        opened = Line("", (change, *last.context)[:REACH], chance, block.foreign, begun=True)
        found = next((line for line in search.lines(opened) if line.text.strip()), None)
        if found is None or found.chance < _LEAST_CHANCE:
            break
        if len(indent) == len(start) and any(map(str.isalnum, found.text)):
            break
        text = f"{block.text}\n{indent}{found.text.lstrip()}"
        block = Line(text, found.context, block.chance * found.chance, found.foreign, begun=True)
        last = found
        if len(indent) == len(start):
            break
    return block


def indent_unit(text: str) -> str:
    """Return what one level of indentation is in a text: a tab, or so many blanks."""
    indents = [match[1] for match in _INDENT.finditer(text)]
    if any("\t" in indent for indent in indents[:200]):
        return "\t"
    steps = Counter(abs(len(b) - len(a)) for a, b in zip(["", *indents], indents, strict=False))
    steps.pop(0, None)
    steps.pop(1, None)
    return " " * (steps.most_common(1)[0][0] if steps else 4)


def _moved(indent: str, change: int, unit: str) -> str:
    if change == DEEPER:
        return indent + unit
    return indent[: -len(unit)] if change == SHALLOWER else indent


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
