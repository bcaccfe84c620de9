"""Merge versions that both sides raised, if the notation says which one satisfies both."""

from __future__ import annotations

import re

_RANGE = re.compile(rb"""^(["']?)(\^|~|~>|>=)?\s*v?(\d+(?:\.\d+)*)([-.+]?[A-Za-z][\w.+-]*)?\1$""")
_OWN = re.compile(r"(^|\.)(version|__version__)$")

Version = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, bytes], ...]]


def is_own_version(place: str) -> bool:
    """Return whether a dotted path in a file is where a project states its own version."""
    bare = place.replace('"', "").replace("'", "")
    return bool(_OWN.search(bare)) and bare.count(".") <= 1


def raised(base: bytes, ours: bytes, theirs: bytes, own: bool) -> bytes | None:
    """Return the version that satisfies both sides, or None if there is none or one side did not raise it.

    Two ranges of the same kind with the same compatible part (`^1.4` and `^1.9`) have the higher one in common. A
    project's `own` version only grows. Two exact requirements exclude each other.
    """
    found = [_RANGE.match(text) for text in (base, ours, theirs)]
    if not found[0] or not found[1] or not found[2]:
        return None
    old, mine, other = (_version(match) for match in found if match)
    if not old < mine or not old < other:
        return None
    if not own and not _compatible(found[1], found[2]):
        return None
    return ours if mine >= other else theirs


def _compatible(ours: re.Match[bytes], theirs: re.Match[bytes]) -> bool:
    sign = ours[2]
    if sign is None or sign != theirs[2]:
        return False
    one, two = _version(ours)[0], _version(theirs)[0]
    if sign == b"^":
        significant = next((at for at, number in enumerate(one) if number), len(one) - 1) + 1
        return one[:significant] == two[:significant]
    return one[:2] == two[:2] if sign in (b"~", b"~>") else True


def _version(match: re.Match[bytes]) -> Version:
    """Return a sort key for versions, as in semver.org: numbers first; a pre-release comes before its release."""
    numbers = [int(number) for number in match[3].split(b".")]
    numbers += [0] * (3 - len(numbers))
    parts = re.findall(rb"\d+|[A-Za-z]+", match[4] or b"")
    rest = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
    return tuple(numbers), not rest, rest
