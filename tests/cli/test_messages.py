"""Every sentence that a user can read outside help is in one golden file, and is plain English."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

# Words of HOUSE's table, in any sentence that a user or a contributor reads.
BANNED = re.compile(
    r"\b(stands|lies|anew|mends?|mended|whoever|of mine|one who|those whom|takes? back|taken back|took back|leads home"
    r"|she|hers?|our own fault|any more|of whom|somebody|but for|raises? \w+ where|(?:none|empty) where"
    r"|(?:stays?|kept) at home|is told of|tells of|is as it was|is there once|begins? again)\b|\bis no [\w ]+ for\b",
    re.IGNORECASE,
)
# Where such a word has its ordinary meaning: a part of the line, and why.
ALLOWED: dict[str, str] = {}

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("messages.txt")
TABLES = {"table", "binding_rules.py"}  # of grammars
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


def test_no_sentence_has_a_word_that_a_native_engineer_would_not_write() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/cli/*.txt")]
    product = [path for room in (*ROOMS, "proto") for path in (ROOT / room).rglob("*.p[yr]*")]
    read = [*documents, *(path for path in product if path.suffix in (".py", ".proto") and "_pb2" not in path.name)]
    assert len(read) > 300
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in read
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BANNED.search(line) and not any(part in line for part in ALLOWED)
    ]
    assert found == []


def test_the_list_of_commands_shows_the_first_line_of_each_help_whole() -> None:
    page = (ROOT / "tests/cli/help.txt").read_text()
    lists = re.findall(r"^Commands:\n((?:  .+\n)+)", page, re.MULTILINE)
    assert len(lists) == 6
    assert [line for line in "".join(lists).splitlines() if line.endswith("...")] == []


def written() -> str:
    """Return all messages, by file, in the order of the code."""
    return "\n".join(
        f"{path.relative_to(ROOT)}\n" + "".join(f"    {line}\n" for line in lines)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if not TABLES & {path.name, path.parent.name} and (lines := messages(ast.parse(path.read_text())))
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
