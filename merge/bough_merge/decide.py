"""Decide, entity by entity, what three versions come to; only what both sides changed is looked into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .compose import Part, Piece, Sides, join
from .conflicts import Dispute
from .embedding import Embedded, embedded
from .entities import group_of, identity_of, key_of, kind_in_words, name_of
from .lines import merge_lines
from .matching import match, match_new
from .sequences import Kind, Region, three_way
from .syntax import Group, Node, members_of, parse, same_meaning
from .transplant import Edit, agreed, carried, moved
from .versions import is_own_version, raised

# Real code nests some 60 levels deep; beyond this a node is merged by lines, so that no input can exhaust the stack.
_LIMIT_DEPTH = 100


_RANKS = {"future": 0, "imports": 1}

Stretch = tuple[Sequence[Node], Sequence[Node], Sequence[Node]]


@dataclass
class Decider:
    """Merge syntax trees top-down.

    `vetoed` holds the names of entities that a gate refused to see merged, `needed` the names whose imports stay
    though one side dropped them, because the other side has new uses; `sources` the whole texts of base, ours and
    theirs. `pending` collects edits whose code moved elsewhere in the file: they are still to be made in the result.
    """

    vetoed: frozenset[bytes] = frozenset()
    needed: frozenset[bytes] = frozenset()
    sources: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    pending: list[Edit] = field(default_factory=list)
    _where: list[str] = field(default_factory=list)

    def merge(self, base: Node | None, ours: Node, theirs: Node) -> list[Part]:
        """Return the merged text of one entity in order, with a `Dispute` for what the sides cannot both have."""
        if ours.text == theirs.text:
            return [ours.text]
        if base is not None and ours.text == base.text:
            return [theirs.text]
        if base is not None and theirs.text == base.text:
            return [ours.text]
        if same_meaning(ours, theirs):
            return [ours.text]
        name = name_of(ours)
        if self.vetoed and not self.vetoed.isdisjoint({name, name_of(theirs), base and name_of(base)}):
            return [self._dispute(base, ours, theirs, final=True)]
        self._where.append(name.decode("utf-8", "replace") if name and b"\n" not in name else "")
        try:
            return self._deeper(base, ours, theirs)
        finally:
            self._where.pop()

    def _deeper(self, base: Node | None, ours: Node, theirs: Node) -> list[Part]:
        inner = embedded(ours) if base is not None else None
        if base is not None and inner is not None:
            return self._embedded(base, ours, theirs, inner)
        parts = self._by_children(base, ours, theirs)
        disputes = [part for part in parts if isinstance(part, Dispute)]
        if not disputes or base is None:
            return parts
        if same_meaning(base, ours):
            return [theirs.text]
        if same_meaning(base, theirs):
            return [ours.text]
        if not any(dispute.final for dispute in disputes):
            by_lines = merge_lines(base.text, ours.text, theirs.text)
            if all(isinstance(part, bytes) for part in by_lines):
                return list(by_lines)
        return parts

    def _by_children(self, base: Node | None, ours: Node, theirs: Node) -> list[Part]:
        sides = _sides(base, ours, theirs)
        if (
            len(self._where) > _LIMIT_DEPTH
            or not sides.ours
            or not sides.theirs
            or (base is not None and not sides.base)
        ):
            return self._leaf(base, ours, theirs)
        if base is None and not _is_set(ours) and not isinstance(ours, Group):
            return [self._dispute(None, ours, theirs)]
        return join(self._pieces(sides, ours), sides, ours)

    def _embedded(self, base: Node, ours: Node, theirs: Node, inner: Embedded) -> list[Part]:
        """Merge another language inside this one, where all three versions of it parse."""
        roots = [
            parse(node.text[inner.quote : len(node.text) - inner.quote], inner.lang) for node in (base, ours, theirs)
        ]
        if any(root.raw is None or root.raw.has_error for root in roots):
            return self._leaf(base, ours, theirs)
        head, tail = ours.text[: inner.quote], ours.text[len(ours.text) - inner.quote :]
        return [head, *self.merge(*roots), tail]

    def _leaf(self, base: Node | None, ours: Node, theirs: Node) -> list[Part]:
        if base is not None and b"\n" in base.text:
            return list(merge_lines(base.text, ours.text, theirs.text))
        return [self._dispute(base, ours, theirs)]

    def _pieces(self, sides: Sides, parent: Node) -> list[Piece]:
        """Return the merged children in order: single ones, and stretches in dispute."""
        ids = _Ids(sides, parent)
        pieces: list[Piece] = []
        emitted: set[int] = set()
        for region in three_way(list(range(len(sides.base))), ids.ours, ids.theirs):
            chosen = self._chosen(region, ids, sides, parent)
            if chosen is None:
                pieces.append(
                    Piece(slices=(region.base, region.ours, region.theirs), parts=[self._clash(region, sides)])
                )
                emitted.update(ids.ours[region.ours], ids.theirs[region.theirs])
                continue
            for number in chosen:
                if number not in emitted and not ids.repeats(number):
                    emitted.add(number)
                    pieces.append(self._piece(number, ids, sides))
        return [piece for piece in pieces if any(part != b"" for part in piece.parts)]

    def _chosen(self, region: Region, ids: _Ids, sides: Sides, parent: Node) -> list[int] | None:
        """Return the children of a region in merged order, or None where the region is in dispute."""
        base = list(range(region.base.start, region.base.stop))
        ours, theirs = ids.ours[region.ours], ids.theirs[region.theirs]
        if ids.commute(region, parent):
            return _united(base, ours, theirs, ids, self.needed)
        if region.kind is Kind.CONFLICT:
            return None if base else ids.included(ours, theirs)
        lost_changes = any(
            (number not in ids.at_ours or number not in ids.at_theirs) and ids.changed(number, sides) for number in base
        )
        if lost_changes and region.kind is not Kind.BOTH:
            return None
        return theirs if region.kind is Kind.THEIRS else ours

    def _piece(self, number: int, ids: _Ids, sides: Sides) -> Piece:
        """Merge one child, wherever the sides have it."""
        base = sides.base[number] if number < len(sides.base) else None
        at = (number if base is not None else None, ids.at_ours.get(number), ids.at_theirs.get(number))
        ours = sides.ours[at[1]] if at[1] is not None else None
        theirs = sides.theirs[at[2]] if at[2] is not None else None
        if ours is not None and theirs is not None:
            return Piece(at=at, parts=self.merge(base, ours, theirs))
        kept = ours or theirs
        assert kept is not None
        if base is not None and not ids.imports(number, self.needed):
            return Piece(at=at, parts=[self._dispute(base, ours, theirs)])
        return Piece(at=at, parts=[kept.text])

    def _clash(self, region: Region, sides: Sides) -> Part:
        texts = sides.stretches(region.base, region.ours, region.theirs)
        nodes = sides.base[region.base], sides.ours[region.ours], sides.theirs[region.theirs]
        return self._settled(nodes, texts, final=False)

    def _dispute(self, base: Node | None, ours: Node | None, theirs: Node | None, final: bool = False) -> Part:
        nodes = [[] if node is None else [node] for node in (base, ours, theirs)]
        texts = [b"" if node is None else node.text for node in (base, ours, theirs)]
        return self._settled((nodes[0], nodes[1], nodes[2]), (texts[0], texts[1], texts[2]), final or base is None)

    def _settled(self, nodes: Stretch, texts: tuple[bytes, bytes, bytes], final: bool) -> Part:
        """Carry one side's edits into the other side's version where they fit, else return the dispute."""
        base, ours, theirs = nodes
        if not final:
            whole = self._raised(texts) or self._carried(nodes, texts)
            if whole is None:
                whole = agreed(base, ours, theirs, texts[1])
            if whole is None:
                whole = agreed(base, theirs, ours, texts[2])
            if whole is not None:
                return whole
        said_ours, said_theirs = _said(nodes[0], nodes[1]), _said(nodes[0], nodes[2])
        return Dispute(*texts, self._place(), said_ours, said_theirs, final=final)

    def _raised(self, texts: tuple[bytes, bytes, bytes]) -> bytes | None:
        return raised(*texts, own=is_own_version(self._place()))

    def _carried(self, nodes: Stretch, texts: tuple[bytes, bytes, bytes]) -> bytes | None:
        base, ours, theirs = nodes
        found = {carried(base, theirs, ours, texts[1]), carried(base, ours, theirs, texts[2])} - {None}
        if found:
            return min(found, key=lambda text: text or b"") if len({_bare(text) for text in found}) == 1 else None
        for edited, other, text in ((theirs, ours, texts[1]), (ours, theirs, texts[2])):
            edits = moved(base, edited, self.sources[0], self.sources[1 if other is ours else 2])
            if edits:
                self.pending.extend(edits)
                return text
        return None

    def _place(self) -> str:
        return ".".join(dict.fromkeys(name for name in self._where if name))


class _Ids:
    """Give each child one number across the sides: base children their index, new ones numbers above."""

    def __init__(self, sides: Sides, parent: Node):
        self._sides = sides
        count = len(sides.base)
        mine, other = match(sides.base, sides.ours, parent), match(sides.base, sides.theirs, parent)
        self.ours = [count + j if i is None else i for j, i in enumerate(mine)]
        first = count + len(mine)
        self.theirs = [first + k if i is None else i for k, i in enumerate(other)]
        new_ours = [j for j, i in enumerate(mine) if i is None]
        new_theirs = [k for k, i in enumerate(other) if i is None]
        self._parent = parent
        for j, k in match_new(sides.ours, sides.theirs, new_ours, new_theirs, parent):
            self.theirs[k] = self.ours[j]
        self._index()

    def _index(self) -> None:
        self.at_ours = {number: j for j, number in enumerate(self.ours)}
        self.at_theirs = {number: k for k, number in enumerate(self.theirs)}

    def node(self, number: int) -> Node:
        """Return a version of a child, ours first."""
        sides = self._sides
        if number in self.at_ours:
            return sides.ours[self.at_ours[number]]
        return sides.theirs[self.at_theirs[number]] if number in self.at_theirs else sides.base[number]

    def changed(self, number: int, sides: Sides) -> bool:
        """Tell whether a side that still has a base child gave it another meaning."""
        base = sides.base[number]
        return any(
            not same_meaning(base, nodes[at[number]])
            for nodes, at in ((sides.ours, self.at_ours), (sides.theirs, self.at_theirs))
            if number in at
        )

    def imports(self, number: int, needed: frozenset[bytes]) -> bool:
        """Tell whether a child imports a name that is needed."""
        node = self.node(number)
        return group_of(self._parent, node) in ("imports", "names") and not needed.isdisjoint(node.words)

    def repeats(self, number: int) -> bool:
        """Tell whether a new import states what the base and both sides import already."""
        sides = self._sides
        if number < len(sides.base) or group_of(self._parent, self.node(number)) != "imports":
            return False
        text = self.node(number).core.text
        return any(
            node.core.text == text and at in self.at_ours and at in self.at_theirs for at, node in enumerate(sides.base)
        )

    def included(self, ours: Sequence[int], theirs: Sequence[int]) -> list[int] | None:
        """Return the longer of two insertions where it contains the other one's texts in order, else None."""
        longer, shorter = (ours, theirs) if len(ours) >= len(theirs) else (theirs, ours)
        rest = iter([self.node(number).text for number in longer])
        return list(longer) if shorter and all(self.node(number).text in rest for number in shorter) else None

    def rank(self, number: int) -> int:
        """Return where children of a group stand among other groups: imports come first."""
        return _RANKS.get(group_of(self._parent, self.node(number)) or "", len(_RANKS))

    def commute(self, region: Region, parent: Node) -> bool:
        """Tell whether the order of everything in a region means nothing to the language."""
        numbers = {*range(region.base.start, region.base.stop), *self.ours[region.ours], *self.theirs[region.theirs]}
        groups = {group_of(parent, self.node(number)) for number in numbers}
        if not groups or None in groups:
            return False
        return "assignments" not in groups or (len(groups) == 1 and self._independent(region))

    def _independent(self, region: Region) -> bool:
        """Tell whether neither side's new assignments mention what the other side assigns."""
        mine = [
            self._sides.ours[j]
            for j in range(region.ours.start, region.ours.stop)
            if self.ours[j] >= len(self._sides.base)
        ]
        other = [
            self._sides.theirs[k]
            for k in range(region.theirs.start, region.theirs.stop)
            if self.theirs[k] >= len(self._sides.base)
        ]
        return not any(
            (name_of(node) or node.text) in stranger.text
            for nodes, strangers in ((mine, other), (other, mine))
            for node in nodes
            for stranger in strangers
            if identity_of(self._parent, node) != identity_of(self._parent, stranger)
        )


