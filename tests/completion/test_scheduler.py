"""Which questions are answered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bough_completion.answering.scheduler import QuestionTicket, Scheduler, typed_through
from bough_completion.query import Query, Suggestion

ASKED = Query("a.py", "re", "\n")
ANSWER = [Suggestion("turn total", 0.9, shown=True), Suggestion("peat", 0.1)]


def answered(scheduler: Scheduler, query: Query = ASKED, now: float = 0.0) -> QuestionTicket:
    ticket = scheduler.ask("buffer", query, now)
    assert isinstance(ticket, QuestionTicket)
    scheduler.answered(ticket, ANSWER, now)
    return ticket


@pytest.mark.parametrize(
    ("prefix", "left"),
    [
        ("re", ["turn total", "peat"]),
        ("ret", ["urn total"]),
        ("rep", ["eat"]),
        ("return total", None),
        ("rex", None),
        ("r", None),
    ],
)
def test_what_is_typed_through_comes_from_memory(prefix: str, left: list[str] | None) -> None:
    found = typed_through(ASKED, ANSWER, replace(ASKED, prefix=prefix))
    assert (None if found is None else [suggestion.text for suggestion in found]) == left


def test_another_suffix_or_shape_is_another_question() -> None:
    assert typed_through(ASKED, ANSWER, replace(ASKED, suffix=")\n")) is None
    assert typed_through(ASKED, ANSWER, replace(ASKED, max_lines=3)) is None


def test_the_newest_question_stops_the_one_before_in_the_same_buffer_only() -> None:
    scheduler = Scheduler()
    first = scheduler.ask("buffer", ASKED, 0.0)
    other = scheduler.ask("other buffer", ASKED, 0.0)
    second = scheduler.ask("buffer", replace(ASKED, prefix="x"), 0.1)
    assert isinstance(first, QuestionTicket)
    assert isinstance(other, QuestionTicket)
    assert isinstance(second, QuestionTicket)
    assert (first.is_stopped, other.is_stopped, second.is_stopped) == (True, False, False)


def test_an_answer_that_was_stopped_is_not_remembered() -> None:
    scheduler = Scheduler()
    ticket = scheduler.ask("buffer", ASKED, 0.0)
    assert isinstance(ticket, QuestionTicket)
    scheduler.leave(ticket)
    scheduler.answered(ticket, ANSWER, 0.0)
    assert isinstance(scheduler.ask("buffer", ASKED, 0.0), QuestionTicket)


def test_an_answer_is_given_again_until_it_is_old_or_the_buffer_is_closed() -> None:
    scheduler = Scheduler(freshness=10.0)
    answered(scheduler)
    assert scheduler.ask("buffer", ASKED, 9.0) == ANSWER
    assert isinstance(scheduler.ask("buffer", ASKED, 11.0), QuestionTicket)
    answered(scheduler, now=12.0)
    scheduler.forget("buffer")
    assert isinstance(scheduler.ask("buffer", ASKED, 12.0), QuestionTicket)


def test_that_nothing_was_found_is_not_remembered() -> None:
    scheduler = Scheduler()
    ticket = scheduler.ask("buffer", ASKED, 0.0)
    assert isinstance(ticket, QuestionTicket)
    scheduler.answered(ticket, [], 0.0)
    assert isinstance(scheduler.ask("buffer", ASKED, 0.0), QuestionTicket)


def test_the_line_after_a_shown_answer_is_worth_asking_ahead() -> None:
    scheduler = Scheduler()
    query = replace(ASKED, prefix="if x:\n    re")
    ticket = answered(scheduler, query)
    assert scheduler.next_query(ticket, ANSWER) is None, "the question is over"
    fresh = QuestionTicket("buffer", query)
    ahead = scheduler.next_query(fresh, ANSWER)
    assert ahead is not None
    assert ahead.prefix == "if x:\n    return total\n    "
    assert scheduler.next_query(fresh, [replace(ANSWER[0], shown=False)]) is None
