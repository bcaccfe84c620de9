"""What the engine knows about a language: one declarative row each, and a generic row for every other grammar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

_NAMES = ("name", "key", "path", "declarator", "left")


@dataclass(frozen=True, slots=True)
class Language:
    """Describe one language in terms of its grammar's node types.

    `sets` maps a container's node type to groups of child types whose order means nothing: children of one group may be
    united where both sides insert or move them. `names` lists the fields that name a child, in order of preference.
    `named_by` names, for a node type without such a field, the field or child type that does. `overloads` are types
    that their parameters tell apart too. `atoms` are types that are never looked into. `leading` are types that belong to the child
    after them. `flat` are left-recursive types that are read as one list, with the token that separates it. `joins`
    gives, per container, what stands between two children where no example does.
    """

    name: str
    grammar: str
    extensions: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    sets: Mapping[str, tuple[frozenset[str], ...]] = field(default_factory=dict)
    names: tuple[str, ...] = _NAMES
    named_by: Mapping[str, str] = field(default_factory=dict)
    overloads: frozenset[str] = frozenset()
    atoms: frozenset[str] = frozenset()
    leading: frozenset[str] = frozenset()
    flat: Mapping[str, str] = field(default_factory=dict)
    joins: Mapping[str, bytes] = field(default_factory=dict)
    separators: frozenset[str] = frozenset({","})
    terminators: frozenset[str] = frozenset({";"})

    def group_of(self, container: str, kind: str) -> frozenset[str] | None:
        """Return the group of types within which a child commutes in this container, or None where order matters."""
        for group in self.sets.get(container, ()):
            if kind in group or "*" in group:
                return group
        return None


def language_of(path: str) -> Language | None:
    """Return the row for a path: by its whole name first, by its last extension then; None where nothing is known."""
    rows = _rows()
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    row = rows.get(name) or rows.get(name.lower())
    if row is not None:
        return row
    dot = name.rfind(".")
    return rows.get(name[dot:].lower()) if dot >= 0 else None


@cache
def _rows() -> dict[str, Language]:
    from .table import LANGUAGES

    return {key: row for row in LANGUAGES for key in (*row.extensions, *row.filenames)}
