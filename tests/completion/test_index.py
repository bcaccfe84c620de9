"""Tokens, segments and the corpus, against what they say in plain words."""

from __future__ import annotations

from collections.abc import Generator
from itertools import count
from unittest.mock import patch

import numpy as np
import pytest
from bough_completion.corpus import Corpus
from bough_completion.definitions import defined_otherwise, definitions
from bough_completion.query import SAVED
from bough_completion.segment import Piece, Segment, indexed, merging
from bough_completion.tokens import BOUNDARY, DEEPER, NEWLINE, SHALLOWER, Vocabulary, split
from hypothesis import given
from hypothesis import strategies as st

texts = st.text("ab1_ \t\n.(=", max_size=40)


@given(st.text(max_size=60) | texts)
def test_the_tokens_of_a_text_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text
    vocabulary = Vocabulary()
    assert "".join(map(vocabulary.text, vocabulary.encode(text))) == text


def test_blanks_make_no_other_context_but_the_step_to_the_right_or_left_does() -> None:
    vocabulary = Vocabulary()
    assert list(vocabulary.cores(vocabulary.encode("f( x"))) == list(vocabulary.cores(vocabulary.encode("f(x")))
    cores = vocabulary.cores(vocabulary.encode("a\n  a\n\n  a\na"))
    assert [core for core in cores if core <= SHALLOWER] == [DEEPER, NEWLINE, SHALLOWER]


@given(st.lists(texts, min_size=1, max_size=4), st.lists(st.integers(0, 8), max_size=6))
def test_places_and_agreement_are_what_a_plain_search_finds(given_texts: list[str], context: list[int]) -> None:
    vocabulary = Vocabulary()
    segment = indexed([Piece(slot, vocabulary.encode(text)) for slot, text in enumerate(given_texts)], vocabulary)
    cores = list(segment.cores)
    for core in set(cores):
        places = segment.places(int(core))
        assert sorted(places) == [place for place, other in enumerate(cores) if other == core]
        for before in {*cores, 99}:
            after = [place for place in places if place > 0 and cores[place - 1] == before]
            if before != BOUNDARY:
                assert sorted(segment.places(int(core), int(before))) == sorted(after)
        for place, agreed in zip(places, segment.agreement(places, np.array(context, np.int32)), strict=True):
            expected = 0
            while expected < len(context) and cores[place - expected - 1] == context[expected]:
                expected += 1
            assert agreed == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), texts | st.none(), st.booleans()), max_size=30))
def test_a_corpus_holds_the_newest_text_of_each_path_however_it_came_there(
    changes: list[tuple[str, str | None, bool]],
) -> None:
    corpus, held = Corpus(), dict[str, str]()
    for path, text, tidies in changes:
        if text is None:
            corpus.drop(path, SAVED)
            held.pop(path, None)
        else:
            corpus.put(path, text, SAVED)
            held[path] = text
        corpus.tidy() if tidies else corpus.segments()
    assert {path: corpus.text(entry) for (path, _), entry in corpus.entries.items()} == held
    live = {slot for slot, entry in enumerate(corpus.by_slot) if entry is not None}
    found = [piece for segment in corpus.segments() for piece in segment.pieces if piece.slot in live]
    assert sorted("".join(map(corpus.vocabulary.text, piece.surfaces)) for piece in found) == sorted(held.values())


@given(st.lists(st.lists(texts, max_size=4), min_size=1, max_size=3), st.sets(st.integers(0, 11)))
def test_segments_merged_in_slices_hold_what_is_still_held(groups: list[list[str]], dropped: set[int]) -> None:
    vocabulary, slots = Vocabulary(), count()
    groups_of_pieces = [[Piece(next(slots), vocabulary.encode(text)) for text in group] for group in groups]
    is_held = np.array([slot not in dropped for slot in range(next(slots) + 1)], np.bool_)
    with patch("bough_completion.segment._SLICE", 3):
        merged = finished(merging([indexed(pieces, vocabulary) for pieces in groups_of_pieces], is_held))
    held = [piece for pieces in groups_of_pieces for piece in pieces if is_held[piece.slot]]
    assert list(merged.pieces) == held
    plain = indexed(held, vocabulary)
    assert list(merged.surfaces) == list(plain.surfaces)
    assert list(merged.slots[:-1]) == list(plain.slots[:-1])
    assert sorted(merged.order) == list(range(len(merged)))
    assert list(merged.keys) == sorted(merged.keys)
    for core in set(merged.cores):
        assert sorted(merged.places(int(core))) == list(np.flatnonzero(merged.cores == core))


def finished(merge: Generator[None, None, Segment]) -> Segment:
    while True:
        try:
            next(merge)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def price(item):\n    return 1\n", ["price"]),
        ("async def price(item):\n", ["price"]),
        ("export default function total(a) {\n", ["total"]),
        ("func (c *Context) JSON(code int) {\n", ["JSON"]),
        ("pub(crate) fn open(path: &Path) -> File {\n", ["open"]),
        ("static int read_index(struct repo *r)\n{\n", ["read_index"]),
        ("#define LIMIT 10\n", ["LIMIT"]),
        ("const limit = 10;\n", ["limit"]),
        ("price(item)\n", []),
        ("    return price(item);\n", []),
    ],
)
def test_definitions_are_seen_in_many_languages(text: str, names: list[str]) -> None:
    assert list(definitions(text)) == names


def test_only_what_is_defined_in_other_words_is_evidence() -> None:
    ours = "def a():\n    return 1\n\n\ndef b():\n    return 2\n"
    theirs = "def a():\n    return 1\n\n\ndef b():\n    return 3\n\n\ndef c():\n    pass\n"
    assert defined_otherwise(theirs, ours) == {"b", "c"}
