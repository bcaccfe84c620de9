"""Gates: conditions for calling a merged file clean, however it was merged."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import tree_sitter

from bough_merge.gates.names import NameUse, lost_members, lost_names, names_bound
from bough_merge.syntax.entities import (
    group_of,
    identity_of,
    is_call,
    key_of,
    kind_in_words,
    name_of,
    number_of,
    title_of,
)
from bough_merge.syntax.nodes import Node
from bough_merge.syntax.parsing import parse

# More containers than this are not compared individually; a file that changed in so many places exceeds every limit.
_LIMIT_CONTAINERS = 2000
_LIMIT_FAILURES = 100
# Separators of cells, outside of quotes.
_CELL_ENDS = re.compile(rb"[,;\t](?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)")
# Shorter code may well occur twice in one function (`if err != nil { return nil, err }`).
_TELLING_WORDS = 20
_WORD = re.compile(rb"\w")


@dataclass(frozen=True, slots=True)
class Failure:
    """A gate's refusal: its byte in the merged text, the reason, and the entities around it, innermost first.

    `word` is the name that is no longer found, if that is the reason.
    """

    kind: str
    at: int
    message: str
    names: tuple[bytes, ...] = ()
    word: bytes = b""


def failures(merged: bytes, base: Node, ours: Node, theirs: Node) -> list[Failure]:
    """Return what a merged text breaks and neither side broke, the most significant first."""
    root = parse(merged, ours.lang)
    broken = list(_new_errors(root, ours, theirs))
    if broken:
        return broken
    found = list(islice(_broken_containers(root, base, ours, theirs), _LIMIT_FAILURES))
    found = found or list(_twice_imported(root, ours, theirs))
    found = found or list(_ragged(root, base, ours, theirs))
    found = found or list(_lost_lines(root, base, ours, theirs))
    lost = chain(lost_names(root, ours, theirs), lost_members(root, base, ours, theirs))
    return found or [_unresolved(use) for use in islice(lost, _LIMIT_FAILURES)]


def _unresolved(use: NameUse) -> Failure:
    message = f"`{_shown(use.name)}` is used here and no longer defined"
    return Failure("unresolved", use.at, message, (use.scope,) if use.scope else (), use.name)


def _new_errors(root: Node, ours: Node, theirs: Node) -> Iterator[Failure]:
    now = errors_of(root)
    if len(now) <= max(len(errors_of(ours)), len(errors_of(theirs))):
        return
    as_written = {part.text for side in (ours, theirs) for part in side.parts}
    written = [(part.start, part.end) for part in root.parts if part.text in as_written]
    for at in now:
        if not any(start <= at < end for start, end in written):
            yield Failure("syntax", at, "the merged text does not parse")


def errors_of(root: Node) -> list[int]:
    """Return the byte offsets of ERROR or MISSING nodes in a tree, in order."""
    found: list[int] = []
    stack: list[tree_sitter.Node] = [root.raw] if root.raw is not None else []
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            found.append(node.start_byte)
        elif node.has_error:
            stack.extend(reversed(node.children))
    return found


def _broken_containers(root: Node, base: Node, ours: Node, theirs: Node) -> Iterator[Failure]:
    """Walk down where the merged text is new, comparing each container with its versions."""
    stack: list[tuple[Node, Node | None, Node | None, Node | None, tuple[bytes, ...]]] = [
        (root, base, ours, theirs, ())
    ]
    for _ in range(_LIMIT_CONTAINERS):
        if not stack:
            return
        merged, old, mine, other, names = stack.pop()
        yield from _broken(merged, old, mine, other, names)
        sides = [{part.text for part in side.parts} for side in (mine, other) if side is not None]
        known = [_Versions(side) for side in (old, mine, other)]
        for part in merged.parts:
            if all(part.text in texts for texts in sides) or not part.parts:
                continue
            versions = [side.of(part) for side in known]
            if not _is_one_sided(part, *versions) and any(version is not None for version in versions):
                name = name_of(part)
                stack.append((part, versions[0], versions[1], versions[2], (name, *names) if name else names))


def _twice_imported(root: Node, ours: Node, theirs: Node) -> Iterator[Failure]:
    """Find a name that is bound by an import of one side and a different import of the other side.

    `import a.b` and `import a.c` of Python bind the same module, and are allowed.
    """
    tops = [{part.text for part in side.parts if group_of(side, part) == "imports"} for side in (ours, theirs)]
    if tops[0] <= tops[1] or tops[1] <= tops[0]:
        return
    known = [{node.core.text for node in _imports(side)} for side in (ours, theirs)]
    imports = list(_imports(root))
    new = [[node for node in imports if node.core.text not in texts] for texts in reversed(known)]
    if not all(new):
        return
    mine, other = ({name: node for node in side for name in names_bound(root, node.core)} for side in new)
    for name in mine.keys() & other.keys():
        pair = mine[name], other[name]
        if pair[0] is not pair[1] and not any(name + b"." in node.text for node in pair):
            message = f"`{_shown(name)}` is imported from two places"
            yield Failure("duplicate", max(node.start for node in pair), message)


def _imports(parent: Node) -> Iterator[Node]:
    """Yield the single imports of a file, including those in lists."""
    for part in parent.parts:
        if group_of(parent, part) == "imports":
            inner = [one for nested in part.core.parts for one in _imports(nested)] or list(_imports(part.core))
            yield from inner or [part]


def _lost_lines(root: Node, base: Node, ours: Node, theirs: Node) -> Iterator[Failure]:
    """Find a line that all three versions have and the merged text lacks, or has less often than the sides."""
    before, mine, other, now = (_counted_lines(node.source) for node in (base, ours, theirs, root))
    for line in before.keys() & mine.keys() & other.keys():
        kept = min(mine[line], other[line], mine[line] + other[line] - before[line])
        if now[line] < kept and _WORD.search(line):
            at = ours.source.find(line)
            yield Failure("missing", 0, f"`{_shown(line)}` is missing", enclosing(ours.parts, at))


def _ragged(root: Node, base: Node, ours: Node, theirs: Node) -> Iterator[Failure]:
    """Find a row with a different number of cells than the others, if it is equal in all rows of each version."""
    if not root.lang.cells or any(len(set(_widths(side))) != 1 for side in (base, ours, theirs)):
        return
    widths = _widths(root)
    at = next((at for at, width in enumerate(widths) if width != widths[0]), None)
    if at is not None:
        rows = [part for part in root.parts if part.parts]
        yield Failure("missing", rows[at].start, f"this row has {widths[at]} cells, others have {widths[0]}")


def _widths(root: Node) -> list[int]:
    return [len(_CELL_ENDS.findall(part.core.text)) for part in root.parts if part.parts]


def _counted_lines(source: bytes) -> Counter[bytes]:
    return Counter(line.strip() for line in source.split(b"\n"))


def _is_one_sided(part: Node, old: Node | None, mine: Node | None, other: Node | None) -> bool:
    """Return whether a merged child is one side's version, and the other side left it unchanged."""
    texts = [None if version is None else version.text for version in (old, mine, other)]
    return part.text in texts[1:] and texts[0] in texts[1:]


