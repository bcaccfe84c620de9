"""What became of the answers."""

from __future__ import annotations

import pytest
from bough_completion.metrics import Metrics
from bough_completion.query import Query


@pytest.mark.parametrize(
    ("prefixes", "accepted"),
    [
        (["return total"], 1),
        (["ret", "return", "return total\n"], 1),
        (["rex"], 0),
        (["ret", "re", "reply"], 0),
        (["r", "return total"], 0),
    ],
)
def test_an_answer_is_accepted_when_its_whole_text_follows(prefixes: list[str], accepted: int) -> None:
    metrics = Metrics()
    metrics.show("buffer", Query("a.py", "re"), "turn total")
    for prefix in prefixes:
        metrics.see("buffer", Query("a.py", prefix))
    assert (metrics.shown, metrics.accepted, metrics.characters) == (1, accepted, 10 * accepted)


def test_an_answer_that_is_typed_through_is_shown_once() -> None:
    metrics = Metrics()
    metrics.show("buffer", Query("a.py", "re"), "turn")
    metrics.show("buffer", Query("a.py", "ret"), "urn")
    metrics.show("other buffer", Query("a.py", "re"), "turn")
    assert metrics.shown == 2


def test_few_buffers_are_remembered() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.show(number, Query("a.py", "re"), "turn")
    metrics.see(0, Query("a.py", "return"))
    metrics.see(99, Query("a.py", "return"))
    assert metrics.accepted == 1
