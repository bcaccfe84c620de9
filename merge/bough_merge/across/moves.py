"""Follow functions that one side moved to another file while the other side edited them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bough_merge.across.definitions import Definition, definitions_of
from bough_merge.engine import merge_file
from bough_merge.syntax.settings import MergeSettings

Versions = tuple[bytes | None, bytes | None, bytes | None]


class Merge(Protocol):
    """What is needed of a file that is being merged."""

    path: str
    base: bytes | None
    ours: bytes | None
    theirs: bytes | None


@dataclass(frozen=True)
class Move:
    """A definition that `mover` (1 ours, 2 theirs) moved from `origin` to the file `to`, and its merged text.

    `was` is its text in the base, `edited` on the side that edited it in the origin, `moved` at its new place.
    """

    name: bytes
    origin: str
    to: str
    mover: int
    was: bytes
    edited: bytes
    moved: bytes
    merged: bytes


def moved_definitions(files: Mapping[str, Versions], settings: MergeSettings) -> list[Move]:
    """Find definitions that one side moved and the other edited, and merge each of them separately."""
    found: list[Move] = []
    for mover in (1, 2):
        arrived = _arrived(files, mover, settings)
        if arrived:
            for origin, versions in files.items():
                found.extend(_moves(origin, versions, mover, arrived, settings))
    return found


def _arrived(
    files: Mapping[str, Versions], mover: int, settings: MergeSettings
) -> dict[bytes, list[tuple[str, Definition]]]:
    """Return the definitions that are new in a side's files, by name."""
    found: dict[bytes, list[tuple[str, Definition]]] = {}
    for path, versions in files.items():
        side = versions[mover]
        if side is None or side == versions[0]:
            continue
        lang = settings.language_of(path)
        before = definitions_of(versions[0] or b"", lang)
        for name, item in definitions_of(side, lang).items():
            if name not in before:
                found.setdefault(name, []).append((path, item))
    return found


def _moves(
    origin: str,
    versions: Versions,
    mover: int,
    arrived: dict[bytes, list[tuple[str, Definition]]],
    settings: MergeSettings,
) -> list[Move]:
    base, side, other = versions[0], versions[mover], versions[3 - mover]
    if base is None or side is None or other is None or base in (side, other):
        return []
    lang = settings.language_of(origin)
    before, now, edited = (definitions_of(text, lang) for text in (base, side, other))
    found: list[Move] = []
    for name, was in before.items():
        places = arrived.get(name, [])
        if name in now or name not in edited or edited[name].text == was.text or len(places) != 1:
            continue
        to, moved = places[0]
        merged = merge_file(was.text, moved.text, edited[name].text, to, settings=settings)
        if merged.clean:
            found.append(Move(name, origin, to, mover, was.text, edited[name].text, moved.text, merged.content))
    return found


def follow(merge: Merge, moves: list[Move]) -> None:
    """Remove an edit from the file that its function left, and apply it where the function is now."""
    for move in moves:
        if move.origin == merge.path:
            if move.mover == 1 and merge.theirs is not None:
                merge.theirs = merge.theirs.replace(move.edited, move.was, 1)
            elif move.mover == 2 and merge.ours is not None:
                merge.ours = merge.ours.replace(move.edited, move.was, 1)
        if move.to == merge.path:
            if move.mover == 1 and merge.ours is not None:
                merge.ours = merge.ours.replace(move.moved, move.merged, 1)
            elif move.mover == 2 and merge.theirs is not None:
                merge.theirs = merge.theirs.replace(move.moved, move.merged, 1)
