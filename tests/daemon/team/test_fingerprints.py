"""Fingerprints: read as they were written, and a typing error is seen."""

from __future__ import annotations

import re

import pytest
from bough_daemon.errors import BadFingerprint
from bough_daemon.team.fingerprints import DIGITS, GROUPS, parse_fingerprint, readable_fingerprint
from hypothesis import given
from hypothesis import strategies as st

KEY = bytes(range(32))


@given(st.binary(min_size=32, max_size=32))
def test_a_fingerprint_is_read_as_it_was_written_however_it_is_typed(key: bytes) -> None:
    said = readable_fingerprint(key)
    assert re.fullmatch(rf"([{DIGITS}]{{5}}-){{{GROUPS - 1}}}[{DIGITS}]{{5}}", said)
    for typed in (said, said.lower(), said.replace("-", " "), said.replace("-", ""), said.replace("0", "o")):
        assert parse_fingerprint(typed) == said
    assert parse_fingerprint(said.replace("1", "l")) == said == parse_fingerprint(said.replace("1", "I"))


@given(st.binary(min_size=32, max_size=32), st.integers(0, 34), st.sampled_from(DIGITS))
def test_one_wrong_character_is_said_to_be_in_its_group(key: bytes, at: int, digit: str) -> None:
    said = readable_fingerprint(key)
    if said[at] in ("-", digit):
        return
    with pytest.raises(BadFingerprint, match=rf"typing error in group {at // 6 + 1} \("):
        parse_fingerprint(said[:at] + digit + said[at + 1 :])


@given(st.binary(min_size=32, max_size=32), st.integers(0, GROUPS - 2))
def test_two_groups_that_are_swapped_are_a_typing_error(key: bytes, at: int) -> None:
    groups = readable_fingerprint(key).split("-")
    groups[at], groups[at + 1] = groups[at + 1], groups[at]
    with pytest.raises(BadFingerprint, match="typing error in groups"):
        parse_fingerprint("-".join(groups))


@given(st.binary(min_size=32, max_size=32))
def test_nearly_every_two_neighbours_that_are_swapped_are_a_typing_error(key: bytes) -> None:
    said, unseen = readable_fingerprint(key), list[str]()
    for at in range(len(said) - 1):
        first, second = said[at], said[at + 1]
        if "-" not in (first, second) and first != second:
            try:
                parse_fingerprint(said[:at] + second + first + said[at + 2 :])
            except BadFingerprint:
                continue
            unseen.append(first + second)
    assert all(set(pair) == {"0", "Z"} for pair in unseen)  # the one pair that Luhn does not see


@pytest.mark.parametrize("text", ["", "x", "a" * 5000, "-" * 35, "U" * 30, "é" * 30, "\x1b[31m" * 6])
def test_anything_else_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BadFingerprint) as refused:
        parse_fingerprint(text)
    assert refused.value.message.isprintable() and len(refused.value.message) < 400


def test_fingerprints_of_different_keys_differ_in_every_bit_that_is_shown() -> None:
    prints = {readable_fingerprint(KEY[:-1] + bytes([last])) for last in range(256)}
    assert len(prints) == 256 and all(len({one[at] for one in prints}) > 20 for at in range(35) if at % 6 != 5)