def _united(
    base: Sequence[int], ours: Sequence[int], theirs: Sequence[int], ids: _Ids, needed: frozenset[bytes]
) -> list[int]:
    """Unite two versions of a set: ours in its order, then what only theirs has.

    What one side dropped is gone, and what one side moved elsewhere is not here.
    """
    gone = {number for number in base if number not in ids.at_ours or number not in ids.at_theirs}
    kept = {number for number in gone if ids.changed(number, ids._sides) or ids.imports(number, needed)}
    left = {number for number in base if number not in gone and (number not in ours or number not in theirs)}
    united = [
        number
        for number in dict.fromkeys((*ours, *theirs))
        if (number not in gone or number in kept) and number not in left
    ]
    return sorted(united, key=ids.rank)


def _bare(text: bytes | None) -> bytes:
    return b"".join((text or b"").split())


def _is_set(node: Node) -> bool:
    """Tell whether order means nothing among all children of a node."""
    named = [part for part in node.parts if part.named] or node.parts
    return all(group_of(node, part) is not None for part in named)


def _sides(base: Node | None, ours: Node, theirs: Node) -> Sides:
    nodes = [node for node in (base, ours, theirs) if node is not None]
    if any(isinstance(node, Group) for node in nodes):
        return Sides(
            [] if base is None else members_of(base), members_of(ours), members_of(theirs), base or ours, ours, theirs
        )
    return Sides([] if base is None else base.parts, ours.parts, theirs.parts, base or ours, ours, theirs)


def _said(base: Sequence[Node], side: Sequence[Node]) -> str:
    """Say in words what one side did to a stretch of children."""
    if not base and not side:
        return "left it as it was"
    if not base:
        return "added " + _listed(side)
    if not side:
        return "removed " + _listed(base)
    if len(base) == len(side) == 1:
        if base[0].text == side[0].text:
            return "left it as it was"
        old, new = name_of(base[0]), name_of(side[0])
        if old is not None and new is not None and old != new:
            return f"renamed {_called(base[0])} to `{_shown(new)}`"
        return "changed " + _called(base[0])
    return f"turned {_listed(base)} into {_listed(side)}"


def _listed(nodes: Sequence[Node]) -> str:
    names = [_called(node) for node in nodes[:3]]
    return ", ".join(names) + (f" and {len(nodes) - 3} more" if len(nodes) > 3 else "")


def _called(node: Node) -> str:
    name = key_of(node)
    if name is None:
        return f"`{_shown(node.text)}`" if len(node.text) <= 40 else f"a {kind_in_words(node.core.kind)}"
    return f"{kind_in_words(node.core.kind)} `{_shown(name)}`"


def _shown(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())[:60]
