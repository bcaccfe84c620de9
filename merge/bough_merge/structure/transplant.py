"""Carry one side's edits into code that the other side wrapped, moved or rewrote around them.

If one side only changed nodes deep inside a stretch, and the other side kept those nodes while it changed what is
around them, the edits apply to the other side's version. An edit is carried only if its old text occurs exactly once,
in the base as well as on the other side; a word that one side renamed everywhere is renamed everywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

from bough_merge.syntax.entities import operator_of
from bough_merge.syntax.nodes import Node, same_meaning
from bough_merge.text.conflicts import Dispute
from bough_merge.text.indentation import depth_at, reindented

_LIMIT_EDITS = 60
_LIMIT_DEPTH = 60
_LIMIT_BYTES = 2000
# An edit that is searched anywhere in the file must have at least this length, or it could match by chance.
_TELLING_WORDS = 5


@dataclass
class Edit:
    """A changed node and the changed nodes around it, innermost first: each an old and a new version."""

    chain: tuple[tuple[Node, Node], ...]

    @cached_property
    def texts(self) -> tuple[bytes, bytes]:
        """Return the smallest old and new text."""
        return self.chain[0][0].text, self.chain[0][1].text


def carried(base: Sequence[Node], edited: Sequence[Node], target: Sequence[Node], text: bytes) -> bytes | None:
    """Return `text`, the other side's version of a stretch, with the edits of one side, or None if they do not fit.

    `base`, `edited` and `target` are the nodes of the stretch in the base, on the side whose edits are carried and on
    the other side.
    """
    edits = edits_of(base, edited)
    if not edits or not target:
        return None
    before = b"\n".join(node.text for node in base)
    counted = Counter(edit.texts for edit in edits)
    done: set[tuple[bytes, bytes]] = set()
    for edit in edits:
        if edit.texts in done:
            continue
        done.add(edit.texts)
        changed = _applied(edit, counted[edit.texts], before, text, depth_at(target[0].source, target[0].start))
        if changed is None:
            return None
        text = changed
    return text


def _applied(edit: Edit, times: int, before: bytes, text: bytes, depth: bytes) -> bytes | None:
    """Apply an edit to a text whose first line has the indentation `depth`; None if its place is not certain."""
    for old, new in edit.chain:
        pattern = pattern_of(old)
        in_base, in_text = len(pattern.findall(before)), len(pattern.findall(text))
        if not in_text:
            new_there = new.words and not pattern_of(new).search(before)
            return text if new_there and len(pattern_of(new).findall(text)) == times else None
        there = len(pattern_of(new).findall(text)) if new.words else 0
        if there and pattern.search(new.text):
            return text if there == times else None
        if there and not pattern_of(new).search(before):
            return None
        if in_base == in_text == 1 or (
            in_base == times and len(edit.chain[0][0].words) == 1 and old is edit.chain[0][0]
        ):
            return _replaced(pattern, new, text, depth)
    return None


def _replaced(pattern: re.Pattern[bytes], new: Node, text: bytes, depth: bytes = b"") -> bytes:
    """Replace each occurrence of the old version by the new one, reindented; `depth` is the first line's."""

    def placed(found: re.Match[bytes]) -> bytes:
        there = depth_at(text, found.start()) if b"\n" in text[: found.start()] else depth
        return reindented(new, depth_at(new.source, new.start), there or depth_at(text, found.start()))

    return pattern.sub(placed, text)


def edits_of(base: Sequence[Node], edited: Sequence[Node]) -> list[Edit] | None:
    """Return the smallest changed nodes below two equally long stretches, or None if they are not inside them."""
    if len(base) != len(edited):
        return None
    found: list[Edit] = []
    for old, new in zip(base, edited, strict=True):
        if not _collect(old, new, (), found):
            return None
        if len(base) == 1 and any(edit.chain[0][0] is old for edit in found):
            return None
    return found if len(found) <= _LIMIT_EDITS else None


