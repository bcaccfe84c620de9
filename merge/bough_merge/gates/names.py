"""Names: which uses of a name still resolve, in the file and in its local scopes.

Only names that a merge may have broken are checked: those bound by removed lines, and those mentioned in new lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

import tree_sitter

from bough_merge.gates.binding_rules import rules_of
from bough_merge.gates.bindings import Rules
from bough_merge.gates.scopes import binding_scope, is_scope, mixed_words, scope_name
from bough_merge.syntax.nodes import Node
from bough_merge.text.lines import line_changes
from bough_merge.text.text import lines_of

_WORD = re.compile(rb"[A-Za-z_$][\w$]*")
_WORD_BYTES = frozenset(bytes([byte]) for byte in b"_$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
# Members of one's own object, and where they are defined: an assignment, a field or a method of a class.
_OWN = re.compile(rb"(?:\b(?:self|this)(?:\.|->)|(?<![\w@])@)([A-Za-z_]\w*)\b")
_MEMBER = rb"(?:\b(?:self|this)(?:\.|->)|@)%b\s*(?::[^=\n]*)?=(?!=)|^[ \t]+(?:[\w<>\[\],]+[ \t]+)*\$?%b\s*[=(:;]"
_SAID = re.compile(r"comment|string|char_|_content|fragment|regex|heredoc|doc")
_CLASS = re.compile(r"^(class|struct|interface|trait|impl|object_(declaration|definition)|extension|module|contract)")
_CLASS_BODY = re.compile(
    r"body|call|access|heritage|parameter|type$|literal|pattern|block|statement|modifier|member|clause|implements|implicit"
    r"|expression"
)
_LIMIT_NAMES = 5000
_LIMIT_USES = 4000


class NameUse(NamedTuple):
    """A use of a name, the innermost named function or class around it, and its position."""

    name: bytes
    scope: bytes
    at: int


def lost_names(merged: Node, ours: Node, theirs: Node) -> Iterator[NameUse]:
    """Yield the uses in the merged text whose name resolves on the sides that have them, but not here.

    A name that a side uses and does not define comes from elsewhere: a header, a global of the runtime.
    """
    rules = rules_of(merged.lang.name)
    if rules is None:
        return
    candidates = _cut(ours, merged, rules) | _cut(theirs, merged, rules) | mixed_words(merged, ours, theirs)
    for name in sorted(candidates)[:_LIMIT_NAMES]:
        now = unresolved(merged, name, rules)[0]
        if now:
            before = [unresolved(side, name, rules) for side in (ours, theirs)]
            open_scopes = {use.scope for uses, _ in before for use in uses}
            elsewhere = any(uses and not bound for uses, bound in before)
            if not elsewhere and any(bound for _, bound in before):
                yield from (use for use in now if use.scope not in open_scopes)


def lost_members(merged: Node, base: Node, ours: Node, theirs: Node) -> Iterator[NameUse]:
    """Yield the uses of a member of one's own object (`self.size`) that a side renamed or removed everywhere.

    A member of another class with the same name is unrelated.
    """
    for side, other in ((ours, theirs), (theirs, ours)):
        owners: dict[bytes, set[bytes]] = {}
        for use in _OWN.finditer(merged.source):
            name = use[1]
            if name not in owners:
                gone = name in other.source and next(places_of(side.source, name), None) is None
                owners[name] = set(_owners(base, name)) if gone else set()
            if owners[name] and _means_own(merged, use.start(1), name, owners[name]):
                yield NameUse(name, b"", use.start(1))


def _owners(root: Node, name: bytes) -> Iterator[bytes]:
    """Yield the classes (empty: none) that define a member with a name."""
    for found in re.finditer(_MEMBER % (name, name), root.source, re.MULTILINE):
        owner = _class_around(root, found.end() - 1)
        yield root.source[slice(*_name_span(owner))] if owner is not None else b""


def _means_own(root: Node, at: int, name: bytes, owners: set[bytes]) -> bool:
    """Return whether a use is code in one of some classes, or in one that inherits from it without such a member."""
    node = root.raw.descendant_for_byte_range(at, at + len(name)) if root.raw is not None else None
    if node is None or _SAID.search(node.type):
        return False
    owner = _class_around(root, at)
    if owner is None:
        return b"" in owners
    start, end = _name_span(owner)
    if root.source[start:end] in owners:
        return True
    body = owner.child_by_field_name("body")
    head = root.source[owner.start_byte : body.start_byte if body is not None else end]
    inherits = not owners.isdisjoint(_WORD.findall(head))
    return inherits and not re.search(_MEMBER % (name, name), owner.text or b"", re.MULTILINE)


def _class_around(root: Node, at: int) -> tree_sitter.Node | None:
    node = root.raw.descendant_for_byte_range(at, at) if root.raw is not None else None
    while node is not None and not (_CLASS.search(node.type) and _CLASS_BODY.search(node.type) is None):
        node = node.parent
    return node


def _name_span(owner: tree_sitter.Node) -> tuple[int, int]:
    """Return the position of a class's name."""
    name = owner.child_by_field_name("name") or owner.child_by_field_name("type")
    name = name or next((child for child in owner.named_children if "identifier" in child.type), None)
    return (name.start_byte, name.end_byte) if name is not None else (owner.start_byte, owner.start_byte)


