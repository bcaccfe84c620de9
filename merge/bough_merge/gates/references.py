"""Find where a file refers to a definition: by grammar, and bound to it by an import or a common scope."""

from __future__ import annotations

import re
from typing import NamedTuple

import tree_sitter

from bough_merge.gates.binding_rules import rules_of
from bough_merge.gates.bindings import Rules, is_label
from bough_merge.gates.modules import DefinedAt, is_rust, names_home, qualifiers, reaches, statement_around
from bough_merge.gates.names import places_of
from bough_merge.gates.scopes import binding_scope, is_scope
from bough_merge.syntax.nodes import Node

_IDENTIFIER = re.compile(r"(.*_)?(identifier|identifier_pattern|name|constant|word)")
_FAMILIES = {"typescript": "javascript", "tsx": "javascript", "cpp": "c", "objc": "c"}
# What precedes a member in any grammar: its object.
_OWNERS = ("object", "receiver", "operand", "scope", "path", "qualifier")

_BODIES = re.compile(r"class|impl|trait|interface|struct|object|extension|protocol|module")
# Languages in which a method calls another one of its object by the bare name.
_IMPLICIT = frozenset({"java", "csharp", "cpp", "kotlin", "scala", "swift", "ruby", "dart"})


class References(NamedTuple):
    """The positions (byte offsets) that certainly mean a definition, and the uncertain ones."""

    sure: tuple[int, ...] = ()
    unsure: tuple[int, ...] = ()


class Reference(NamedTuple):
    """A use of a name: its node, the surrounding node, and its first byte."""

    node: tree_sitter.Node
    parent: tree_sitter.Node
    at: int


def are_related(language: str, other: str) -> bool:
    """Return whether code of two languages may share definitions."""
    return _FAMILIES.get(language, language) == _FAMILIES.get(other, other)


def references(root: Node, name: bytes, path: str, home: DefinedAt) -> References:
    """Return where the file at `path` refers to a definition of a name, including its own definition."""
    if root.raw is None or not are_related(root.lang.name, home.language):
        return References()
    rules, places = rules_of(root.lang.name), identifiers(root, name)
    if rules is None:
        return References((), tuple(place.at for place in places))
    return _Reader(root, path, home, rules, places).read()


def binds_globally(root: Node, name: bytes) -> bool:
    """Return whether a file binds a name at its top level, by a definition or an import."""
    rules = rules_of(root.lang.name)
    if root.raw is None or rules is None:
        return False
    found = identifiers(root, name)
    return any(rules.binds(node, parent, name) and binding_scope(node).parent is None for node, parent, _ in found)


def is_bound(root: Node, name: bytes) -> bool:
    """Return whether a file binds a name anywhere."""
    rules = rules_of(root.lang.name)
    return rules is None or any(rules.binds(node, parent, name) for node, parent, _ in identifiers(root, name))


def renamed_at(root: Node, at: int, name: bytes, now: bytes) -> bytes:
    """Return a use of a name after its rename to `now`; the key of a shorthand stays unchanged."""
    node = root.raw.descendant_for_byte_range(at, at + len(name)) if root.raw is not None else None
    parent = node.parent.type if node is not None and node.parent is not None else ""
    if node is not None and node.type == "shorthand_property_identifier":
        return name + b": " + now
    if parent == "shorthand_field_initializer":
        return name + b": " + now
    if parent == "anonymous_object_creation_expression" and node is not None and _before(node) != "=":
        return name + b" = " + now
    if parent == "export_specifier" and node is not None and node.next_named_sibling is None:
        return now + b" as " + name if node.prev_named_sibling is None else now
    return now


def _before(node: tree_sitter.Node) -> str:
    return node.prev_sibling.type if node.prev_sibling is not None else ""


def identifiers(root: Node, name: bytes) -> list[Reference]:
    """Return where a name is an identifier by itself, not part of a string, a comment or another token."""
    found: list[Reference] = []
    for at in places_of(root.source, name):
        node = root.raw.descendant_for_byte_range(at, at + len(name)) if root.raw is not None else None
        if node is None or node.parent is None or (node.start_byte, node.end_byte) != (at, at + len(name)):
            continue
        if _IDENTIFIER.fullmatch(node.type):
            found.append(Reference(node, node.parent, at))
    return found


