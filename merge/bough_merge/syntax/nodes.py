"""Syntax trees for merging: only what carries meaning is a node, everything else is a gap between nodes."""

from __future__ import annotations

import re
from functools import cached_property

import tree_sitter

from bough_merge.syntax.language import Language

_SPACE = b" \t\r\n\f\v"
# Climbing from a node to its parents takes time proportional to the depth; real code nests some 60 levels.
_LIMIT_DEPTH = 1000
_SAMPLES = 256
_WORDS = re.compile(rb"\w+|[^\w\s]")


class Node:
    """A stretch of one side with a meaning of its own.

    `start` and `end` are byte offsets into `source`, without white space at the ends. `kind` is the grammar's node type
    and `parts` the nodes inside, in order; the text between two parts (white space and separators) is their gap. A
    comment belongs to the code after it, or before it on the same line.
    """

    def __init__(self, raw: tree_sitter.Node | None, kind: str, source: bytes, start: int, end: int, lang: Language):
        self.raw, self.kind, self.source, self.start, self.end, self.lang = raw, kind, source, start, end, lang
        self.field: str | None = None
        self.container = ""
        self.label: bytes | None = None
        self.core: Node = self
        self.named = raw is None or raw.is_named

    @cached_property
    def text(self) -> bytes:
        """Return the bytes of this node."""
        return self.source[self.start : self.end]

    @cached_property
    def parts(self) -> list[Node]:
        """Return the nodes inside, without separators; empty for a leaf."""
        if self.raw is None or self.kind in self.lang.atoms or self.kind == "ERROR":
            return []
        return _grouped(_runs(_filled(_flattened(self), self), self), self)

    @cached_property
    def bare(self) -> bytes:
        """Return the text without white space: if this differs, so do the tokens."""
        return b"".join(self.text.split())

    @cached_property
    def words(self) -> list[bytes]:
        """Return the words of this node's text, the unit of similarity."""
        return _WORDS.findall(self.text)

    @property
    def is_comment(self) -> bool:
        """Return whether this is a separate comment."""
        return "comment" in self.kind


def size_of(root: Node) -> int:
    """Return how many nodes a tree has, the unit in which work is limited."""
    return root.raw.descendant_count if root.raw is not None else len(root.parts)


