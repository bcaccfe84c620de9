"""Indentation of lines, and code that moves to another depth; text within strings never changes."""

from __future__ import annotations

import re

import tree_sitter

from bough_merge.syntax.nodes import Node, members_of

_VERBATIM = re.compile(r"(?!concatenated).*(string|heredoc|nowdoc|template_literal|raw_text)")


def indentation(source: bytes, start: int) -> bytes | None:
    """Return the white space between a line's start and an offset, or None if there is other text in between."""
    begin = source.rfind(b"\n", 0, start) + 1
    space = source[begin:start]
    return space if not space.strip() else None


def depth_at(source: bytes, at: int) -> bytes:
    """Return the white space that starts the line of an offset."""
    begin = source.rfind(b"\n", 0, at) + 1
    return source[begin : begin + len(source[begin:at]) - len(source[begin:at].lstrip(b" \t"))]


def reindented(node: Node, old: bytes, new: bytes) -> bytes:
    """Return a node's text with the indentation `old` of its further lines replaced by `new`."""
    text = node.text
    if old == new or b"\n" not in text:
        return text
    kept = [] if node.raw is None and not node.parts else _verbatim(node)
    lines = text.split(b"\n")
    at = node.start + len(lines[0]) + 1
    for index, line in enumerate(lines[1:], 1):
        if line.startswith(old) and line.strip() and not any(start < at < end for start, end in kept):
            lines[index] = new + line[len(old) :]
        at += len(line) + 1
    return b"\n".join(lines)


def _verbatim(node: Node) -> list[tuple[int, int]]:
    """Return the multi-line stretches whose white space is part of their content."""
    found: list[tuple[int, int]] = []
    stack: list[tree_sitter.Node] = [raw for part in members_of(node) if (raw := part.core.raw) is not None]
    while stack:
        raw = stack.pop()
        if raw.start_point.row == raw.end_point.row:
            continue
        if _VERBATIM.match(raw.type) and not raw.type.endswith("_type"):
            found.append((raw.start_byte, raw.end_byte))
        else:
            stack.extend(raw.children)
    return found
