"""Every sentence that a user can read outside help is in one golden file, and is plain English."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("messages.txt")
TABLES = {"table.py", "binding_rules.py"}  # of grammars
ROOMS = ("cli/bough_cli", "daemon/bough_daemon", "merge/bough_merge", "completion/bough_completion")

SENTENCE = re.compile(r"[A-Za-z`}'’:,;)…] [A-Za-z`{'(\d]")
# Read by programs: patterns, commands, tables of names.
NO_SENTENCE = re.compile(
    r"^\\n |^([\w.]+ )?\{…\}( ?\{…\})*( 0\\t\{…\})?(\\n|\\x00)?$|^-----|^[A-Z]+( [A-Z]+)*$|\\x00|\\\\"
)
# Their arguments are read by programs, or are in the golden file of help.
UNREAD = {"debug", "Option", "Argument", "Typer", "compile", "split", "words", "_any", "_words"}


def test_every_message_is_as_written_down() -> None:
    told = written()
    if os.environ.get("BOUGH_WRITE_GOLDEN"):
        GOLDEN.write_text(told)
    assert told == GOLDEN.read_text(), "BOUGH_WRITE_GOLDEN=1 writes tests/cli/messages.txt; read what changed in it"


def written() -> str:
    """Return all messages, by file, in the order of the code."""
    return "\n".join(
        f"{path.relative_to(ROOT)}\n" + "".join(f"    {line}\n" for line in lines)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.name not in TABLES and (lines := messages(ast.parse(path.read_text())))
    )


def messages(module: ast.Module) -> list[str]:
    """Return the sentences of a module, each once."""
    found = (shown(text) for text in strings(module))
    return list(dict.fromkeys(text for text in found if SENTENCE.search(text) and not NO_SENTENCE.search(text)))


def strings(node: ast.AST) -> Iterator[ast.expr]:
    """Give the strings below a node, docstrings and what nobody reads apart."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
        return
    if (isinstance(node, ast.Call) and name_of(node.func) in UNREAD) or isinstance(node, ast.arg):
        return
    for child in ast.iter_child_nodes(node):
        docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if not docstring:
            yield from strings(child)


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def shown(node: ast.expr) -> str:
    """Return a string as the golden file has it: `{…}` for a value, `{one|other}` for a choice of words."""
    if isinstance(node, ast.Constant):
        text = str(node.value)
        return text if printable(text) else text.encode("unicode_escape").decode("ascii")
    if isinstance(node, ast.JoinedStr):
        return "".join(shown(part) for part in node.values)
    words = [shown(text) for text in strings(node.value)] if isinstance(node, ast.FormattedValue) else []
    return "{" + "|".join(words) + "}" if any(re.search(r"[a-z]{2}", word) for word in words) else "{…}"


def printable(text: str) -> bool:
    return text.isprintable()
