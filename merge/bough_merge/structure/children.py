"""The children of one entity on three sides: their versions, and which of them may be in any order."""

from __future__ import annotations

from collections.abc import Sequence

from bough_merge.structure.compose import Sides
from bough_merge.structure.matching import match, match_new
from bough_merge.syntax.entities import group_of, identity_of, is_call, name_of
from bough_merge.syntax.nodes import Node, same_code
from bough_merge.text.sequences import Region

# Where children of several groups meet, these come first.
_RANKS = {"future": 0, "imports": 1}
# Groups that may meet: nothing in one depends on the position of another.
_MIXED = frozenset({"future", "imports", "members", "declarations", "registrations"})


class Children:
    """Number children across the sides: base children by their index, new ones above."""

    def __init__(self, sides: Sides, parent: Node):
        self._sides = sides
        count = len(sides.base)
        mine, other = match(sides.base, sides.ours, parent), match(sides.base, sides.theirs, parent)
        self.ours = [count + j if i is None else i for j, i in enumerate(mine)]
        first = count + len(mine)
        self.theirs = [first + k if i is None else i for k, i in enumerate(other)]
        new_ours = [j for j, i in enumerate(mine) if i is None]
        new_theirs = [k for k, i in enumerate(other) if i is None]
        self._parent, self._lang = parent, parent.lang
        for j, k in match_new(sides.ours, sides.theirs, new_ours, new_theirs, parent):
            self.theirs[k] = self.ours[j]
        self.at_ours = {number: j for j, number in enumerate(self.ours)}
        self.at_theirs = {number: k for k, number in enumerate(self.theirs)}

    def node(self, number: int) -> Node:
        """Return a version of a child, ours first."""
        sides = self._sides
        if number in self.at_ours:
            return sides.ours[self.at_ours[number]]
        return sides.theirs[self.at_theirs[number]] if number in self.at_theirs else sides.base[number]

    def changed(self, number: int) -> bool:
        """Return whether a side that still has a base child changed more of it than comments."""
        sides = self._sides
        base = sides.base[number]
        return any(
            not same_code(base, nodes[at[number]])
            for nodes, at in ((sides.ours, self.at_ours), (sides.theirs, self.at_theirs))
            if number in at
        )

    def imports(self, number: int, needed: frozenset[bytes]) -> bool:
        """Return whether a child imports a needed name."""
        node = self.node(number)
        return group_of(self._parent, node) in ("imports", "names") and not needed.isdisjoint(node.words)

    def repeats(self, number: int) -> bool:
        """Return whether a new import repeats what the base and both sides already import."""
        sides = self._sides
        if number < len(sides.base) or group_of(self._parent, self.node(number)) != "imports":
            return False
        text = self.node(number).core.text
        return any(
            node.core.text == text and at in self.at_ours and at in self.at_theirs for at, node in enumerate(sides.base)
        )

    def included(self, ours: Sequence[int], theirs: Sequence[int]) -> list[int] | None:
        """Return the longer of two insertions if it contains the texts of the other in order, else None."""
        longer, shorter = (ours, theirs) if len(ours) >= len(theirs) else (theirs, ours)
        rest = iter([self.node(number).text for number in longer])
        return list(longer) if shorter and all(self.node(number).text in rest for number in shorter) else None

    def calls(self, region: Region) -> list[int] | None:
        """Merge a stretch of calls from which each side only removed some and at most one side added others.

        What one side removed is gone, and the rest keeps the order of the side that added. None if anything else
        happened: each of two declarations that one side removed may replace the other one, and code that one side moved
        away took its order along.
        """
        base = range(region.base.start, region.base.stop)
        ours, theirs = self.ours[region.ours], self.theirs[region.theirs]
        added = [[number for number in side if number not in base] for side in (ours, theirs)]
        if all(added) or any(self.changed(number) or not is_call(self.node(number)) for number in base):
            return None
        order = ours if added[0] else theirs if added[1] else list(base)
        dropped = {number for number in base if number not in ours or number not in theirs}
        if any(self._is_moved(number) for number in dropped):
            return None
        return [number for number in order if number not in dropped]

    def _is_moved(self, number: int) -> bool:
        """Return whether a side without this base child has its text as often elsewhere."""
        sides = self._sides
        base = sides.base[number]
        beside = sum(node.text == base.text for node in sides.base)
        times = base.source.count(base.text)
        gone = ((sides.ours, sides.ours_node, self.at_ours), (sides.theirs, sides.theirs_node, self.at_theirs))
        return any(
            number not in at
            and (sum(node.text == base.text for node in nodes) >= beside or parent.source.count(base.text) >= times)
            for nodes, parent, at in gone
        )

    def rank(self, number: int) -> int:
        """Return the rank of a child's group among others: imports come first."""
        return _RANKS.get(group_of(self._parent, self.node(number)) or "", len(_RANKS))

    def commute(self, region: Region) -> bool:
        """Return whether the order of everything in a region is meaningless to the language."""
        numbers = {*range(region.base.start, region.base.stop), *self.ours[region.ours], *self.theirs[region.theirs]}
        groups = {number: group_of(self._parent, self.node(number)) for number in numbers}
        if not groups or None in groups.values():
            return False
        gone = {number for number in range(region.base.start, region.base.stop) if self._is_dropped(number)}
        staying = {groups[number] for number in numbers - gone}
        if all(self._adds(region)) and len(staying) > 1 and not staying <= _MIXED:
            return False
        if all(self._adds(region)) and self._is_at_head(region, staying):
            return False
        if "pairs" in staying and all(self._adds(region)) and any(self._is_replaced(number) for number in gone):
            return False
        return "assignments" not in staying or self._independent(region)

    def _is_at_head(self, region: Region, staying: set[str | None]) -> bool:
        """Return whether a region starts a group whose first child is significant by its position."""
        headed = staying & self._lang.headed
        before = self._sides.base[: region.base.start]
        return bool(headed) and not any(group_of(self._parent, node) in headed for node in before)

    def _is_replaced(self, number: int) -> bool:
        """Return whether both sides removed a child; if each added another one, both may replace it."""
        return number not in self.at_ours and number not in self.at_theirs

    def _adds(self, region: Region) -> tuple[bool, bool]:
        """Return whether ours and theirs have new children in a region."""
        here = range(region.base.start, region.base.stop)
        sides = self.ours[region.ours], self.theirs[region.theirs]
        ours, theirs = (any(number not in here for number in side) for side in sides)
        return ours, theirs

    def _is_dropped(self, number: int) -> bool:
        return number not in self.at_ours or number not in self.at_theirs

    def _independent(self, region: Region) -> bool:
        """Return whether neither side's new assignments mention what the other side assigns."""
        count = len(self._sides.base)
        mine = [self.node(number) for number in self.ours[region.ours] if number >= count]
        other = [self.node(number) for number in self.theirs[region.theirs] if number >= count]
        return not any(
            ((name_of(node) or node.text) in stranger.text or self._lang.are_related(*map(_named, (node, stranger))))
            for nodes, strangers in ((mine, other), (other, mine))
            for node in nodes
            for stranger in strangers
            if identity_of(self._parent, node) != identity_of(self._parent, stranger)
        )

    def united(self, region: Region, needed: frozenset[bytes]) -> list[int]:
        """Unite two versions of a set: the side that adds in its order (ours first), then what only the other has.

        What one side removed is gone, unless the other side changed it or it imports what is `needed`; what one side
        moved elsewhere is not here.
        """
        base = range(region.base.start, region.base.stop)
        ours, theirs = self.ours[region.ours], self.theirs[region.theirs]
        adds = self._adds(region)
        gone = {number for number in base if self._is_dropped(number)}
        kept = {number for number in gone if self.changed(number) or self.imports(number, needed)}
        left = {number for number in base if number not in gone and (number not in ours or number not in theirs)}
        united = [
            number
            for number in dict.fromkeys((*theirs, *ours) if adds == (False, True) else (*ours, *theirs))
            if (number not in gone or number in kept) and number not in left
        ]
        return sorted(united, key=self.rank) if all(adds) else united


def _named(node: Node) -> bytes:
    return name_of(node) or b""