class _Reader:
    """Classify the positions of one name in one file."""

    def __init__(self, root: Node, path: str, home: DefinedAt, rules: Rules, places: list[Reference]):
        assert root.raw is not None
        self._root, self._path, self._home, self._rules = root, path, home, rules
        self._places, self._raw = places, root.raw
        self._name = places[0].node.text or b"" if places else b""
        self._taken: set[int] = set()
        self._inner: set[int] = set()
        self._global = {True: 0, False: 0}  # numbers of top-level bindings that mean the definition, and that do not

    def read(self) -> References:
        """Classify the positions: imports and definitions first, because they determine what the uses mean."""
        sure: list[int] = []
        for place in self._places:
            if self._is_own(place):
                sure.append(place.at)
                self._taken.add(place.at)
        unsure: list[int] = []
        for place in self._places:
            if place.at not in self._taken:
                meant = self._meant(place)
                if meant is not None:
                    (sure if meant else unsure).append(place.at)
        return References(tuple(sorted(sure)), tuple(unsure))

    def _is_own(self, place: Reference) -> bool:
        """Record a binding; return whether it is the definition itself or imports it."""
        statement = statement_around(place.node)
        if statement is not None and statement.type != "variable_declarator":
            meant = names_home(statement, place.node, self._path, self._home)
            if meant or self._rules.binds(place.node, place.parent, self._name):
                self._global[meant] += 1
                self._taken.add(place.at)
            return meant
        if statement is not None and names_home(statement, place.node, self._path, self._home):
            self._global[True] += 1
            return True
        if place.node.type == "shorthand_property_identifier_pattern":
            self._bound(place, False)
            return False
        if not self._rules.binds(place.node, place.parent, self._name) or is_label(place.node, place.parent):
            return False
        return self._bound(place, self._path in self._home.paths)

    def _bound(self, place: Reference, own: bool) -> bool:
        self._taken.add(place.at)
        scope = binding_scope(place.node)
        if scope.id == self._raw.id:
            self._global[own] += 1
            return own
        self._inner.add(scope.id)
        return False

    def _meant(self, place: Reference) -> bool | None:
        """Return whether a position means the definition; None if it means something else."""
        owner = _owner(place)
        if owner is not None:
            return True if self._is_home(owner) else None
        is_type = place.node.type == "type_identifier"
        if not (is_type or self._rules.uses(place.node, place.parent, self._name)) or is_label(
            place.node, place.parent
        ):
            return None
        shadow = self._shadow(place.node)
        if shadow is not None:
            return False if _BODIES.search(shadow.type) else None
        if self._global[False]:
            return False if self._global[True] else None
        if self._global[True]:
            return True
        if reaches(self._root.source, self._path, self._home):
            return not self._is_in_class(place.node)
        return False

    def _is_home(self, owner: tree_sitter.Node) -> bool:
        text = (owner.text or b"").decode("utf-8", "replace")
        if self._home.language == "rust":
            return is_rust(text, self._home)
        return text in set(qualifiers(self._raw, self._path, self._home)) and self._shadow_of(owner) is None

    def _shadow(self, node: tree_sitter.Node) -> tree_sitter.Node | None:
        """Return the scope inside the file that binds a node's name, including methods called without their object."""
        current, innermost = node.parent, True
        while current is not None:
            if is_scope(current):
                if current.id in self._inner and (
                    not _BODIES.search(current.type) or innermost or self._root.lang.name in _IMPLICIT
                ):
                    return current
                innermost = False
            current = current.parent
        return None

    def _shadow_of(self, owner: tree_sitter.Node) -> tree_sitter.Node | None:
        name = (owner.text or b"").split(b".")[0]
        inner = {
            binding_scope(node).id
            for node, parent, _ in identifiers(self._root, name)
            if self._rules.binds(node, parent, name) and statement_around(node) is None
        }
        current = owner.parent
        while current is not None:
            if current.id in inner:
                return current
            current = current.parent
        return None

    def _is_in_class(self, node: tree_sitter.Node) -> bool:
        """Return whether a function called by its bare name here may be an inherited method."""
        if self._home.language not in ("cpp", "kotlin", "scala") or node.type == "type_identifier":
            return False
        current = node.parent
        while current is not None:
            if is_scope(current) and ("class" in current.type or b"::" in (current.text or b"").split(b"{")[0]):
                return True
            current = current.parent
        return False


def _owner(place: Reference) -> tree_sitter.Node | None:
    """Return the object of a member (`shop` in `shop.price`), or None."""
    for field in _OWNERS:
        owner = place.parent.child_by_field_name(field)
        if owner is not None and owner.id != place.node.id:
            return owner
    return None
