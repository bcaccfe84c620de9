"""The definitions of a file: its named entities, and what one side did to each of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bough_merge.structure.matching import match
from bough_merge.syntax.entities import group_of, kind_in_words, name_of, unwrapped
from bough_merge.syntax.language import Language
from bough_merge.syntax.nodes import Node, is_too_deep
from bough_merge.syntax.parsing import parse
from bough_merge.syntax.shape import is_hostile
from bough_merge.text.text import is_binary

_GROUPS = frozenset({"members", "declarations"})
_HOLDERS = re.compile("class|interface|trait|struct|impl|object|protocol|module")
# Node types that name a value at the top of a file, where its place means something.
_VALUES = re.compile(
    r"^(assignment|expression_statement|(lexical|variable)_declaration|(const|static|var)_(item|declaration))$"
)
_PARAMETERS = re.compile(rb"[^()={:\n]*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
# Recent results, by (language, content). The language is held, so that its id stays unique.
_KNOWN: dict[tuple[int, bytes], tuple[Language | None, list[Node]]] = {}
_KNOWN_LIMIT = 512
_TOKENS = re.compile(rb"\w+|[^\w\s]")
# From this many words on, this share of them means that it is the same function under another name.
_MANY_WORDS = 40
_NEARLY = 0.9
WORD = re.compile(rb"[A-Za-z_$][\w$]*")


@dataclass(frozen=True, slots=True)
class Definition:
    """A named entity: its name, type in words, whole text, parameters' text, and its class.

    `is_value` distinguishes a name for a value from functions and types.
    """

    name: bytes
    kind: str
    text: bytes
    parameters: bytes
    within: bytes = b""
    is_value: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """What one side did to a definition.

    `what` is `renamed` (then `now` is its new form), `signature` (its parameters changed), `deleted` or `kept` (only
    its other text changed).
    """

    what: str
    was: Definition
    now: Definition | None


def definitions_of(source: bytes, lang: Language | None) -> dict[bytes, Definition]:
    """Return the functions and types of a file by name, without names that occur more than once."""
    return {item.name: item for item in _definitions(_nodes(source, lang)) if not item.is_value}


def fates(base: bytes, side: bytes, lang: Language | None) -> list[Fate]:
    """Return what a side did to definitions of the base, in order, including those in classes."""
    return list(_fates(_nodes(base, lang), _nodes(side, lang), b""))


def _fates(old: list[Node], new: list[Node], within: bytes) -> Iterator[Fate]:
    if not old:
        return
    matched = match(old, new, old[0])
    counterpart = {i: new[j] for j, i in enumerate(matched) if i is not None}
    for index, node in enumerate(old):
        node_now = counterpart.get(index)
        was = _definition(node, within) if node_now is None or node_now.text != node.text else None
        if was is None:
            continue
        now = _definition(node_now, within) if node_now is not None else None
        yield Fate(_fate(was, now), was, now)
        if not within:
            yield from _fates(_members(node), _members(node_now) if node_now is not None else [], was.name)


def times_defined(source: bytes, name: bytes, lang: Language | None) -> int:
    """Count the definitions of a name in a file and in its classes."""
    nodes = _nodes(source, lang)
    inner = [member for node in nodes if name in node.text for member in _members(node)]
    return sum(name_of(node) == name for node in (*nodes, *inner))


def _members(node: Node) -> list[Node]:
    """Return the definitions in the body of a class."""
    holder = unwrapped(node)
    if not _HOLDERS.search(holder.kind):
        return []
    bodies = [part for part in holder.parts if part.parts]
    return [inner for body in bodies for inner in body.core.parts if group_of(body, inner) == "members"]


def _fate(was: Definition, now: Definition | None) -> str:
    if now is None:
        return "deleted"
    if now.name != was.name:
        return "renamed"
    return "signature" if b"".join(now.parameters.split()) != b"".join(was.parameters.split()) else "kept"


def _nodes(source: bytes, lang: Language | None) -> list[Node]:
    """Return the defining nodes of a file; a merge needs the same file many times."""
    key = id(lang), source
    known = _KNOWN.get(key)
    if known is None:
        if len(_KNOWN) >= _KNOWN_LIMIT:
            _KNOWN.clear()
        known = _KNOWN[key] = lang, _read(source, lang)
    return known[1]


def _read(source: bytes, lang: Language | None) -> list[Node]:
    root = root_of(source, lang) if lang is not None else None
    if root is None:
        return []
    return [part for part in root.parts if group_of(root, part) in _GROUPS or _VALUES.search(part.core.kind)]


def root_of(source: bytes, lang: Language) -> Node | None:
    """Return the tree of a file, or None if the file does not exist or cannot be parsed."""
    if not lang.grammar or lang.remedy or is_binary(source) or is_hostile(source, lang.grammar):
        return None
    root = parse(source, lang)
    return None if is_too_deep(root) else root


def is_nearly_same(was: Definition, now: Definition) -> bool:
    """Return whether two definitions differ in their names only, or in little else if they are long."""
    old = [now.name if word == was.name else word for word in _TOKENS.findall(was.text)]
    new = _TOKENS.findall(now.text)
    if old == new:
        return True
    shared = sum((Counter(old) & Counter(new)).values())
    return len(old) >= _MANY_WORDS and 2 * shared >= _NEARLY * (len(old) + len(new))


def _definitions(nodes: list[Node]) -> list[Definition]:
    found = [item for node in nodes if (item := _definition(node)) is not None]
    counted = Counter(item.name for item in found)
    return [item for item in found if counted[item.name] == 1]


def _definition(node: Node, within: bytes = b"") -> Definition | None:
    name = name_of(node)
    if name is None or not WORD.fullmatch(name):
        return None
    inner = unwrapped(node)
    head = inner.text.split(b"\n\n", 1)[0]
    parameters = _PARAMETERS.match(head, head.find(name) + len(name))
    words, is_value = kind_in_words(inner.kind), _VALUES.search(node.core.kind) is not None
    return Definition(name, words, node.text, parameters[1] if parameters else b"", within, is_value)