class _Versions:
    """Find the version of a merged child on one side: the same type and name, or the only one of its type."""

    def __init__(self, side: Node | None) -> None:
        self._side = side
        self._by_type: dict[str, list[Node]] = {}
        self._by_name: dict[tuple[str, bytes | None], list[Node]] = {}
        for part in side.parts if side is not None else []:
            self._by_type.setdefault(part.core.kind, []).append(part)

    def of(self, part: Node) -> Node | None:
        """Return the only counterpart, or None."""
        if self._side is None:
            return None
        kind, key = part.core.kind, key_of(part)
        alike = self._by_type.get(kind, [])
        if len(alike) > 1 or (key is not None and group_of(self._side, part) is not None):
            if (kind, None) not in self._by_name:
                self._by_name[kind, None] = []
                for other in alike:
                    self._by_name.setdefault((kind, key_of(other)), []).append(other)
            alike = self._by_name.get((kind, key), []) if key is not None else []
        return alike[0] if len(alike) == 1 else None


def _broken(
    merged: Node, old: Node | None, mine: Node | None, other: Node | None, names: tuple[bytes, ...]
) -> Iterator[Failure]:
    now = Counter(_identities(merged))
    before, ours, theirs = (Counter(_identities(side)) for side in (old, mine, other))
    for key, count in now.items():
        if count > (1 if key[0] == "imports" and not before[key] > 1 else max(ours[key], theirs[key], 1)):
            yield _failure(merged, key, names)
    yield from _same_number(merged, mine, other, names)
    if mine is None or other is None:
        return
    yield from _added_twice(merged, old, mine, other, names)
    for key in now:
        if before[key] and bool(ours[key]) != bool(theirs[key]) and key[0] not in ("imports", "names"):
            yield Failure("dropped", merged.start, f"`{_shown(key[1])}` was dropped by one side", names)
    for key in ours.keys() & theirs.keys() - now.keys():
        if before[key]:
            yield Failure("missing", merged.start, f"`{_shown(key[1])}` is missing", names)
    known, kept, added, here = (_names(node) for node in (old, mine, other, merged))
    for name in (kept & added) | (kept - known) | (added - known):
        if name not in here:
            yield Failure("missing", merged.start, f"`{_shown(name)}` is missing", names)


