"""Lines that belong together: the lines indented deeper than the first one, and the closing bracket."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from bough_completion.learned.search import Line, Search
from bough_completion.learned.tokens import BOUNDARY, DEEPER, SHALLOWER
from bough_completion.learned.vote import REACH
from bough_completion.text.indentation import indent_of

# Probability, according to the votes, from which a line of a block is written.
_SURE = 0.64
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


def with_block(search: Search, first: Line, prefix: str, max_lines: int) -> Line:
    """Return a line with the block that it starts, at most `max_lines` lines in all; the line alone if none.

    The block ends before the first line that is not certain enough by itself. The chance is that of the whole.
    """
    start, unit = indent_of(prefix.rpartition("\n")[2] + first.text), indent_unit(prefix)
    indent, block = start, first
    for _ in range(max_lines - 1):
        change, chance = search.break_after(block)
        indent = _moved(indent, change, unit)
        is_end = len(indent) == len(start)
        if change == BOUNDARY or len(indent) < len(start) or (is_end and block is first):
            break
        opened = Line("", (change, *block.context)[:REACH], chance, block.foreign, begun=True)
        found = next((line for line in search.lines(opened) if line.text.strip()), None)
        if found is None or found.chance < _SURE or (is_end and any(map(str.isalnum, found.text))):
            break
        text = f"{block.text}\n{indent}{found.text.lstrip()}"
        block = replace(found, text=text, chance=block.chance * found.chance)
        if is_end:
            break
    return block


def indent_unit(text: str) -> str:
    """Return one level of indentation in a text: a tab, or a number of blanks."""
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
