"""Match the children of one side with those of the base: by text, by name, and only then by similarity."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

from bough_merge.syntax.entities import group_of, identity_of, key_of, name_of
from bough_merge.syntax.nodes import Node
from bough_merge.text.sequences import changes

# Two nodes of one type that share this part of their words are versions of one entity.
_SIMILAR = 0.5
# A leftover stretch with more pairs than this is matched by position at its ends only.
_LIMIT_PAIRS = 2500
_LIMIT_WORDS = 50_000


def match(base: Sequence[Node], side: Sequence[Node], parent: Node) -> list[int | None]:
    """Return, for each child of the side, the index of its counterpart in the base, or None if it is new."""
    found: list[int | None] = [None] * len(side)
    taken: set[int] = set()

    def pair(i: int, j: int) -> None:
        found[j] = i
        taken.add(i)

    _pair_equal(base, side, pair)
    for key in (key_of, name_of, lambda node: node.core.text if group_of(parent, node) else None):
        _pair_named(base, side, found, taken, pair, key)
    for rows, columns in _stretches(len(base), found, taken):
        rows = [row for row in rows if not _is_its_text(base[row], parent)]
        columns = [column for column in columns if not _is_its_text(side[column], parent)]
        if rows and columns:
            _pair_similar(base, side, rows, columns, pair)
    _lower(side, found)
    return found


def _lower(side: Sequence[Node], found: list[int | None]) -> None:
    """Move each run of new children as far down as possible, as a line diff does.

    If `a, b` is new in `a, b, a`, it could also be `b, a`; two sides must not choose differently.
    """
    behind = len(found)
    while behind > 0:
        start = behind
        while start > 0 and found[start - 1] is None:
            start -= 1
        first, last = start, behind
        while first < last < len(found) and found[last] is not None and _is_same(side[first], side[last]):
            found[first], found[last] = found[last], None
            first, last = first + 1, last + 1
        behind = start - 1


def _is_same(one: Node, other: Node) -> bool:
    return one.kind == other.kind and one.text == other.text


def _is_its_text(node: Node, parent: Node) -> bool:
    """Return whether a child of a set is identified by its text alone, so that another text is another child."""
    return (
        group_of(parent, node) in ("types", "bases", "modifiers", "items", "requirements", "records")
        and name_of(node) is None
    )


def match_new(
    ours: Sequence[Node], theirs: Sequence[Node], new_ours: list[int], new_theirs: list[int], parent: Node
) -> list[tuple[int, int]]:
    """Pair children that both sides added where order is free: by group and name, finally by the whole text.

    What has a name may be of another type on the other side (`bar` and `bar: 1` are one key).
    """

    def keyed(nodes: Sequence[Node], indices: list[int]) -> dict[Hashable, int]:
        keys = {i: identity_of(parent, nodes[i]) for i in indices}
        counted = Counter(keys.values())
        return {key: i for i, key in keys.items() if key is not None and counted[key] == 1}

    mine, other = keyed(ours, new_ours), keyed(theirs, new_theirs)
    return [(j, other[key]) for key, j in mine.items() if key in other]


def _pair_equal(base: Sequence[Node], side: Sequence[Node], pair: Callable[[int, int], None]) -> None:
    old, new = [(n.kind, n.text) for n in base], [(n.kind, n.text) for n in side]
    at = at_side = 0
    for i, j in [*_anchors(old, new), (len(old), len(new))]:
        _pair_between(old[at:i], new[at_side:j], lambda k, m, i=at, j=at_side: pair(i + k, j + m))  # type: ignore[misc]
        if i < len(old):
            pair(i, j)
        at, at_side = i + 1, j + 1


def _pair_between(old: Sequence[Hashable], new: Sequence[Hashable], pair: Callable[[int, int], None]) -> None:
    at = at_side = 0
    for change in [*changes(old, new), None]:
        end = len(old) if change is None else change.old_start
        for step in range(end - at):
            pair(at + step, at_side + step)
        if change is not None:
            at, at_side = change.old_end, change.new_end


def _anchors(old: Sequence[tuple[str, bytes]], new: Sequence[tuple[str, bytes]]) -> list[tuple[int, int]]:
    """Return what stays in place if children that both have once were reordered; most of the text does.

    A diff keeps as many children as it can, and otherwise chooses arbitrarily: of a title and the word under it that is
    under another title now, perhaps the word. Two sides must not choose differently. Empty if nothing moved.
    """
    counted, counted_new = Counter(old), Counter(new)
    places = {item: j for j, item in enumerate(new) if counted_new[item] == 1}
    pairs = [(i, places[item]) for i, item in enumerate(old) if counted[item] == 1 and item in places]
    if all(one[1] < other[1] for one, other in pairwise(pairs)):
        return []
    return _heaviest_in_order(pairs, [len(old[i][1]) for i, _ in pairs])


def _heaviest_in_order(pairs: Sequence[tuple[int, int]], weights: Sequence[int]) -> list[tuple[int, int]]:
    """Return the heaviest chain of pairs, sorted by their first numbers, whose second numbers also increase."""
    ends: list[int] = []  # the second numbers at which a chain ends that is heavier than all that end before
    chains: list[tuple[int, int]] = []  # its weight, and its last pair
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        at = bisect_left(ends, j)
        weight, last = chains[at - 1] if at else (0, -1)
        before.append(last)
        weight += weights[index]
        stop = at
        while stop < len(ends) and chains[stop][0] <= weight:
            stop += 1
        ends[at:stop], chains[at:stop] = [j], [(weight, index)]
    found: list[tuple[int, int]] = []
    index = chains[-1][1] if chains else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]


def _pair_named(
    base: Sequence[Node],
    side: Sequence[Node],
    found: list[int | None],
    taken: set[int],
    pair: Callable[[int, int], None],
    key: Callable[[Node], bytes | None],
) -> None:
    """Pair children with the same type and name, if the name is unique among the leftovers of both."""
    old = _unique({i: (n.kind, key(n)) for i, n in enumerate(base) if i not in taken and n.named})
    new = _unique({j: (n.kind, key(n)) for j, n in enumerate(side) if found[j] is None and n.named})
    for name, j in new.items():
        if name in old:
            pair(old[name], j)


def _unique(names: dict[int, tuple[str, bytes | None]]) -> dict[Hashable, int]:
    counted = Counter(names.values())
    return {name: index for index, name in names.items() if name[1] is not None and counted[name] == 1}


def _stretches(count: int, found: list[int | None], taken: set[int]) -> list[tuple[list[int], list[int]]]:
    """Return the leftover rows (base) and columns (side) between the same matched neighbours."""
    stretches: list[tuple[list[int], list[int]]] = []
    columns: list[int] = []
    last = -1
    for j in range(len(found) + 1):
        i = found[j] if j < len(found) else count
        if i is None:
            columns.append(j)
        elif i > last:
            rows = [row for row in range(last + 1, i) if row not in taken]
            if rows and columns:
                stretches.append((rows, columns))
            columns, last = [], i
    return stretches


def _pair_similar(
    base: Sequence[Node], side: Sequence[Node], rows: list[int], columns: list[int], pair: Callable[[int, int], None]
) -> None:
    """Pair leftovers in order, maximizing the sum of similarities."""
    if len(rows) == len(columns) == 1 and base[rows[0]].kind == side[columns[0]].kind and not _listed(base[rows[0]]):
        pair(rows[0], columns[0])
        return
    if len(rows) * len(columns) > _LIMIT_PAIRS:
        rows, columns = rows[:50], columns[:50]
    score = [[0.0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
    likeness: dict[tuple[int, int], float] = {}
    for r in range(len(rows) - 1, -1, -1):
        for c in range(len(columns) - 1, -1, -1):
            alike = likeness[r, c] = similarity(base[rows[r]], side[columns[c]])
            score[r][c] = max(score[r + 1][c], score[r][c + 1], alike + score[r + 1][c + 1] if alike else 0.0)
    r = c = 0
    while r < len(rows) and c < len(columns):
        if likeness[r, c] and score[r][c] == likeness[r, c] + score[r + 1][c + 1]:
            pair(rows[r], columns[c])
            r, c = r + 1, c + 1
        elif score[r][c] == score[r + 1][c]:
            r += 1
        else:
            c += 1


def _listed(node: Node) -> bool:
    """Return whether a node is one of many of its kind, so that another in its place may be unrelated."""
    return node.field is None and name_of(node) is not None


def similarity(one: Node, other: Node) -> float:
    """Return the share of words that two nodes of one type have in common, 0 below the threshold.

    The same code under another comment is more similar than other code under the same comment.
    """
    if one.kind != other.kind or not one.named:
        return 1.0 if one.kind == other.kind and one.text == other.text else 0.0
    if one.core.text == other.core.text:
        return 2.0
    if one.field is not None and one.field == other.field and one.field not in ("body", "argument"):
        return 0.75
    words, others = _units(one), _units(other)
    if _is_pair(one) and name_of(one) != name_of(other):
        # Punctuation alone does not make a rename: with another key the value must have stayed.
        words, others = (([word for word in side if word.isalnum()] or side) for side in (words, others))
    total = len(words) + len(others)
    shared = sum((Counter(words) & Counter(others)).values())
    alike = 2 * shared / total if total else 1.0
    return alike if alike >= _SIMILAR else 0.0


def _is_pair(node: Node) -> bool:
    """Return whether a node is a key with its value."""
    return "pair" in node.core.kind


def _units(node: Node) -> list[bytes]:
    """Return the units of similarity: words, or lines if there are too many words."""
    return node.words if len(node.text) <= _LIMIT_WORDS else node.text.split(b"\n")
