"""Scopes: the functions and classes around a name, and which of them combine both sides."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate

import tree_sitter

from bough_merge.gates.bindings import field_of
from bough_merge.syntax.nodes import Node
from bough_merge.text.lines import line_changes
from bough_merge.text.text import lines_of

_WORD = re.compile(rb"[A-Za-z_$][\w$]*")
_SCOPE = re.compile(
    r"function|method|lambda|closure|arrow|constructor|comprehension|generator_expression|class|impl|do_block"
)
_NO_SCOPE = re.compile(r"declarator|call|body|type|parameters|signature|invocation|reference|access|argument|modifier")

Span = tuple[int, int]


def is_scope(node: tree_sitter.Node) -> bool:
    """Return whether a node binds names in a scope of its own."""
    return _is_scope_type(node.type) and node.is_named


@cache
def _is_scope_type(kind: str) -> bool:
    return _SCOPE.search(kind) is not None and _NO_SCOPE.search(kind) is None


def binding_scope(node: tree_sitter.Node) -> tree_sitter.Node:
    """Return the scope that a binding adds to; a definition's own name is bound outside of it."""
    current, parent = node, node.parent
    while parent is not None and "declarator" in parent.type:
        current, parent = parent, parent.parent
    if parent is not None and is_scope(parent) and field_of(current, parent) in ("name", "declarator", None):
        current = parent
    outermost = parent is not None and parent.type == "global_statement"
    while (around := current.parent) is not None:
        current = around
        if is_scope(current) and not outermost:
            break
    return current


def scope_name(node: tree_sitter.Node, root: Node) -> bytes:
    """Return the name of the innermost named scope around a node, empty at the top of the file."""
    return next(_scope_names(node, root), b"")


def _scope_names(node: tree_sitter.Node, root: Node) -> Iterator[bytes]:
    """Yield the names of the scopes around a node, innermost first."""
    current = node.parent
    while current is not None:
        name = _own_name(current) if is_scope(current) else None
        if name is not None:
            yield root.source[name.start_byte : name.end_byte]
        current = current.parent


def _own_name(scope: tree_sitter.Node) -> tree_sitter.Node | None:
    name = scope.child_by_field_name("name") or scope.child_by_field_name("declarator")
    while name is not None and (inner := name.child_by_field_name("declarator")) is not None:
        name = inner
    return name


def mixed_words(merged: Node, ours: Node, theirs: Node) -> set[bytes]:
    """Return the words in new lines of the merged text, outside scopes that are exactly as on one side.

    In such a scope every name resolves as on that side, unless a line that binds it is gone.
    """
    found: set[bytes] = set()
    for side in (ours, theirs):
        spans = list(_new_spans(side, merged))
        kept = [*_as_written(merged, spans, (ours, theirs)), (len(merged.source), len(merged.source))]
        at = 0
        for begin, end in spans:
            while kept[at][1] <= begin and at < len(kept) - 1:
                at += 1
            step = at
            while begin < end:
                start, stop = kept[step]
                found.update(_WORD.findall(merged.source, begin, max(begin, min(start, end))))
                begin, step = max(begin, stop), min(step + 1, len(kept) - 1)
    return found


def _new_spans(side: Node, merged: Node) -> Iterator[Span]:
    starts = [0, *accumulate(map(len, lines_of(merged.source)))]
    for change in line_changes(side.source, merged.source):
        if change.new_end > change.new_start:
            yield starts[change.new_start], starts[change.new_end]


def _as_written(merged: Node, spans: Sequence[Span], sides: Sequence[Node]) -> Iterator[Span]:
    """Yield the outermost scopes around spans, in order, that a side has word for word."""
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    stack = [merged.raw] if merged.raw is not None else []
    while stack:
        node = stack.pop()
        if node.start_point.row == node.end_point.row:
            continue
        if bisect_right(ends, node.start_byte) >= bisect_left(starts, node.end_byte):
            continue  # no span is inside it
        if is_scope(node) and any(_stands_in(side, node, merged) for side in sides):
            yield node.start_byte, node.end_byte
        else:
            stack.extend(reversed(node.children))


def _stands_in(side: Node, scope: tree_sitter.Node, merged: Node) -> bool:
    """Return whether a side has a scope word for word, within scopes with the same names."""
    text = merged.source[scope.start_byte : scope.end_byte]
    at = side.source.find(text)
    if at < 0 or side.raw is None:
        return False
    other = side.raw.descendant_for_byte_range(at, at + len(text))
    return (
        other is not None
        and (other.type, other.start_byte, other.end_byte) == (scope.type, at, at + len(text))
        and list(_scope_names(other, side)) == list(_scope_names(scope, merged))
    )
