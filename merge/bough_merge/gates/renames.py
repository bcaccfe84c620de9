"""Carry one side's rename of a name into what the other side wrote meanwhile in the same scope."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bough_merge.gates.binding_rules import rules_of
from bough_merge.gates.references import identifiers
from bough_merge.syntax.entities import name_of, unwrapped
from bough_merge.syntax.nodes import Node
from bough_merge.text.sequences import changes
from bough_merge.text.text import lines_of

_WORDS = re.compile(rb"[A-Za-z_$][\w$]*|[^\w\s]|\d\w*")
_LIMIT_NODES = 20_000


def new_name(base: Node, side: Node, name: bytes, scope: bytes) -> bytes | None:
    """Return the new name that a side gave `name` within the function `scope` (empty: the whole file), or None.

    It did if every base line with the name exists with another word in its place, always the same new word.
    """
    old, new = _scope(base, scope), _scope(side, scope)
    if old is None or new is None:
        return None
    found: set[bytes] = set()
    before, after = lines_of(old), lines_of(new)
    for change in changes(before, after):
        gone = [_WORDS.findall(line) for line in before[change.old_start : change.old_end]]
        come = [_WORDS.findall(line) for line in after[change.new_start : change.new_end]]
        if any(name in words for words in gone):
            replaced = _replaced(gone, come, name)
            if replaced is None:
                return None
            found |= replaced
    words = set(_WORDS.findall(old))
    fresh = found - words
    if len(found) != 1 or len(fresh) != 1 or name in _WORDS.findall(new):
        return None
    now = next(iter(fresh))
    return now if _is_the_same(base, side, name, now) else None


def _is_the_same(base: Node, side: Node, name: bytes, now: bytes) -> bool:
    """Return whether the new name means what the old one did, if it names a function or a type: not its replacement.

    Its text is the same except the name, or code outside of it used the name, and uses the new one now.
    """
    entity = _definition(base, name)
    if entity is None:
        return True
    other = _definition(side, now)
    if other is not None and [now if word == name else word for word in entity.words] == other.words:
        return True
    rules = rules_of(base.lang.name)
    return rules is not None and any(
        rules.uses(node, parent, name) and not entity.start <= node.start_byte < entity.end
        for node, parent, _ in identifiers(base, name)
    )


def _definition(root: Node, name: bytes) -> Node | None:
    """Return the first function or type with a name, anywhere in a file."""
    stack = [root]
    for _ in range(_LIMIT_NODES):
        if not stack:
            return None
        node = stack.pop()
        if node is not root and name_of(node) == name and unwrapped(node).raw is not None:
            raw = unwrapped(node).raw
            if raw is not None and raw.child_by_field_name("body") is not None:
                return node
        if name in node.text:
            stack.extend(reversed(node.parts))
    return None


def _replaced(gone: Sequence[list[bytes]], come: Sequence[list[bytes]], name: bytes) -> set[bytes] | None:
    """Return the words that replaced the name in a stretch of lines, or None if more than that changed."""
    found: set[bytes] = set()
    if len(gone) != len(come):
        return None
    for old, new in zip(gone, come, strict=True):
        if name not in old:
            continue
        if len(old) != len(new) or any(a != b and a != name for a, b in zip(old, new, strict=True)):
            return None
        found |= {b for a, b in zip(old, new, strict=True) if a == name}
    return found


def _scope(root: Node, name: bytes) -> bytes | None:
    """Return the text of the first entity with a name, or of the whole file if the name is empty."""
    if not name:
        return root.source
    stack = [root]
    for _ in range(_LIMIT_NODES):
        if not stack:
            return None
        node = stack.pop()
        if node is not root and name_of(node) == name and b"\n" in node.text:
            return node.text
        if name in node.text:
            stack.extend(reversed(node.parts))
    return None