def names_bound(root: Node, node: Node) -> set[bytes]:
    """Return the names that a node binds for its surroundings."""
    rules = rules_of(root.lang.name)
    if rules is None:
        return set()
    words = _WORD.finditer(root.source, node.start, node.end)
    return {word[0] for word in words if _binds(root, word, rules)}


def _cut(side: Node, merged: Node, rules: Rules) -> set[bytes]:
    """Return the names bound by lines of a side that the merged text does not have."""
    starts = [0, *accumulate(map(len, lines_of(side.source)))]
    names: set[bytes] = set()
    for change in line_changes(side.source, merged.source):
        gone = _WORD.finditer(side.source, starts[change.old_start], starts[change.old_end])
        names.update(word[0] for word in gone if word[0] not in names and _binds(side, word, rules))
    return names


def _binds(root: Node, word: re.Match[bytes], rules: Rules) -> bool:
    node = root.raw.descendant_for_byte_range(word.start(), word.end()) if root.raw is not None else None
    return node is not None and node.parent is not None and rules.binds(node, node.parent, word[0])


def unresolved(root: Node, name: bytes, rules: Rules) -> tuple[list[NameUse], bool]:
    """Return the uses of a name that no binding in a surrounding scope resolves, and whether it is bound anywhere."""
    if name in rules.builtins or root.raw is None:
        return [], False
    bound: set[int] = set()
    found: list[tuple[tree_sitter.Node, tree_sitter.Node, int]] = []
    for at in places_of(root.source, name):
        node = root.raw.descendant_for_byte_range(at, at + len(name))
        parent = node.parent if node is not None else None
        if node is None or parent is None:
            continue
        found.append((node, parent, at))
        if rules.binds(node, parent, name):
            scope = binding_scope(node)
            if scope.id == root.raw.id:
                return [], True  # a binding of the whole file resolves every use
            bound.add(scope.id)
    uses = [(node, at) for node, parent, at in found if rules.uses(node, parent, name)]
    left = [NameUse(name, scope_name(node, root), at) for node, at in uses if not _answered(node, bound, rules)]
    return left, bool(bound)


def places_of(source: bytes, name: bytes) -> Iterator[int]:
    """Yield the positions of a name as a separate word."""
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
        if is_scope(current):
            hidden = inner and "class" in current.type and not rules.inner_scopes_see_classes
            if current.id in bound and not hidden:
                return True
            inner = True
        current = current.parent
    return False
