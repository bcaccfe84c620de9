"""Tokens, segments and the corpus, against what they say in plain words."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import count
from unittest.mock import patch

import numpy as np
import pytest
from bough_completion.learned.corpus import Corpus
from bough_completion.learned.definitions import defined_otherwise, definitions
from bough_completion.learned.segment import Segment, indexed, merging
from bough_completion.learned.tape import ROOM, Tape
from bough_completion.learned.tokens import BOUNDARY, DEEPER, NEWLINE, SHALLOWER, TokenTable, split
from bough_completion.query import SAVED
from hypothesis import given
from hypothesis import strategies as st

texts = st.text("ab1_ \t\n.(=", max_size=40)


@given(st.text(max_size=60) | texts)
def test_the_tokens_of_a_text_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text
    vocabulary = TokenTable()
    assert "".join(map(vocabulary.text, vocabulary.encode(text))) == text


def test_blanks_make_no_other_context_but_the_step_to_the_right_or_left_does() -> None:
    vocabulary = TokenTable()
    assert list(vocabulary.cores(vocabulary.encode("f( x"))) == list(vocabulary.cores(vocabulary.encode("f(x")))
    cores = vocabulary.cores(vocabulary.encode("a\n  a\n\n  a\na"))
    assert [core for core in cores if core <= SHALLOWER] == [DEEPER, NEWLINE, SHALLOWER]


def tape_of(texts: Iterable[str]) -> Tape:
    tape = Tape(TokenTable())
    for slot, text in enumerate(texts):
        tape.append(slot, tape.vocabulary.encode(text))
    tape.complete(ROOM)
    return tape


@given(st.lists(texts, min_size=1, max_size=4), st.lists(st.integers(0, 8), max_size=6))
def test_places_and_agreement_are_what_a_plain_search_finds(given_texts: list[str], context: list[int]) -> None:
    tape = tape_of(given_texts)
    segment = indexed(tape, ROOM, tape.end)
    cores = dict(enumerate(map(int, tape.cores[: tape.end])))
    for core in {cores[place] for place in segment.order}:
        places = segment.places(core)
        assert sorted(places) == [place for place in range(ROOM, tape.end) if cores[place] == core]
        for before in {*cores.values(), 99}:
            after = [place for place in places if cores[place - 1] == before]
            assert sorted(segment.places(core, before)) == sorted(after)
            assert sorted(segment.places_of_any(np.array([core, 99], np.int32), before)) == sorted(after)
        for few in (0, 128):
            with patch("bough_completion.learned.tape._FEW", few):
                agreements = tape.agreement(places, np.array(context, np.int32))
            for place, agreed in zip(places, agreements, strict=True):
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
    assert corpus.tokens == sum(len(corpus.vocabulary.encode(text)) for text in held.values())
    on_tape = dict[int, list[int]]()
    for place in sorted(place for segment in corpus.segments() for place in segment.order):
        assert ROOM <= place < corpus.tape.end
        on_tape.setdefault(int(corpus.tape.slots[place]), []).append(int(corpus.tape.cores[place]))
    cores = corpus.vocabulary.cores
    for entry in corpus.entries.values():
        whole = cores(np.array([*entry.surfaces, BOUNDARY], np.int32))
        assert [min(core, DEEPER) for core in on_tape[entry.slot]] == [min(core, DEEPER) for core in whole]


@given(st.lists(st.lists(texts, max_size=4), min_size=1, max_size=3), st.sets(st.integers(0, 11)))
def test_segments_merged_in_slices_hold_what_is_still_held(groups: list[list[str]], dropped: set[int]) -> None:
    tape, segments, slots = Tape(TokenTable()), list[Segment](), count()
    for group in groups:
        start = tape.end
        for text in group:
            tape.append(next(slots), tape.vocabulary.encode(text))
        tape.complete(start)
        segments.append(indexed(tape, start, tape.end))
    is_held = np.array([slot not in dropped for slot in range(next(slots) + 1)], np.bool_)
    with patch("bough_completion.learned.segment._SLICE", 3):
        merged = finished(merging(segments, tape.slots, is_held))
    assert sorted(merged.order) == [place for place in range(ROOM, tape.end) if is_held[tape.slots[place]]]
    assert list(merged.keys) == sorted(merged.keys)
    plain = indexed(tape, ROOM, tape.end)
    for core in set(map(int, tape.cores[ROOM : tape.end])):
        assert sorted(merged.places(core)) == sorted(place for place in plain.places(core) if place in merged.order)


def test_what_is_no_longer_held_leaves_the_tape_while_texts_come_and_questions_are_asked() -> None:
    text = "a = b(c)\n" * 2_000
    corpus = Corpus()
    corpus.put("kept.py", "kept = 1\n", SAVED)
    longest = 0
    for round_ in range(60):
        corpus.put("changed.py", f"{text}round_{round_} = 1\n", SAVED)
        corpus.segments()
        corpus.tidy_some()
        longest = max(longest, corpus.tape.end - ROOM)
    corpus.tidy()
    whole = len(corpus.vocabulary.encode(text))
    assert longest < 20 * whole
    found = {int(corpus.tape.slots[place]) for segment in corpus.segments() for place in segment.order}
    assert found == {entry.slot for entry in corpus.entries.values()}
    newest = corpus.vocabulary.encode("round_59")
    (place,) = [place for segment in corpus.segments() for place in segment.places(int(newest[0]))]
    assert corpus.tape.slots[place] == corpus.entries["changed.py", SAVED].slot
    assert corpus.text(corpus.entries["changed.py", SAVED]) == f"{text}round_59 = 1\n"


def finished(merge: Generator[None, None, Segment]) -> Segment:
    while True:
        try:
            next(merge)
        except StopIteration as end:
            made: Segment = end.value
            return made


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