def is_too_deep(root: Node) -> bool:
    """Return whether a tree nests deeper than any real code, by sampling its nodes."""
    if root.raw is None:
        return False
    cursor = root.raw.walk()
    count = root.raw.descendant_count
    for at in range(0, count, max(1, count // _SAMPLES)):
        cursor.goto_descendant(at)
        if cursor.depth > _LIMIT_DEPTH:
            return True
    return False


def same_meaning(one: Node, other: Node) -> bool:
    """Return whether two nodes are equal except for white space between their tokens."""
    if one.kind != other.kind:
        return False
    return one.text == other.text or (one.bare == other.bare and _same_leaves(one, other))


def same_code(base: Node, side: Node) -> bool:
    """Return whether a side left a node unchanged except for white space and comments inside.

    A new comment before or after a node concerns more than this node.
    """
    if base.kind != side.kind or len(members_of(side)) > len(members_of(base)):
        return False
    return base.is_comment or _same_leaves(base, side, told=False)


def _same_leaves(one: Node, other: Node, *, told: bool = True) -> bool:
    """Return whether two nodes have the same tokens in the same structure, with comments if `told`."""
    stack = [(one, other)]
    while stack:
        left, right = stack.pop()
        if left.text == right.text:
            continue
        if not left.parts or not right.parts:
            return False
        parts = [_plain(node, told) for node in (left, right)]
        if len(parts[0]) != len(parts[1]):
            return False
        stack.extend(zip(*parts, strict=True))
    return True


def _plain(node: Node, told: bool) -> list[Node]:
    """Return the nodes inside, those of groups separately; without comments unless `told`."""
    return [one for part in node.parts for one in members_of(part) if told or not one.is_comment]


def _node(raw: tree_sitter.Node, parent: Node) -> Node | None:
    """Wrap a raw child without the white space at its ends, or return None if it has nothing else."""
    source, start, end = parent.source, raw.start_byte, raw.end_byte
    while end > start and source[end - 1] in _SPACE:
        end -= 1
    while start < end and source[start] in _SPACE:
        start += 1
    return Node(raw, raw.type, source, start, end, parent.lang) if start < end else None


def _flattened(parent: Node) -> list[Node]:
    """Return the direct children; those of a left-recursive type replace the nested node.

    So do the operands of a chain with one operator (`a and b and c`).
    """
    assert parent.raw is not None
    found: list[Node] = []
    mark = parent.lang.mark_of(parent.kind, parent.text, parent.container) if parent.lang.marks else parent.kind
    flat = parent.kind in parent.lang.flat
    chain: str | None = None
    stack: list[tuple[tree_sitter.Node, str | None]] = [(parent.raw, None)]
    while stack:
        raw, field = stack.pop()
        if raw.id == parent.raw.id or (flat and raw.type == parent.kind):
            inner = [(child, raw.field_name_for_child(at)) for at, child in enumerate(raw.children)]
            stack.extend(reversed(inner))
            chain = chain or _operator(raw)
            continue
        if chain is not None and field == "left" and raw.type == parent.kind and _operator(raw) == chain:
            stack.extend(reversed([(child, raw.field_name_for_child(at)) for at, child in enumerate(raw.children)]))
            continue
        node = _node(raw, parent)
        if node is not None:
            node.field, node.container = field, mark
            found.append(node)
    return found


def _operator(raw: tree_sitter.Node) -> str | None:
    operator = raw.child_by_field_name("operator")
    return operator.type if operator is not None else None


def _filled(children: list[Node], parent: Node) -> list[Node]:
    """Add a nameless leaf for text outside all children, so that gaps have only white space."""
    if not children:
        return []
    found: list[Node] = []
    at = parent.start
    for child in [*children, None]:
        start = parent.end if child is None else child.start
        if start > at and parent.source[at:start].strip(_SPACE):
            gap = parent.source[at:start]
            begin = at + len(gap) - len(gap.lstrip(_SPACE))
            found.append(Node(None, "text", parent.source, begin, begin + len(gap.strip(_SPACE)), parent.lang))
        if child is not None and child.start >= at:
            found.append(child)
            at = child.end
    return found


def _runs(children: list[Node], parent: Node) -> list[Node]:
    """Bind the children between two separators together, if one alone is meaningless (the tokens of a macro)."""
    if parent.kind not in parent.lang.runs:
        return children
    found: list[Node] = []
    run: list[Node] = []
    for child in [*children[1:-1], None]:
        if child is None or child.kind in parent.lang.separators:
            if run:
                found.append(run[0] if len(run) == 1 else Group(run, run[0]))
            found.extend([] if child is None else [child])
            run = []
        else:
            run.append(child)
    return [*children[:1], *found, *children[-1:]]


def _grouped(children: list[Node], parent: Node) -> list[Node]:
    """Drop separators, and bind terminators and comments to the child that they belong to."""
    lang = parent.lang
    found: list[Node] = []
    pending: list[Node] = []
    for child in children:
        if not child.named and (child.kind in lang.separators or child.kind == lang.flat.get(parent.kind)):
            continue
        if found and found[-1].named and not pending and _ends(found[-1], child, lang):
            found[-1] = _bound(found[-1], child)
        elif (child.is_comment and not lang.is_told(child.text)) or child.kind in lang.leading:
            if pending and not _close(pending[-1], child):
                found.extend(pending)
                pending = []
            pending.append(child)
        elif pending and child.named and _close(pending[-1], child):
            found.append(_led(pending, child))
            pending = []
        else:
            found.extend(pending)
            pending = []
            found.append(child)
    return found + pending


def _ends(node: Node, child: Node, lang: Language) -> bool:
    """Return whether a child ends the node before it: a terminator, or a comment after it on its line.

    The separator may be between the two: `a,

    what a is`.
    """
    if not child.is_comment:
        return not child.named and child.kind in lang.terminators
    between = node.source[node.end : child.start]
    return b"\n" not in between and between.strip(_SPACE).decode("latin-1") in ("", *lang.separators)


def _close(comment: Node, child: Node) -> bool:
    """Return whether no blank line separates a comment from what follows."""
    return comment.source.count(b"\n", comment.end, child.start) <= 1


class Group(Node):
    """A node together with the comments and terminators that belong to it; `core` is the node itself."""

    def __init__(self, members: list[Node], core: Node):
        super().__init__(None, core.kind, core.source, members[0].start, members[-1].end, core.lang)
        self.members, self.core, self.field = members, core, core.field

    @cached_property
    def parts(self) -> list[Node]:
        """Return the comments, the node and its terminator, in order."""
        return self.members


def members_of(node: Node) -> list[Node]:
    """Return the members of a group, or the node alone."""
    return node.members if isinstance(node, Group) else [node]


def _bound(node: Node, tail: Node) -> Node:
    return Group([*members_of(node), tail], node.core)


def _led(comments: list[Node], node: Node) -> Node:
    # A signature with its body is identified by the signature.
    core = comments[-1] if comments[-1].kind.endswith("_signature") else node.core
    return Group([*comments, *members_of(node)], core)
