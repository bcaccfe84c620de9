"""Compose merged text from original bytes: text between children is merged too, never invented."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bough_merge.syntax.entities import BARE, group_of
from bough_merge.syntax.nodes import Node
from bough_merge.text.conflicts import Dispute
from bough_merge.text.indentation import indentation, reindented

Part = bytes | Dispute
At = tuple[int | None, int | None, int | None]


@dataclass
class Piece:
    """Merged children: one, with its index on each side, or a conflicting stretch with its slices."""

    parts: list[Part]
    at: At = (None, None, None)
    slices: tuple[slice, slice, slice] | None = None
    node: Node | None = None


@dataclass
class Sides:
    """The children of one entity on three sides, and the entities themselves."""

    base: Sequence[Node]
    ours: Sequence[Node]
    theirs: Sequence[Node]
    base_node: Node
    ours_node: Node
    theirs_node: Node
    lists: tuple[tuple[Sequence[Node], Node], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.lists = ((self.base, self.base_node), (self.ours, self.ours_node), (self.theirs, self.theirs_node))

    def stretches(self, *slices: slice) -> tuple[bytes, bytes, bytes]:
        """Return the text of a stretch on each side, including the gaps at both its ends."""
        base, ours, theirs = (self._between(side, part.start - 1, part.stop) for side, part in enumerate(slices))
        return base, ours, theirs

    def gap(self, side: int, left: int) -> bytes:
        """Return the gap after child `left` (-1: at the start) of one side, up to the next child or the end."""
        return self._between(side, left, left + 1)

    def _between(self, side: int, left: int, right: int) -> bytes:
        nodes, parent = self.lists[side]
        if not nodes and parent is self.lists[1][1] and side == 0:
            return b""
        start = nodes[left].end if left >= 0 else parent.start
        end = nodes[right].start if right < len(nodes) else parent.end
        return parent.source[start:end]


def join(pieces: Sequence[Piece], sides: Sides, parent: Node) -> list[Part]:
    """Join pieces with the gaps that belong between them."""
    if not pieces and parent.core.kind in BARE:
        return []
    gaps = _Gaps(sides, parent)
    parts: list[Part] = []
    before: Piece | None = gaps.start
    for piece in [*pieces, gaps.end]:
        if piece.slices is None and before is not None and before.slices is None:
            gap = gaps.between(before, piece)
            parts.append(gap)
            parts.extend(gaps.indented(piece, gap))
        else:
            parts.extend(piece.parts)
        before = piece
    return [part for part in parts if part != b""]


class _Gaps:
    def __init__(self, sides: Sides, parent: Node):
        self.sides, self.parent, self.bare = sides, parent, parent.core.kind in BARE
        self.start = Piece([], (-1, -1, -1))
        self.end = Piece([], (len(sides.base), len(sides.ours), len(sides.theirs)))
        self.levels = tuple(self._level(side) for side in range(3))
        self.level = _three(self.levels[0], self.levels[1], self.levels[2])
        self._chosen = self._laid_out()

    def between(self, left: Piece, right: Piece) -> bytes:
        """Return the gap between two pieces, merged from the sides that have one."""
        opinions = self._opinions(left, right)
        if any(opinions[side] is not None for side in self._chosen):
            return self._levelled(opinions)
        if self._edge(left) and self._edge(right):
            return b"" if left is self.start and right is not self.end else self._closing(right)
        nearby = [*self._nearby(left, right)]
        if nearby:
            alike = [(gap, side) for gap, side, as_here in nearby if as_here]
            if alike and (left.at[0] is None or right.at[0] is None):
                return self._relevel(*alike[0])
            return self._relevel(*max(alike or [(gap, side) for gap, side, _ in nearby], key=_blank_lines))
        for side in self._chosen:
            for at in range(len(self.sides.lists[side][0]) - 1):
                if self._inner(side, at):
                    return self._relevel(self.sides.gap(side, at), side)
        return self._default(left)

    def _nearby(self, left: Piece, right: Piece) -> Iterator[tuple[bytes, int, bool]]:
        """Yield the gaps before one and after the other of two pieces that are adjacent on no side, best first.

        Each with its side, and whether it is between children of the same two types as here.
        """
        kinds = self._kind(left), self._kind(right)
        for piece, step in ((right, -1), (left, 0)):
            for side in self._chosen:
                at = piece.at[side]
                if at is not None and self._inner(side, at + step):
                    nodes = self.sides.lists[side][0]
                    around = self._kind_of(nodes[at + step]), self._kind_of(nodes[at + step + 1])
                    yield self.sides.gap(side, at + step), side, around == kinds

    def _kind(self, piece: Piece) -> str:
        """Return the group or else the type of a piece; empty for an edge."""
        for side in (1, 2, 0):
            at, nodes = piece.at[side], self.sides.lists[side][0]
            if at is not None and 0 <= at < len(nodes):
                return self._kind_of(nodes[at])
        return ""

    def _kind_of(self, node: Node) -> str:
        return group_of(self.parent, node) or node.core.kind

    def _closing(self, right: Piece) -> bytes:
        """Return the text before the closing delimiter of a list that lost all its children."""
        side = next(side for side in (1, 2, 0) if right.at[side] is not None)
        at = right.at[side]
        assert at is not None
        return self.sides.gap(side, at - 1)

    def indented(self, piece: Piece, gap: bytes) -> list[Part]:
        """Reindent a child that only one side has for its new position."""
        side = 1 if piece.at[1] is not None else 2
        at = piece.at[side]
        if (
            len(piece.parts) != 1
            or not isinstance(piece.parts[0], bytes)
            or at is None
            or at >= len(self.sides.lists[side][0])
        ):
            return piece.parts
        text = piece.parts[0]
        newline = gap.rfind(b"\n")
        node = self.sides.lists[side][0][at]
        if piece.at[3 - side] is not None or newline < 0 or b"\n" not in text:
            return piece.parts
        old = indentation(node.source, node.start)
        new = gap[newline + 1 :]
        return piece.parts if old is None or old == new else [reindented(node, old, new)]

    def _opinions(self, left: Piece, right: Piece) -> list[bytes | None]:
        """Return, per side, its gap between exactly these two, or at the edge that one of them is."""
        found: list[bytes | None] = []
        left_edge, right_edge = self._edge(left), self._edge(right)
        for side in range(3):
            a, b = left.at[side], right.at[side]
            if not self.sides.lists[side][0] and side == 0:
                found.append(None)
            elif a is not None and b is not None and b == a + 1:
                found.append(self.sides.gap(side, a))
            elif right_edge and not left_edge and b is not None and self._inner_item(side, b - 1):
                found.append(self.sides.gap(side, b - 1))
            elif left_edge and not right_edge and a is not None and self._inner_item(side, a + 1):
                found.append(self.sides.gap(side, a))
            else:
                found.append(None)
        return found

    def _edge(self, piece: Piece) -> bool:
        """Return whether a piece is a delimiter or the end of the list."""
        for side in (1, 2, 0):
            at = piece.at[side]
            if at is not None:
                nodes = self.sides.lists[side][0]
                return not (0 <= at < len(nodes)) or (not self.bare and _is_delimiter(nodes, at))
        return False

    def _inner_item(self, side: int, at: int) -> bool:
        nodes = self.sides.lists[side][0]
        return 0 <= at < len(nodes) and (nodes[at].named or self.bare)

    def _inner(self, side: int, left: int) -> bool:
        """Return whether the gap after a child is between two children that are not delimiters."""
        return self._inner_item(side, left) and self._inner_item(side, left + 1)

    def _laid_out(self) -> tuple[int, ...]:
        """Return the sides whose layout the merged list uses: one of them may have put each child on its own line."""
        layouts = [self._is_stacked(side) for side in range(3)]
        base, ours, theirs = layouts
        if ours is None or theirs is None or ours == theirs:
            return 1, 2, 0
        wanted = (theirs if ours == base else ours) if base is not None else True
        return tuple(side for side in (1, 2, 0) if layouts[side] == wanted)

    def _is_stacked(self, side: int) -> bool | None:
        """Return whether each child is on its own line, or all are on one line; None if neither."""
        nodes = self.sides.lists[side][0]
        if len(nodes) < 3 or nodes[0].named or nodes[-1].named:
            return None
        breaks = {b"\n" in self.sides.gap(side, at) for at in range(len(nodes) - 1)}
        return breaks.pop() if len(breaks) == 1 else None

    def _levelled(self, opinions: Sequence[bytes | None]) -> bytes:
        base, ours, theirs = (opinion if side in self._chosen else None for side, opinion in enumerate(opinions))
        if base is not None and ours is not None and theirs is not None:
            side = 2 if ours == base else 1
        else:
            side = 1 if ours is not None else 2 if theirs is not None else 0
        chosen = opinions[side]
        assert chosen is not None
        return self._relevel(chosen, side)

    def _level(self, side: int) -> bytes | None:
        """Return the indentation of the first child that starts a line."""
        nodes, _ = self.sides.lists[side]
        for at in range(len(nodes)):
            gap = self.sides.gap(side, at - 1)
            if b"\n" in gap and nodes[at].named:
                return gap[gap.rfind(b"\n") + 1 :]
        return None

    def _relevel(self, gap: bytes, side: int) -> bytes:
        old, new = self.levels[side], self.level
        newline = gap.rfind(b"\n")
        if newline < 0 or old is None or new is None or old == new or gap[newline + 1 :] != old:
            return gap
        return gap[: newline + 1] + new

    def _behind(self) -> bytes | None:
        """Return the line break after an entity without delimiters: its children are stacked as it is."""
        nodes, parent = self.sides.lists[1]
        if nodes and nodes[0].named and nodes[-1].named and nodes[0].start == parent.start:
            rest = parent.source[parent.end :]
            space = rest[: len(rest) - len(rest.lstrip())]
            if b"\n" in space and rest.strip():
                return space
        return None

    def _default(self, left: Piece) -> bytes:
        """Return the language's separator between two children, on a line of its own if the first one is."""
        stacked = self._behind()
        if stacked is not None:
            return stacked
        join_text = self.parent.lang.joins.get(self.parent.core.kind, b" ")
        opening = next(
            (
                self.sides.gap(side, at - 1)
                for side in (1, 2)
                if (at := left.at[side]) is not None and 0 <= at < len(self.sides.lists[side][0])
            ),
            b"\n",
        )
        return join_text.strip() + opening if b"\n" in opening else join_text


def _is_delimiter(nodes: Sequence[Node], at: int) -> bool:
    """Return whether a token opens or closes a list, so that its gap belongs to the list."""
    token = nodes[at]
    return not token.named and (at in (0, len(nodes) - 1) or not token.text.strip(b"()[]{}<>|/"))


def _blank_lines(gap: tuple[bytes, int]) -> int:
    return gap[0].count(b"\n")


def _three(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> bytes | None:
    if ours is None:
        return theirs
    return theirs if ours == base and theirs is not None else ours
