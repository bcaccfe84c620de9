"""Check the shape of a text before any parser reads it.

A grammar's scanner may take quadratic time or fail on nesting that no real code has; such a text is merged by lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_BRACKETS = re.compile(rb"[\[\](){}]")
_TAGS = re.compile(rb"<(/?)([A-Za-z_][\w:.-]*)[^<>]*?(/?)>")
# Indentation, list and quote marks at the start of a line: each may open a level (YAML, Markdown, Python).
_FRONT = re.compile(rb"^[ \t>?*+\-]{401}", re.MULTILINE)
_VOID = frozenset(b"area base br col embed hr img input link meta param source track wbr".split())
_OPENING = frozenset({b"(", b"[", b"{"})
_MARKUP = frozenset({"xml", "html", "vue", "svelte", "astro"})
_LIMIT_DEPTH = 500


@lru_cache(maxsize=512)
def is_hostile(source: bytes, grammar: str) -> bool:
    """Return whether a text nests deeper than anything that people write."""
    if _FRONT.search(source):
        return True
    if grammar not in _MARKUP and sum(map(source.count, _OPENING)) <= _LIMIT_DEPTH:
        return False
    steps = _tags(source) if grammar in _MARKUP else _brackets(source)
    depth = 0
    for step in steps:
        depth = max(0, depth + step)
        if depth > _LIMIT_DEPTH:
            return True
    return False


def _brackets(source: bytes) -> Iterator[int]:
    return (1 if mark in _OPENING else -1 for mark in _BRACKETS.findall(source))


def _tags(source: bytes) -> Iterator[int]:
    for closing, name, empty in _TAGS.findall(source):
        if not empty and name.lower() not in _VOID:
            yield -1 if closing else 1
