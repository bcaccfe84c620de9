"""What the engine knows about a language: one declarative row each, and a generic row for every other grammar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

_DATA = re.compile("pair|table|object")


@dataclass(frozen=True, slots=True)
class Free:
    """A rule that children of some types may be in any order within some containers.

    `group` names them: children of different groups do not mix. `container` and `kind` are regular expressions that
    must match whole node types; a container is also known as `parent/type`, to distinguish a class body from a
    function's. With `text` the child's text must also match from its start. An empty group states that order is
    significant after all; the first matching rule decides.
    """

    group: str
    kind: str
    container: str = ".*"
    text: bytes = b""


@dataclass(frozen=True)
class Language:
    """A language in terms of its grammar's node types.

    `grammar` is its name in tree-sitter-language-pack, empty for a file of records. `paths` are extensions and whole
    names. `free` lists what commutes. `names` are the fields that name a child, in order of preference; `named_by`
    gives the fields or child types for single node types (joined by `+`, a path of them by `>`). `wrappers` are types
    around a definition that take its name (a decorated function, a template, an export). `overloads` are types that are
    also distinguished by their parameters; `heads` are types that are distinguished by everything before their body, if
    their text matches. `atoms` are types that are never looked into. `leading` are types that belong to the child after
    them. `flat` are lists, including left-recursive ones, with the token that separates their children. `runs` are
    types whose children are only meaningful together between two separators. `joins` gives, per container, the text
    between two children if there is no example. `headed` are groups whose first child is significant by its position.
    `related` matches two names, joined by a space, of which the later one overrides the other. `told` gives groups of
    children that commute by their text, if the type alone is not enough; its pattern's group `name` names the child.
    `marks` gives a name to nodes by their text, if it means more than the type; it replaces the type. `embedded` names
    the language inside a node type, where `@` means that its neighbour names it. `remedy` says how a generated file is
    generated again; such a file is never merged by guess.

    For files of records `record_key` finds the key in a line, in its groups; `ordered_records` matches lines whose
    position is significant; with `blocks` a line `word (` opens a block up to `)`; with `cells` a record is a row of
    cells.
    """

    name: str
    grammar: str
    paths: tuple[str, ...] = ()
    free: tuple[Free, ...] = ()
    names: tuple[str, ...] = ("name", "key", "path", "declarator", "left")
    named_by: Mapping[str, str] = field(default_factory=dict)
    wrappers: frozenset[str] = frozenset()
    overloads: frozenset[str] = frozenset()
    heads: Mapping[str, bytes] = field(default_factory=dict)
    atoms: frozenset[str] = frozenset()
    leading: frozenset[str] = frozenset()
    flat: Mapping[str, str] = field(default_factory=dict)
    runs: frozenset[str] = frozenset()
    joins: Mapping[str, bytes] = field(default_factory=dict)
    separators: frozenset[str] = frozenset({",", "comma"})
    terminators: frozenset[str] = frozenset({";"})
    headed: frozenset[str] = frozenset()
    related: bytes = b""
    told: tuple[tuple[str, bytes], ...] = ()
    marks: Mapping[str, bytes] = field(default_factory=dict)
    embedded: Mapping[str, str] = field(default_factory=dict)
    record_key: bytes = b""
    ordered_records: bytes = b""
    blocks: bool = False
    cells: bool = False
    remedy: str = ""

    def told_name(self, text: bytes) -> bytes | None:
        """Return the name that a pattern of `told` finds in a text, in its group `name`."""
        for _, pattern in self.told:
            found = _pattern(pattern).match(text)
            if found is not None:
                return found.groupdict().get("name")
        return None

    def is_told(self, text: bytes) -> bool:
        """Return whether a text is significant, whatever its type: a comment that is an import to a type checker."""
        return any(_pattern(pattern).match(text) for _, pattern in self.told)

    def is_told_by_head(self, kind: str, text: bytes) -> bool:
        """Return whether a node is identified by its whole head, since its neighbours may have the same name."""
        pattern = self.heads.get(kind)
        return pattern is not None and _pattern(pattern).match(text) is not None

    def mark_of(self, kind: str, text: bytes, around: str) -> str:
        """Return the mark of a node by its text, within data that of the surrounding node, or else its type."""
        marks = (mark for mark, pattern in self.marks.items() if _pattern(pattern).match(text))
        return next(marks, around if around in self.marks and _DATA.search(kind) else kind)

    def group_of(self, parent: str, container: str, kind: str, text: bytes) -> str | None:
        """Return the name of the group within which a child commutes here, or None if order is significant."""
        for group, pattern in self.told:
            if _pattern(pattern).match(text):
                return group
        known = self._groups
        key = parent, container, kind
        if key not in known:
            known[key] = _rules(self.free, parent, container, kind)
        for rule in known[key]:
            if not rule.text or _pattern(rule.text).match(text):
                return rule.group or None
        return None

    def are_related(self, name: bytes, other: bytes) -> bool:
        """Return whether one of two assignments overrides the other, at least in part."""
        pattern = _pattern(self.related) if self.related else None
        return pattern is not None and bool(
            pattern.fullmatch(name + b" " + other) or pattern.fullmatch(other + b" " + name)
        )

    @cached_property
    def _groups(self) -> dict[tuple[str, str, str], list[Free]]:
        return {}


@cache
def _pattern(expression: bytes) -> re.Pattern[bytes]:
    return re.compile(expression)


def _rules(rules: tuple[Free, ...], parent: str, container: str, kind: str) -> list[Free]:
    """Return the rules that may apply to a child of a type in a container, in order."""
    return [
        rule
        for rule in rules
        if re.fullmatch(rule.kind, kind)
        and (re.fullmatch(rule.container, container) or re.fullmatch(rule.container, f"{parent}/{container}"))
    ]
