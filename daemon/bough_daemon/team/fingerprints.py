"""Fingerprints of members' keys, in a form that two people can read to each other.

120 bits of the SHA-256 of a key, in Crockford's base 32 (https://www.crockford.com/base32.html: no letter looks or
sounds like another one), in six groups of four, each with a check character by the Luhn algorithm mod 32 over the group
and its number. So one wrong character, two swapped neighbours or two swapped groups are recognized as typing errors.
"""

from __future__ import annotations

import hashlib

from bough_daemon.errors import BadFingerprint
from bough_daemon.system.text import printable

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MEANT = str.maketrans("OIL", "011")
GROUPS, GROUP = 6, 4
DROPPED_BITS = 256 - 5 * GROUPS * GROUP


def readable_fingerprint(key: bytes) -> str:
    """Return the fingerprint of a signing key: `K7QM2-…`, 35 characters."""
    number = int.from_bytes(hashlib.sha256(key).digest(), "big") >> DROPPED_BITS
    digits = "".join(DIGITS[number >> 5 * place & 31] for place in reversed(range(GROUPS * GROUP)))
    groups = [digits[at : at + GROUP] for at in range(0, len(digits), GROUP)]
    return "-".join(group + _check(group, place) for place, group in enumerate(groups))


def parse_fingerprint(text: str) -> str:
    """Return a fingerprint as `readable_fingerprint` writes it; raise BadFingerprint naming the wrong group."""
    said = "".join(letter for letter in text.upper() if letter not in " -").translate(MEANT)
    size = GROUP + 1
    if len(said) != GROUPS * size:
        raise BadFingerprint(f"a fingerprint has {GROUPS} groups of {size} characters; this has {len(said)} characters")
    groups = [said[at : at + size] for at in range(0, len(said), size)]
    wrong = [
        f"{place + 1} ({printable(group)})"
        for place, group in enumerate(groups)
        if not set(group) <= set(DIGITS) or _check(group[:GROUP], place) != group[GROUP]
    ]
    if wrong:
        what = "group" if len(wrong) == 1 else "groups"
        raise BadFingerprint(f"there is a typing error in {what} {', '.join(wrong)} of the fingerprint")
    return "-".join(groups)


def _check(group: str, place: int) -> str:
    """Return the check character of a group (https://en.wikipedia.org/wiki/Luhn_mod_N_algorithm)."""
    total, factor = place, 2
    for digit in reversed(group):
        product = factor * DIGITS.index(digit)
        total += product // len(DIGITS) + product % len(DIGITS)
        factor = 3 - factor
    return DIGITS[-total % len(DIGITS)]
