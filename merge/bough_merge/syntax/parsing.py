"""Parse one side of a merge: by its grammar, or by lines if the file is a list of records."""

from __future__ import annotations

from typing import get_args

from tree_sitter_language_pack import SupportedLanguage, get_parser

from bough_merge.syntax.language import Language
from bough_merge.syntax.nodes import Node
from bough_merge.syntax.records import parse_records

# Recent results, by (language, content). A node holds its language, so that the language's id stays unique.
_ROOTS: dict[tuple[int, bytes], Node] = {}
_LIMIT_ROOTS = 512
_GRAMMARS = frozenset(get_args(SupportedLanguage))


def has_grammar(lang: Language) -> bool:
    """Return whether a language can be parsed. The pack would load a library from any other path-like name."""
    return not lang.grammar or lang.grammar in _GRAMMARS


def parse(source: bytes, lang: Language) -> Node:
    """Parse one side; broken syntax still gives a tree, with `has_error` on its raw root.

    A merge of whole trees parses the same file for several reasons, so results are kept for a while.
    """
    key = id(lang), source
    if key not in _ROOTS:
        if len(_ROOTS) >= _LIMIT_ROOTS:
            _ROOTS.clear()
        _ROOTS[key] = _parsed(source, lang)
    return _ROOTS[key]


def _parsed(source: bytes, lang: Language) -> Node:
    if not lang.grammar:
        return parse_records(source, lang)
    raw = get_parser(lang.grammar).parse(source).root_node  # type: ignore[arg-type]
    return Node(raw, raw.type, source, 0, len(source), lang)