def _collect(old: Node, new: Node, around: tuple[tuple[Node, Node], ...], found: list[Edit]) -> bool:
    if len(found) > _LIMIT_EDITS:
        return False
    if same_meaning(old, new):
        return True
    chain = ((old, new), *around)
    if old.core.kind != new.core.kind and around == ():
        return False
    alike = len(old.parts) == len(new.parts) > 0 and old.core.kind == new.core.kind and len(chain) < _LIMIT_DEPTH
    alike = alike and operator_of(old) == operator_of(new)
    if not alike or any(one.named != two.named for one, two in zip(old.parts, new.parts, strict=True)):
        found.append(Edit(chain))
        return True
    return all(_collect(one, two, chain, found) for one, two in zip(old.parts, new.parts, strict=True))


def agreed(base: Sequence[Node], ours: Sequence[Node], theirs: Sequence[Node], text: bytes) -> bytes | None:
    """Return `text`, our version of a stretch, with theirs wherever only they changed the base, or None.

    Both sides put the same new shape around the old code; where they differ inside of it, the side that also differs
    from the base's code is the one that changed it.
    """
    edits = edits_of(theirs, ours) if base and ours else None
    if not edits:
        return None
    before = b"\n".join(node.text for node in base)
    offset = text.find(ours[0].text) - ours[0].start
    replaced: dict[tuple[int, int], bytes] = {}
    for edit in edits:
        for other, mine in edit.chain:
            kept = len(pattern_of(other).findall(before)), len(pattern_of(mine).findall(before))
            if kept == (0, 1):
                depths = depth_at(other.source, other.start), depth_at(mine.source, mine.start)
                replaced[mine.start + offset, mine.end + offset] = reindented(other, *depths)
            if kept in ((0, 1), (1, 0)):
                break
        else:
            return None
    spans = sorted(replaced)
    if any(end > start for (_, end), (start, _) in pairwise(spans)):
        return None
    for start, end in reversed(spans):
        text = text[:start] + replaced[start, end] + text[end:]
    return text


def pattern_of(node: Node) -> re.Pattern[bytes]:
    """Return a pattern for a node's text with any white space between its tokens; none for text that is too long."""
    return _pattern(tuple(node.words) if len(node.text) <= _LIMIT_BYTES else ())


@lru_cache(maxsize=256)
def _pattern(words: tuple[bytes, ...]) -> re.Pattern[bytes]:
    if not words:
        return re.compile(rb"(?!)")
    head = rb"(?<!\w)" if re.match(rb"\w", words[0]) else b""
    tail = rb"(?!\w)" if re.match(rb"\w", words[-1]) else b""
    return re.compile(head + rb"\s*".join(re.escape(word) for word in words) + tail)


def moved(base: Sequence[Node], edited: Sequence[Node], before: bytes, other: bytes) -> list[Edit]:
    """Return one side's edits of a stretch, each widened until its old text occurs once in both whole files.

    `before` is the whole base and `other` the whole file of the side that moved the code. Empty if one does not fit.
    """
    found: list[Edit] = []
    for edit in edits_of(base, edited) or []:
        for at, (old, new) in enumerate(edit.chain):
            pattern = pattern_of(old)
            if pattern.search(new.text) and pattern_of(new).search(other):
                break  # the side that moved the code made the same edit
            if len(old.words) >= _TELLING_WORDS and len(pattern.findall(before)) == 1 == len(pattern.findall(other)):
                found.append(Edit(edit.chain[at:]))
                break
        else:
            return []
    return found


def made(parts: list[bytes | Dispute], edits: Sequence[Edit]) -> list[bytes | Dispute] | None:
    """Apply moved edits to merged text, or return None if the place of one is no longer certain."""
    parts = list(parts)
    for edit in edits:
        old, new = edit.chain[0]
        pattern = pattern_of(old)
        places = [at for at, part in enumerate(parts) if isinstance(part, bytes) for _ in pattern.finditer(part)]
        if len(places) != 1:
            return None
        part = parts[places[0]]
        assert isinstance(part, bytes)
        parts[places[0]] = _replaced(pattern, new, part)
    return parts