def _same_number(merged: Node, mine: Node | None, other: Node | None, names: tuple[bytes, ...]) -> Iterator[Failure]:
    """Find two members or fields with the same number, if each side added one of them."""
    now, ours, theirs = (
        Counter(number for part in node.parts if (number := number_of(node, part))) if node is not None else Counter()
        for node in (merged, mine, other)
    )
    for number, count in now.items():
        if count > max(ours[number], theirs[number], 1):
            at = next(part.start for part in reversed(merged.parts) if number_of(merged, part) == number)
            yield Failure("duplicate", at, f"the number {_shown(number)} is used twice", names)


def _added_twice(
    merged: Node, old: Node | None, mine: Node, other: Node, names: tuple[bytes, ...]
) -> Iterator[Failure]:
    """Find what both sides added word for word, each in its own place: a call, a title, a block of some size.

    In a list on one line, anything: git has a conflict there.
    """
    ours, theirs = (Counter(_said(part) for part in side.parts) for side in (mine, other))
    both = ours.keys() & theirs.keys() - {_said(part) for part in (old.parts if old is not None else [])}
    if not both:
        return
    now = Counter(_said(part) for part in merged.parts)
    in_one_line = b"\n" not in merged.text
    for part in merged.parts:
        said = _said(part)
        if said in both and now[said] > max(ours[said], theirs[said]) and (in_one_line or _is_telling(part)):
            yield Failure("duplicate", part.start, f"`{_shown(said)}` was added by both sides", names)


def _said(node: Node) -> bytes:
    """Return the title that a node begins with, or all of its text."""
    title = title_of(node)
    return node.core.text if title is None else title.text


def _is_telling(node: Node) -> bool:
    """Return whether a second occurrence of a node is unlikely to be a coincidence."""
    return is_call(node) or title_of(node) is not None or len(node.core.words) >= _TELLING_WORDS


def _failure(merged: Node, key: tuple[str, bytes], names: tuple[bytes, ...]) -> Failure:
    twins = [part for part in merged.parts if identity_of(merged, part) == key]
    own = tuple(name for name in (name_of(part) for part in twins) if name)
    message = f"{kind_in_words(twins[-1].core.kind)} `{_shown(key[1])}` appears twice"
    return Failure("duplicate", twins[-1].start, message, own + names)


def _identities(node: Node | None) -> list[tuple[str, bytes]]:
    if node is None:
        return []
    return [key for key in (identity_of(node, part) for part in node.parts) if key is not None]


def _names(node: Node | None) -> set[bytes]:
    """Return the names of the entities in a container whose order is free, without imports."""
    if node is None:
        return set()
    return {name for part in node.parts if group_of(node, part) not in (None, "imports") and (name := name_of(part))}


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def enclosing(nodes: Sequence[Node], at: int) -> tuple[bytes, ...]:
    """Return the names of the entities around a byte offset, innermost first."""
    found: list[bytes] = []
    while nodes:
        inner = next((node for node in nodes if node.start <= at < node.end), None)
        if inner is None:
            break
        name = name_of(inner)
        if name:
            found.append(name)
        nodes = inner.parts
    return tuple(reversed(found))
