"""Check whether a text still parses with an answer in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from posixpath import splitext

import tree_sitter
from tree_sitter_language_pack import get_parser

from bough_completion.query import Query

# Characters on each side of the cursor that are parsed: about a millisecond.
_AROUND = 8_000
_OPENERS = "([{:,=+-*/%&|<>\\."
_GRAMMARS = {
    ".bash": "bash", ".c": "c", ".cc": "cpp", ".cpp": "cpp", ".cs": "csharp", ".css": "css", ".cxx": "cpp",
    ".go": "go", ".h": "cpp", ".hpp": "cpp", ".html": "html", ".java": "java", ".js": "javascript", ".json": "json",
    ".jsx": "javascript", ".kt": "kotlin", ".lua": "lua", ".mjs": "javascript", ".php": "php", ".py": "python",
    ".pyi": "python", ".rb": "ruby", ".rs": "rust", ".scala": "scala", ".sh": "bash", ".swift": "swift",
    ".toml": "toml", ".ts": "typescript", ".tsx": "tsx", ".yaml": "yaml", ".yml": "yaml", ".zig": "zig",
}  # fmt: skip


def grammar_of(path: str) -> str | None:
    """Return the name of the grammar for a file, or None if there is none."""
    return _GRAMMARS.get(splitext(path)[1].lower())


@lru_cache(maxsize=16)
def parser_of(grammar: str) -> tree_sitter.Parser:
    """Return the parser of a grammar; one thread at a time may use it."""
    return get_parser(grammar)  # type: ignore[arg-type]


def breaks(query: Query, text: str) -> bool:
    """Return whether inserting `text` causes a new parse error.

    A text that leaves something open, to be closed by what is typed next, is not judged.
    """
    grammar = grammar_of(query.path)
    if grammar is None or text.rstrip()[-1:] in _OPENERS or _leaves_open(text):
        return False
    before, after = _window(query)
    return _errors(grammar, before + text + after) > _errors(grammar, before + after)


def _window(query: Query) -> tuple[str, str]:
    """Return whole lines around the cursor."""
    before, after = query.prefix[-_AROUND:], query.suffix[:_AROUND]
    if len(before) < len(query.prefix):
        before = before[before.find("\n") + 1 :]
    return before, after if len(after) == len(query.suffix) else after[: after.rfind("\n") + 1]


def _leaves_open(text: str) -> bool:
    return any(text.count(opener) > text.count(closer) for opener, closer in ("()", "[]", "{}"))


def _errors(grammar: str, text: str) -> int:
    tree = parser_of(grammar).parse(text.encode("utf-8", "replace"))
    return sum(1 for _ in _faults(tree.root_node)) if tree.root_node.has_error else 0


def _faults(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """Yield erroneous and missing nodes, without recursion: trees may be deep."""
    open_nodes = [node]
    while open_nodes:
        node = open_nodes.pop()
        if node.is_error or node.is_missing:
            yield node
        open_nodes.extend(child for child in node.children if child.has_error)
