"""Decide, entity by entity, the result of three versions, looking only into what both sides changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bough_merge.structure.children import Children
from bough_merge.structure.compose import Part, Piece, Sides, join
from bough_merge.structure.descriptions import said
from bough_merge.structure.transplant import Edit, agreed, carried, moved
from bough_merge.syntax.embedding import Embedded, embedded
from bough_merge.syntax.entities import group_of, name_of, operator_of
from bough_merge.syntax.nodes import Group, Node, members_of, same_meaning
from bough_merge.syntax.parsing import parse
from bough_merge.text.conflicts import Dispute
from bough_merge.text.lines import merge_lines
from bough_merge.text.sequences import Region, RegionKind, three_way
from bough_merge.text.versions import is_own_version, raised

# Real code nests some 60 levels deep; beyond this a node is merged by lines, so that no input can exhaust the stack.
_LIMIT_DEPTH = 100
# Entities of one file that both sides changed; beyond this many the rest is merged by lines.
_LIMIT_DECISIONS = 4000

Stretch = tuple[Sequence[Node], Sequence[Node], Sequence[Node]]


@dataclass
class Decider:
    """Merge syntax trees top-down.

    `vetoed` holds the names of entities that a gate refused to merge, `needed` the names whose imports stay although
    one side removed them, because the other side has new uses; `sources` the whole texts of base, ours and theirs.
    `pending` collects edits whose code moved elsewhere in the file, still to be made in the result.
    """

    vetoed: frozenset[bytes] = frozenset()
    needed: frozenset[bytes] = frozenset()
    sources: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    pending: list[Edit] = field(default_factory=list)
    _where: list[str] = field(default_factory=list)
    _decisions: int = 0

    def merge(self, base: Node | None, ours: Node, theirs: Node) -> list[Part]:
        """Return the merged text of one entity in order, with a `Dispute` where the sides exclude each other."""
        if ours.text == theirs.text:
            return [ours.text]
        if base is not None and ours.text == base.text and not self._drops_needed(base, theirs):
            return [theirs.text]
        if base is not None and theirs.text == base.text and not self._drops_needed(base, ours):
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

    def _drops_needed(self, base: Node, side: Node) -> bool:
        """Return whether a side removed a needed name from a list of imports."""
        if not self.needed or ("import" not in base.core.kind and "use_" not in base.core.kind):
            return False
        return not self.needed.isdisjoint(set(base.words) - set(side.words))

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
        self._decisions += 1
        if (
            len(self._where) > _LIMIT_DEPTH
            or self._decisions > _LIMIT_DECISIONS
            or not sides.ours
            or not sides.theirs
            or (base is not None and not sides.base)
        ):
            return self._leaf(base, ours, theirs)
        if operator_of(ours) != operator_of(theirs) or (base is not None and operator_of(base) != operator_of(ours)):
            return [self._dispute(base, ours, theirs, final=True)]
        if base is None and not _is_set(ours) and not isinstance(ours, Group):
            return [self._dispute(None, ours, theirs)]
        return join(self._pieces(sides, ours), sides, ours)

    def _embedded(self, base: Node, ours: Node, theirs: Node, inner: Embedded) -> list[Part]:
        """Merge another language inside this one, if all three versions of it parse."""
        roots = [
            parse(node.text[inner.quote : len(node.text) - inner.quote], inner.lang) for node in (base, ours, theirs)
        ]
        if any(root.raw is None or root.raw.has_error for root in roots):
            return self._leaf(base, ours, theirs)
        head, tail = ours.text[: inner.quote], ours.text[len(ours.text) - inner.quote :]
        return [head, *self.merge(*roots), tail]

    def _leaf(self, base: Node | None, ours: Node, theirs: Node) -> list[Part]:
        if base is not None and b"\n" in base.text:
            return list(merge_lines(base.text, ours.text, theirs.text, in_place=True))
        return [self._dispute(base, ours, theirs)]

    def _pieces(self, sides: Sides, parent: Node) -> list[Piece]:
        """Return the merged children in order: single ones, and conflicting stretches."""
        children = Children(sides, parent)
        pieces: list[Piece] = []
        emitted: set[int] = set()
        for region in three_way(list(range(len(sides.base))), children.ours, children.theirs):
            chosen = self._chosen(region, children)
            if chosen is None:
                pieces.append(
                    Piece(slices=(region.base, region.ours, region.theirs), parts=[self._clash(region, sides)])
                )
                emitted.update(children.ours[region.ours], children.theirs[region.theirs])
                continue
            for number in chosen:
                if number not in emitted and not children.repeats(number):
                    emitted.add(number)
                    pieces.append(self._piece(number, children, sides))
        return [piece for piece in pieces if any(part != b"" for part in piece.parts)]

    def _chosen(self, region: Region, children: Children) -> list[int] | None:
        """Return the children of a region in merged order, or None if the region conflicts."""
        base = list(range(region.base.start, region.base.stop))
        ours, theirs = children.ours[region.ours], children.theirs[region.theirs]
        if children.commute(region):
            return children.united(region, self.needed)
        if region.kind is RegionKind.CONFLICT:
            return children.calls(region) if base else children.included(ours, theirs)
        lost_changes = any(
            (number not in children.at_ours or number not in children.at_theirs) and children.changed(number)
            for number in base
        )
        if lost_changes and region.kind is not RegionKind.BOTH:
            return None
        return theirs if region.kind is RegionKind.THEIRS else ours

    def _piece(self, number: int, children: Children, sides: Sides) -> Piece:
        """Merge one child, wherever it is on the sides."""
        base = sides.base[number] if number < len(sides.base) else None
        at = (number if base is not None else None, children.at_ours.get(number), children.at_theirs.get(number))
        ours = sides.ours[at[1]] if at[1] is not None else None
        theirs = sides.theirs[at[2]] if at[2] is not None else None
        if ours is not None and theirs is not None:
            return Piece(at=at, parts=self.merge(base, ours, theirs))
        kept = ours or theirs
        assert kept is not None
        if base is not None and not children.imports(number, self.needed):
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
        """Carry one side's edits into the other side's version if they fit, else return the conflict."""
        base, ours, theirs = nodes
        if not final:
            whole = self._raised(texts) or self._carried(nodes, texts)
            if whole is None:
                whole = agreed(base, ours, theirs, texts[1])
            if whole is None:
                whole = agreed(base, theirs, ours, texts[2])
            if whole is not None:
                return whole
        return Dispute(*texts, self._place(), said(base, ours), said(base, theirs), final=final)

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


def _bare(text: bytes | None) -> bytes:
    return b"".join((text or b"").split())


def _is_set(node: Node) -> bool:
    """Return whether the order of a node's children is meaningless."""
    named = [part for part in node.parts if part.named] or node.parts
    return all(group_of(node, part) is not None for part in named)


def _sides(base: Node | None, ours: Node, theirs: Node) -> Sides:
    nodes = [node for node in (base, ours, theirs) if node is not None]
    if any(isinstance(node, Group) for node in nodes):
        return Sides(
            [] if base is None else members_of(base), members_of(ours), members_of(theirs), base or ours, ours, theirs
        )
    return Sides([] if base is None else base.parts, ours.parts, theirs.parts, base or ours, ours, theirs)
