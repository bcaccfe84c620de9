"""Other languages inside a file: scripts in strings, code in documents."""

from __future__ import annotations

from typing import NamedTuple

from bough_merge.syntax.language import Language
from bough_merge.syntax.languages import language_named
from bough_merge.syntax.nodes import Node


class Embedded(NamedTuple):
    """The language of a node's text, and how many quoting bytes are at each end of it."""

    lang: Language
    quote: int


def embedded(node: Node) -> Embedded | None:
    """Return the language inside a node, or None if it is the file's own."""
    core = node.core
    named = core.lang.embedded.get(f"{core.container}/{core.kind}") or core.lang.embedded.get(core.kind)
    quoted = core.text[:1] in (b"'", b'"')
    if named is None or node is not core or (quoted and b"\n" not in core.text):
        return None
    if named.startswith("@"):
        named = _neighbour(core, named[1:])
    lang = language_named(named) if named else None
    return Embedded(lang, 1 if quoted else 0) if lang is not None else None


def _neighbour(node: Node, kind: str) -> str:
    """Return the first word of the sibling that names a language, empty if there is none."""
    parent = node.raw.parent if node.raw is not None else None
    for child in parent.children if parent is not None else []:
        if child.type == kind:
            words = node.source[child.start_byte : child.end_byte].split()
            return words[0].decode("utf-8", "replace").lower() if words else ""
    return ""
