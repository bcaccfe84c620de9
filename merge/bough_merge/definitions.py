"""What a file defines for others: its named entities, and what one side did to each of them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from .entities import group_of, kind_in_words, name_of
from .languages import Language
from .matching import match
from .shape import is_hostile
from .syntax import Node, is_too_deep, parse
from .text import is_binary

_GROUPS = frozenset({"members", "declarations"})
_PARAMETERS = re.compile(rb"\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
# What was read lately, by (language, content). The language is held, so that its id stays its own.
_KNOWN: dict[tuple[int, bytes], tuple[Language | None, list[Node]]] = {}
_KNOWN_LIMIT = 512
WORD = re.compile(rb"[A-Za-z_$][\w$]*")


@dataclass(frozen=True, slots=True)
class Definition:
    """Hold one named entity: its name, its type in words, its whole text and its parameters' text."""

    name: bytes
    kind: str
    text: bytes
    parameters: bytes


@dataclass(frozen=True, slots=True)
class Fate:
    """Say what one side did to a definition.

    `what` is `renamed` (then `now` is its new self), `signature` (its parameters changed), `deleted` or `kept`.
    """

    what: str
    was: Definition
    now: Definition | None


def definitions_of(source: bytes, lang: Language | None) -> dict[bytes, Definition]:
    """Return the top-level definitions of a file by name; those of one name more than once are left out."""
    return {item.name: item for item in _definitions(_nodes(source, lang))}


def fates(base: bytes, side: bytes, lang: Language | None) -> list[Fate]:
    """Return what a side did to each top-level definition of the base, in order."""
    old, new = _nodes(base, lang), _nodes(side, lang)
    if not old:
        return []
    matched = match(old, new, old[0])
    counterpart = {i: new[j] for j, i in enumerate(matched) if i is not None}
    found: list[Fate] = []
    for index, node in enumerate(old):
        was = _definition(node)
        if was is None:
            continue
        node_now = counterpart.get(index)
        now = _definition(node_now) if node_now is not None else None
        found.append(Fate(_fate(was, now), was, now))
    return found


def _fate(was: Definition, now: Definition | None) -> str:
    if now is None:
        return "deleted"
    if now.name != was.name:
        return "renamed"
    return "signature" if b"".join(now.parameters.split()) != b"".join(was.parameters.split()) else "kept"


def _nodes(source: bytes, lang: Language | None) -> list[Node]:
    """Return the nodes of a file that define something; a merge asks for the same file many times over."""
    key = id(lang), source
    known = _KNOWN.get(key)
    if known is None:
        if len(_KNOWN) >= _KNOWN_LIMIT:
            _KNOWN.clear()
        known = _KNOWN[key] = lang, _read(source, lang)
    return known[1]


def _read(source: bytes, lang: Language | None) -> list[Node]:
    if lang is None or not lang.grammar or lang.remedy or is_binary(source) or is_hostile(source, lang.grammar):
        return []
    root = parse(source, lang)
    if is_too_deep(root):
        return []
    return [part for part in root.parts if group_of(root, part) in _GROUPS]


def _definitions(nodes: list[Node]) -> list[Definition]:
    found = [item for node in nodes if (item := _definition(node)) is not None]
    counted = Counter(item.name for item in found)
    return [item for item in found if counted[item.name] == 1]


def _definition(node: Node) -> Definition | None:
    name = name_of(node)
    if name is None or not WORD.fullmatch(name):
        return None
    head = node.core.text.split(b"\n\n", 1)[0]
    parameters = _PARAMETERS.search(head, head.find(name) + len(name))
    return Definition(name, kind_in_words(node.core.kind), node.text, parameters[1] if parameters else b"")
