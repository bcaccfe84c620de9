"""Entities: the names of nodes, in code and in words."""

from __future__ import annotations

import re
from functools import lru_cache

import tree_sitter

from bough_merge.syntax.language import Language
from bough_merge.syntax.nodes import Node

_DEFINITIONS = re.compile(
    r"defin|decl|_item$|function|method|class|interface|struct|enum|trait|module|impl|object|section|table|pair"
    r"|[Aa]ttribute|setting|property|field|variant|constant|entry|rpc|message|service"
)
_IDENTIFIERS = re.compile(r"identifier|^name$|_name$|^constant$|^word$|^Name$|^key$|_key$|key_symbol")
_WRAPPED = re.compile(r"(definition|declaration|signature|specifier)$")
_DEPTH = 4
_CALLS = re.compile(r"call|invocation|^command$")
_SECTIONS = re.compile(r"section")
_TITLES = re.compile(r"title|heading")
_NUMBERED = frozenset({"enum", "numbered"})
_NUMBER = re.compile(rb"=\s*(-?\w+)\s*(?:\[[^\]]*\])?\s*[,;]?\s*$")
# Where statements follow one another.
_BLOCKS = frozenset(
    ("block", "body_statement", "compound_statement", "do_block", "module", "program", "statement_block", "statements")
)
# Containers whose children are plain words; elsewhere a nameless token belongs to the surrounding syntax.
BARE = frozenset({"modifiers", "function_modifiers"})
# A declaration has at most one of these.
_VISIBILITY = frozenset({b"public", b"protected", b"private", b"internal", b"fileprivate"})


def name_of(node: Node) -> bytes | None:
    """Return the name that distinguishes this entity from its siblings of the same type, or None."""
    core = node.core
    if core.label is None and core.raw is not None:
        core.label = core.lang.told_name(core.text) or _name(core.raw, node, _DEPTH) or b""
    return core.label or None


def key_of(node: Node) -> bytes | None:
    """Return the name, with the parameters or the head if the language distinguishes entities of one name by them."""
    name = name_of(node)
    raw = node.core.raw
    if name is None or raw is None:
        return name
    if node.lang.is_told_by_head(raw.type, node.core.text):
        body = definition_in(raw, node.lang).child_by_field_name("body")
        end = body.start_byte if body is not None else raw.end_byte
        return name + b"".join(node.source[raw.start_byte : end].split())
    if raw.type not in node.lang.overloads:
        return name
    found = [raw]
    while found:
        inner = found.pop(0)
        if "parameter" in inner.type and inner is not raw:
            return name + b"".join(_text(inner, node).split())
        if "declarator" in inner.type or inner is raw:
            found.extend(inner.children)
    return name


def definition_in(raw: tree_sitter.Node, lang: Language) -> tree_sitter.Node:
    """Return the definition inside a wrapper (decorators, a template, an export), or the node itself."""
    while raw.type in lang.wrappers:
        inner = raw.child_by_field_name("definition") or raw.child_by_field_name("declaration")
        if inner is None and raw.named_children:
            inner = raw.named_children[-1]
        if inner is None or not _WRAPPED.search(inner.type):
            break
        raw = inner
    return raw


def unwrapped(node: Node) -> Node:
    """Return the node of the definition inside a wrapper, or the node without its comments."""
    core = node.core
    while core.raw is not None and (inner := definition_in(core.raw, core.lang)) is not core.raw:
        found = next((part.core for part in core.parts if part.core.raw is not None and _holds(part, inner)), None)
        if found is None:
            break
        core = found
    return core


def _holds(node: Node, inner: tree_sitter.Node) -> bool:
    return node.core.start <= inner.start_byte and inner.end_byte <= node.core.end


def group_of(parent: Node, child: Node) -> str | None:
    """Return the group within which a child commutes in its parent, or None if its position is significant."""
    holder, child = parent.core, child.core
    if not child.named and holder.kind not in BARE:
        return None
    return child.lang.group_of(holder.container, holder.kind, child.kind, child.text)


