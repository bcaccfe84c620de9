"""Names: which uses of a name still find what they name, in the file and in its local scopes.

Only names that a merge may have cut loose are looked at: what lines define that are gone, and what new lines mention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import tree_sitter

from .bindings import Rules, field_of, rules_of
from .sequences import changes
from .syntax import Node
from .text import lines_of

_WORD = re.compile(rb"[A-Za-z_$][\w$]*")
_SCOPE = re.compile(
    r"function|method|lambda|closure|arrow|constructor|comprehension|generator_expression|class|impl|do_block"
)
_NO_SCOPE = re.compile(r"declarator|call|body|type|parameters|signature|invocation|reference|access|argument|modifier")
_WORD_BYTES = frozenset(bytes([byte]) for byte in b"_$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LIMIT_NAMES = 5000
_LIMIT_USES = 4000


class Use(NamedTuple):
    """Hold one use of a name, the innermost named function or class around it, and where it stands."""

    name: bytes
    scope: bytes
    at: int


def lost_names(merged: Node, ours: Node, theirs: Node) -> Iterator[Use]:
    """Yield the uses in the merged text whose name resolves on the sides that have them, and no longer here.

    A name that a side uses and defines nowhere comes from elsewhere: a header, a global of the runtime.
    """
    rules = rules_of(merged.lang.name)
    if rules is None:
        return
    candidates = _cut(ours, merged, rules) | _cut(theirs, merged, rules)
    for name in sorted(candidates)[:_LIMIT_NAMES]:
        now = unresolved(merged, name, rules)[0]
        if now:
            before = [unresolved(side, name, rules) for side in (ours, theirs)]
            open_scopes = {use.scope for uses, _ in before for use in uses}
            elsewhere = any(uses and not bound for uses, bound in before)
            if not elsewhere and any(bound for _, bound in before):
                yield from (use for use in now if use.scope not in open_scopes)


def _cut(side: Node, merged: Node, rules: Rules) -> set[bytes]:
    """Return the names that lines bind which the merged text has not, and those that its own new lines mention."""
    old, new = lines_of(side.source), lines_of(merged.source)
    starts = [0, *accumulate(map(len, old))]
    names: set[bytes] = set()
    for change in changes(old, new):
        names.update(_WORD.findall(b"".join(new[change.new_start : change.new_end])))
        gone = _WORD.finditer(side.source, starts[change.old_start], starts[change.old_end])
        names.update(word[0] for word in gone if word[0] not in names and _binds(side, word, rules))
    return names


def _binds(root: Node, word: re.Match[bytes], rules: Rules) -> bool:
    node = root.raw.descendant_for_byte_range(word.start(), word.end()) if root.raw is not None else None
    return node is not None and node.parent is not None and rules.binds(node, node.parent, field_of(node, node.parent))


def unresolved(root: Node, name: bytes, rules: Rules) -> tuple[list[Use], bool]:
    """Return the uses of a name that no binding in a scope around them answers, and whether it is bound anywhere."""
    if name in rules.builtins or root.raw is None:
        return [], False
    bound: set[int] = set()
    uses: list[tuple[tree_sitter.Node, int]] = []
    for at in _places(root.source, name):
        node = root.raw.descendant_for_byte_range(at, at + len(name))
        if node is None or node.parent is None:
            continue
        field = field_of(node, node.parent)
        if rules.binds(node, node.parent, field):
            bound.add(_binding_scope(node).id)
        if rules.uses(node, node.parent, field):
            uses.append((node, at))
    left = [Use(name, _scope_name(node, root), at) for node, at in uses if not _answered(node, bound, rules)]
    return left, bool(bound)


def _places(source: bytes, name: bytes) -> Iterator[int]:
    """Yield where a name stands as a word of its own."""
    at = source.find(name)
    for _ in range(_LIMIT_USES):
        if at < 0:
            return
        end = at + len(name)
        if source[at - 1 : at] not in _WORD_BYTES and source[end : end + 1] not in _WORD_BYTES:
            yield at
        at = source.find(name, end)


def _answered(node: tree_sitter.Node, bound: set[int], rules: Rules) -> bool:
    current: tree_sitter.Node | None = node
    inner = False
    while current is not None:
        if current.parent is None:
            return current.id in bound
        if _is_scope(current):
            hidden = inner and "class" in current.type and not rules.inner_scopes_see_classes
            if current.id in bound and not hidden:
                return True
            inner = True
        current = current.parent
    return False


def _binding_scope(node: tree_sitter.Node) -> tree_sitter.Node:
    """Return the scope that a binding adds to; the own name of a definition is bound outside of it."""
    current, parent = node, node.parent
    while parent is not None and "declarator" in parent.type:
        current, parent = parent, parent.parent
    if parent is not None and _is_scope(parent) and field_of(current, parent) in ("name", "declarator"):
        current = parent
    outermost = parent is not None and parent.type == "global_statement"
    while current.parent is not None:
        current = current.parent
        if _is_scope(current) and not outermost:
            break
    return current


def _is_scope(node: tree_sitter.Node) -> bool:
    return _is_scope_type(node.type) and node.is_named


@cache
def _is_scope_type(kind: str) -> bool:
    return _SCOPE.search(kind) is not None and _NO_SCOPE.search(kind) is None


def _scope_name(node: tree_sitter.Node, root: Node) -> bytes:
    current = node.parent
    while current is not None:
        name = _own_name(current) if _is_scope(current) else None
        if name is not None:
            return root.source[name.start_byte : name.end_byte]
        current = current.parent
    return b""


def _own_name(scope: tree_sitter.Node) -> tree_sitter.Node | None:
    name = scope.child_by_field_name("name") or scope.child_by_field_name("declarator")
    while name is not None and (inner := name.child_by_field_name("declarator")) is not None:
        name = inner
    return name
