"""Messages and dataclasses say the same."""

from __future__ import annotations

from bough_completion import wire
from bough_completion.query import BlobKind, ModelUse, Origin, Query, Stats, Suggestion
from hypothesis import given
from hypothesis import strategies as st

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
own = st.sampled_from([kind for kind in BlobKind if kind is not BlobKind.LIVE]).map(Origin)
live = st.builds(Origin, st.just(BlobKind.LIVE), text.filter(bool))
blobs = st.builds(wire.Blob, text, st.none() | text, own | live)
suggestions = st.builds(Suggestion, text, st.floats(0, 1), text, text, st.booleans())
queries = st.builds(
    Query, text, text, text, st.integers(1, 99), st.integers(1, 9), st.integers(1, 5000).map(lambda ms: ms / 1000)
)


@given(st.lists(blobs, max_size=4))
def test_blobs_survive_the_wire(given_blobs: list[wire.Blob]) -> None:
    assert wire.blobs_from(wire.feed_request("shop", given_blobs)) == given_blobs


@given(st.builds(wire.Question, text, text, queries))
def test_questions_survive_the_wire(question: wire.Question) -> None:
    assert wire.question_from(wire.complete_request(question), 1.0) == question


@given(st.lists(suggestions, max_size=4))
def test_answers_survive_the_wire(found: list[Suggestion]) -> None:
    assert wire.suggestions_from(wire.complete_response(found)) == found


def test_statistics_survive_the_wire() -> None:
    stats = Stats(1, 2, 3, {"tree": 1}, 4, 5, 6, "an engine", ("a note", "another"), ModelUse(7, 8, 9, 10))
    assert wire.stats_from(wire.stats_response(stats)) == stats
