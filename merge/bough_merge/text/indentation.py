"""Indentation: how far a line is in, and code that moves to another depth; text within strings never moves."""

from __future__ import annotations

import re

import tree_sitter

from bough_merge.syntax.nodes import Node, members_of

_VERBATIM = re.compile(r"(?!concatenated).*(string|heredoc|nowdoc|template_literal|raw_text)")


def indentation(source: bytes, start: int) -> bytes | None:
    """Return the white space before an offset back to its line's start, or None where other text is in between."""
    begin = source.rfind(b"\n", 0, start) + 1
    space = source[begin:start]
    return space if not space.strip() else None


def depth_at(source: bytes, at: int) -> bytes:
    """Return the white space that begins the line of an offset."""
    begin = source.rfind(b"\n", 0, at) + 1
    return source[begin : begin + len(source[begin:at]) - len(source[begin:at].lstrip(b" \t"))]


def reindented(node: Node, old: bytes, new: bytes) -> bytes:
    """Return a node's text with `new` in place of the indentation `old` in front of its further lines."""
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
    """Return the stretches of several lines whose white space is part of what they say."""
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
