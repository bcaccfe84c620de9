"""Parse files that are lists of records, one per line, without a grammar."""

from __future__ import annotations

import re

from bough_merge.syntax.language import Language
from bough_merge.syntax.nodes import Group, Node

_OPENING = re.compile(rb"^(\S+)\s*\($")
_CELL = re.compile(rb'"(?:[^"]|"")*"|[^,;\t\r\n]+')


def parse_records(source: bytes, lang: Language) -> Node:
    """Parse a file of records: a tree of lines, of blocks in parentheses, and of cells if the row has `cells`."""
    members: list[Node] = []
    block: list[Node] | None = None
    title = b""
    at = 0
    for line in source.split(b"\n"):
        text = line.strip()
        start = at + line.find(text[:1]) if text else at
        at += len(line) + 1
        if not text:
            continue
        node = _record(source, start, start + len(text), lang, title)
        opening = _OPENING.match(text) if lang.blocks else None
        if opening is not None and block is None:
            block, title = [_mark(node)], opening[1] + b" "
        elif block is None:
            members.append(node)
        elif text == b")":
            members.append(_labelled(Group([*block, _mark(node)], node), "block", title.strip()))
            block, title = None, b""
        else:
            block.append(node)
    members.extend(block or [])
    root = Node(None, "records", source, 0, len(source), lang)
    root.parts = _with_comments(members)
    return root


def _record(source: bytes, start: int, end: int, lang: Language, title: bytes) -> Node:
    text = source[start:end]
    if text.startswith((b"#", b"//")):
        return Node(None, "comment", source, start, end, lang)
    node = Node(None, "record", source, start, end, lang)
    key = re.match(lang.record_key, title + text) if lang.record_key else None
    node.label = b" ".join(part for part in key.groups() if part) if key is not None else None
    if lang.cells:
        node.parts = _cells(source, start, end, lang)
        node.label = node.parts[0].text if node.parts else None
    elif lang.ordered_records and re.match(lang.ordered_records, text):
        node.kind = "ordered"
    return node


def _cells(source: bytes, start: int, end: int, lang: Language) -> list[Node]:
    found: list[Node] = []
    for count, cell in enumerate(_CELL.finditer(source, start, end)):
        node = Node(None, "cell", source, cell.start(), cell.end(), lang)
        node.label = b"%d" % count
        found.append(node)
    return found


def _with_comments(members: list[Node]) -> list[Node]:
    """Bind each comment to the record directly after it."""
    found: list[Node] = []
    for node in members:
        if (
            found
            and found[-1].kind == "comment"
            and node.kind == "record"
            and node.source.count(b"\n", found[-1].end, node.start) == 1
        ):
            comment = found.pop()
            node = Group([comment, node], node)
        found.append(node)
    return found


def _mark(node: Node) -> Node:
    node.kind, node.named, node.label = "mark", False, None
    return node


def _labelled(group: Group, kind: str, label: bytes) -> Node:
    node = Node(None, kind, group.source, group.start, group.end, group.lang)
    node.parts, node.label = group.members, label
    return node