def identity_of(parent: Node, child: Node) -> tuple[str, bytes] | None:
    """Return what may occur only once in a parent, or None if repetition is meaningful.

    Two imports from one module are two imports, so an import is identified by its whole text.
    """
    group = group_of(parent, child)
    if group is None:
        return None
    if group == "modifiers" and child.core.text in _VISIBILITY:
        return group, b"visibility"
    key = None if group == "imports" else key_of(child)
    return group, key if key is not None else b"".join(child.core.text.split())


def number_of(parent: Node, child: Node) -> bytes | None:
    """Return the number that distinguishes a child: the value of an enumeration member, the tag of a field."""
    if group_of(parent, child) not in _NUMBERED:
        return None
    found = _NUMBER.search(child.core.text)
    return found[1] if found is not None else None


def _name(raw: tree_sitter.Node, node: Node, depth: int) -> bytes | None:
    if not depth:
        return None
    raw = definition_in(raw, node.lang)
    by = node.lang.named_by.get(raw.type)
    if by == "#0":
        return _text(raw.named_children[0], node) if raw.named_children else None
    if by is not None:
        texts = [_text(child, node) for wanted in by.split("+") for child in _descendants(raw, wanted)]
        return b"\0".join(texts) if texts else None
    for field in node.lang.names:
        child = raw.child_by_field_name(field)
        if child is not None:
            return _innermost(child, node)
    if _DEFINITIONS.search(raw.type):
        for child in raw.named_children:
            if _IDENTIFIERS.search(child.type):
                return _text(child, node)
    inner = [child for child in raw.named_children if "comment" not in child.type]
    return _name(inner[0], node, depth - 1) if len(inner) == 1 else None


def operator_of(node: Node) -> bytes | None:
    """Return the operator of an expression, or None: with another operator it is another expression."""
    raw = node.core.raw
    operator = raw.child_by_field_name("operator") if raw is not None else None
    return None if operator is None else _text(operator, node)


def is_call(node: Node) -> bool:
    """Return whether a node is a statement that only calls something."""
    raw = node.core.raw
    while raw is not None and raw.type.endswith("expression_statement") and raw.named_child_count == 1:
        raw = raw.named_children[0]
    return raw is not None and bool(_CALLS.search(raw.type)) and node.core.container in _BLOCKS


def title_of(node: Node) -> Node | None:
    """Return the title that a node is or begins with, or None."""
    core = node.core
    if _SECTIONS.search(core.kind) and core.parts:
        core = core.parts[0].core
    return core if _TITLES.search(core.kind) else None


def _descendants(raw: tree_sitter.Node, wanted: str) -> list[tree_sitter.Node]:
    """Follow a path of fields or types (`start_tag>tag_name`)."""
    found = [raw]
    for step in wanted.split(">"):
        found = [child for node in found for child in _children(node, step)]
    return found


def _children(raw: tree_sitter.Node, wanted: str) -> list[tree_sitter.Node]:
    """Return the children in a field, or else those of a type."""
    return raw.children_by_field_name(wanted) or [child for child in raw.named_children if child.type == wanted]


def _innermost(raw: tree_sitter.Node, node: Node) -> bytes:
    """Follow declarators down to the declared name."""
    for _ in range(_DEPTH * 2):
        inner = raw.child_by_field_name("declarator") or raw.child_by_field_name("name")
        if inner is None:
            break
        raw = inner
    return _text(raw, node)


def _text(raw: tree_sitter.Node, node: Node) -> bytes:
    return node.source[raw.start_byte : raw.end_byte].strip()


@lru_cache(maxsize=512)
def kind_in_words(kind: str) -> str:
    """Turn a grammar's node type into words."""
    words = kind.strip("_").replace("_", " ")
    for ending in (" definition", " declaration", " item", " statement", " specifier"):
        words = words.removesuffix(ending)
    return words or kind
