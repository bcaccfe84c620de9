"""Find what a file imports, and what it offers to others, by tree-sitter, in any language with a grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from posixpath import splitext

import tree_sitter

from bough_completion.text.syntax import grammar_of, parser_of

# Characters of the longest file that is parsed: about 50 ms.
_LONGEST = 200_000
_IMPORTS = ("import", "include", "use_declaration", "using", "require")
_WRAPPERS = ("decorated", "export", "declaration_list", "namespace", "impl", "mod_item", "linkage", "template")
_DEPTH = 3
_PATH = re.compile(r"[\w./:\\-]*\w")
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class OutlineEntry:
    """A name and its signature: the text before its body. `within` is the outermost name around it."""

    name: str
    text: str
    within: str = ""


@dataclass(frozen=True)
class Import:
    """One import: the parts of each path that it may mean, and all its words."""

    paths: tuple[tuple[str, ...], ...]
    words: frozenset[str]


@lru_cache(maxsize=128)
def definitions_in(path: str, text: str) -> tuple[OutlineEntry, ...]:
    """Return the signatures of the functions, classes and types of a file, in order; none without a grammar."""
    grammar = grammar_of(path)
    if grammar is None or len(text) > _LONGEST:
        return ()
    source = text.encode("utf-8", "replace")
    return tuple(_definitions(parser_of(grammar).parse(source).root_node, source, _DEPTH))


@lru_cache(maxsize=16)
def imports_in(path: str, head: str) -> tuple[Import, ...]:
    """Return the imports at the head of a file."""
    grammar = grammar_of(path)
    if grammar is None:
        return ()
    source = head.encode("utf-8", "replace")
    root = parser_of(grammar).parse(source).root_node
    return tuple(_import(_text(node, source)) for node in root.children if any(word in node.type for word in _IMPORTS))


def means(found: Import, path: str) -> bool:
    """Return whether an import may mean the file at `path`: the end of its path is what the import names."""
    parts = splitext(path)[0].split("/")
    if parts[-1] in ("__init__", "index", "mod"):
        parts.pop()
    return any(parts[-len(named) :] == list(named) for named in found.paths)


def _definitions(node: tree_sitter.Node, source: bytes, depth: int, within: str = "") -> Iterator[OutlineEntry]:
    for child in node.children:
        body = child.child_by_field_name("body")
        named = child.child_by_field_name("name") or child.child_by_field_name("declarator")
        if named is None:
            if depth and any(word in child.type for word in _WRAPPERS):
                yield from _definitions(child, source, depth - 1, within)
            continue
        name = next(iter(_WORD.findall(_text(named, source))), "")
        if body is not None or "function" in named.type or child.type.endswith("_spec"):
            end = body.start_byte if body is not None else child.end_byte
            yield OutlineEntry(name, _signature(child, end, source), within)
        if body is not None and depth and "function" not in child.type and "method" not in child.type:
            yield from _definitions(body, source, depth - 1, within or name)


def _signature(node: tree_sitter.Node, end: int, source: bytes) -> str:
    """Return the signature of a definition on one line, with its indentation."""
    start = node.start_byte
    line = source.rfind(b"\n", 0, start) + 1
    indent = source[line:start] if not source[line:start].strip() else b""
    text = b" ".join(source[start:end].split()).removesuffix(b"{").strip()
    return (indent + text).decode("utf-8", "replace")


def _import(text: str) -> Import:
    paths = []
    for found in _PATH.findall(text):
        named = splitext(found)[0] if "/" in found else found
        parts = tuple(filter(None, re.split(r"[./:\\]+", named)))
        parts = tuple(part for part in parts if part not in ("crate", "self", "super"))
        if parts:
            paths += [parts, parts[:-1]] if len(parts) > 1 else [parts]
    return Import(tuple(filter(None, paths)), frozenset(_WORD.findall(text)))


def _text(node: tree_sitter.Node, source: bytes) -> str:
    return source[node.start_byte : node.end_byte].decode("utf-8", "replace")
