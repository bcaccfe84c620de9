"""Describe what one side did to a stretch of a file."""

from __future__ import annotations

from collections.abc import Sequence

from bough_merge.syntax.entities import key_of, kind_in_words, name_of, operator_of
from bough_merge.syntax.nodes import Node

_SHORT = 40  # bytes of a text that is quoted in full


def said(base: Sequence[Node], side: Sequence[Node]) -> str:
    """Describe what one side did to a stretch of children."""
    if not base and not side:
        return "left it as it was"
    if not base:
        return "added " + _listed(side)
    if not side:
        return "removed " + _listed(base)
    if len(base) == len(side) == 1:
        if base[0].text == side[0].text:
            return "left it as it was"
        old, new = (None if operator_of(node[0]) else name_of(node[0]) for node in (base, side))
        if old is not None and new is not None and old != new:
            return f"renamed {_called(base[0])} to `{_shown(new)}`"
        short = key_of(base[0]) is None and max(len(base[0].text), len(side[0].text)) <= _SHORT
        return "changed " + _called(base[0]) + (f" to `{_shown(side[0].text)}`" if short else "")
    return f"turned {_listed(base)} into {_listed(side)}"


def _listed(nodes: Sequence[Node]) -> str:
    names = [_called(node) for node in nodes[:3]]
    return ", ".join(names) + (f" and {len(nodes) - 3} more" if len(nodes) > 3 else "")


def _called(node: Node) -> str:
    name = key_of(node)
    if name is None or operator_of(node) is not None:
        return f"`{_shown(node.text)}`" if len(node.text) <= _SHORT else f"a {kind_in_words(node.core.kind)}"
    return f"{kind_in_words(node.core.kind)} `{_shown(name)}`"


def _shown(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())[:60]
