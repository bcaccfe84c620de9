"""Bindings: where a name is defined and where it is used, derived from the surrounding syntax."""

from __future__ import annotations

import re
from functools import cache

import tree_sitter

_IMPORT = re.compile(
    r"import_(declaration|header|spec|specification)|use_declaration|namespace_use_clause|using_directive"
)
# Between an import and its names; in a list each entry is a separate path.
_PATH = re.compile(
    r"identifier|import_alias|qualified_name|namespace_name|interpreted_string_literal"
    r"|scoped_\w+|use_as_clause|arrow_renamed_identifier|namespace_selectors|namespace_use_group|use_list"
)
_LIST = frozenset({"namespace_selectors", "namespace_use_group", "use_list"})
_KEYWORDS = frozenset({b"self", b"super", b"crate"})
_VERSION = re.compile(rb"v\d+")


class Rules:
    """Derive the role of an identifier from the node types around it; the base class knows no particular language."""

    builtins: frozenset[bytes] = frozenset()
    inner_scopes_see_classes = True
    identifiers = frozenset({"identifier", "type_identifier"})
    binding_fields = frozenset({"name", "declarator", "pattern", "alias", "parameter", "parameters"})
    definition = re.compile(
        r".*(definition|declaration|declarator|enumerator|preproc_def|preproc_function_def|_item|parameter.*|specifier"
        r"|spec|import.*|alias.*|binding|pattern.*|clause)"
    )
    neither = re.compile(
        r"(member|field|attribute|selector|scoped|qualified|navigation|property|key|label).*|.*_(access|path)|pair"
        r"|keyword_argument"
    )
    looked_up = frozenset(
        {"object", "argument", "operand", "value", "function", "path", "scope", "expression", "package"}
    )

    def binds(self, node: tree_sitter.Node, parent: tree_sitter.Node, name: bytes) -> bool:
        """Return whether a name is defined by the node in which it is."""
        imported = imports(node, name)
        if imported is not None:
            return imported
        if "identifier" not in node.type or not _matches(self.definition, parent.type):
            return False
        field = field_of(node, parent)
        return field is None or field in self.binding_fields

    def uses(self, node: tree_sitter.Node, parent: tree_sitter.Node, name: bytes) -> bool:
        """Return whether a name must be defined where its node is."""
        kind = node.type
        if kind == "shorthand_property_identifier":
            return True
        if kind not in self.identifiers or imports(node, name) is not None or is_label(node, parent):
            return False
        if _matches(self.neither, parent.type):
            return field_of(node, parent) in self.looked_up
        return not self.binds(node, parent, name)


class GoRules(Rules):
    """Know Go's short declarations (Go Specification, "Short variable declarations", "For range")."""

    def binds(self, node: tree_sitter.Node, parent: tree_sitter.Node, name: bytes) -> bool:
        """Return whether a name is defined by the node in which it is."""
        if parent.type == "expression_list" and parent.parent is not None:
            node, parent = parent, parent.parent
        if parent.type in ("short_var_declaration", "range_clause"):
            return field_of(node, parent) == "left"
        return super().binds(node, parent, name)


class Places(Rules):
    """Rules given by the places of identifiers, each written `parent.field`.

    `binding` places define a name, `label` places only name a member or an argument; everywhere else a name is looked
    up. In an `argument` an identifier is a label if something follows it.
    """

    def __init__(self, identifiers: str, binding: str, label: str, argument: str = "") -> None:
        self.identifiers = frozenset(identifiers.split())
        self._binding = re.compile("|".join(binding.split()))
        self._label = re.compile("|".join(label.split()))
        self._argument = argument

    def _is_at(self, places: re.Pattern[str], node: tree_sitter.Node, parent: tree_sitter.Node) -> bool:
        return _matches(places, f"{parent.type}.{field_of(node, parent) or ''}")

    def binds(self, node: tree_sitter.Node, parent: tree_sitter.Node, name: bytes) -> bool:
        """Return whether a name is defined by the node in which it is."""
        imported = imports(node, name)
        if imported is not None:
            return imported
        return node.type in self.identifiers and self._is_at(self._binding, node, parent)

    def uses(self, node: tree_sitter.Node, parent: tree_sitter.Node, name: bytes) -> bool:
        """Return whether a name must be defined where its node is."""
        if node.type not in self.identifiers or imports(node, name) is not None:
            return False
        if parent.type == self._argument and node.next_sibling is not None:
            return False
        return not self._is_at(self._binding, node, parent) and not self._is_at(self._label, node, parent)


def imports(node: tree_sitter.Node, name: bytes) -> bool | None:
    """Return whether an import binds a name by this node: an alias, or the end of a path. None outside of imports."""
    current, parent = node, node.parent
    is_last = node.is_named and name not in _KEYWORDS
    while parent is not None and not _matches(_IMPORT, parent.type):
        if not _matches(_PATH, parent.type):
            return None
        if parent.type not in _LIST and current.next_named_sibling is not None:
            is_last = False
        current, parent = parent, parent.parent
    if parent is None:
        return None
    field = field_of(current, parent)
    if field in ("name", "alias"):
        return True
    if node.type.endswith("string_literal_content"):
        return current.prev_named_sibling is None and _package(node.text or b"") == name
    return is_last and current.next_named_sibling is None


def _package(path: bytes) -> bytes:
    """Return the name of a Go package, from its import path (Go Modules Reference, "Module paths")."""
    parts = path.split(b"/")
    if len(parts) > 1 and _VERSION.fullmatch(parts[-1]):
        parts.pop()
    return parts[-1].split(b".")[0]


def field_of(node: tree_sitter.Node, parent: tree_sitter.Node) -> str | None:
    """Return the field of its parent that a node is in."""
    for index, child in enumerate(parent.children):
        if child.id == node.id:
            return parent.field_name_for_child(index)
    return None


@cache
def _matches(expression: re.Pattern[str], kind: str) -> bool:
    return expression.fullmatch(kind) is not None


def is_label(node: tree_sitter.Node, parent: tree_sitter.Node) -> bool:
    """Return whether a name is that of an argument or a key, independent of definitions."""
    kind, around = parent.type, parent.parent
    if kind == "argument" or kind.endswith("_argument"):
        return field_of(node, parent) == "name"
    if kind == "anonymous_object_creation_expression":
        return node.next_sibling is not None and node.next_sibling.type == "="
    if around is None:
        return False
    if kind == "literal_element":
        return field_of(parent, around) == "key"
    if kind == "assignment_expression":
        return around.type == "arguments" and field_of(node, parent) == "left"
    return kind == "element_value_pair" and field_of(node, parent) == "key"
