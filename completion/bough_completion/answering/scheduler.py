"""Decide which question is worth answering: a member types on meanwhile, and only the newest question counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

from bough_completion.query import Query, Suggestion
from bough_completion.text.indentation import indent_of

# Answers kept for each buffer: enough for typing on, for deleting a few letters and for accepting.
_REMEMBERED = 8
# Buffers whose answers are kept; each answer holds the text of its file.
_BUFFERS = 32


@dataclass
class QuestionTicket:
    """A pending question; `is_stopped` becomes true when nobody waits for the answer any longer.

    `when_stopped` is called at the same moment, once.
    """

    buffer: Hashable
    query: Query
    is_stopped: bool = False
    when_stopped: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """Mark that nobody waits any longer."""
        if not self.is_stopped:
            self.is_stopped = True
            self.when_stopped()


@dataclass(frozen=True)
class _RecentAnswer:
    query: Query
    suggestions: Sequence[Suggestion]
    at: float


@dataclass
class Scheduler:
    """One pending question for each buffer, and the last answers.

    A buffer identifies an editor and a file. Answers older than `freshness` seconds are not used again.
    """

    freshness: float = 20.0
    _flying: dict[Hashable, QuestionTicket] = field(default_factory=dict)
    _answers: dict[Hashable, deque[_RecentAnswer]] = field(default_factory=dict)

    def ask(self, buffer: Hashable, query: Query, now: float) -> QuestionTicket | list[Suggestion]:
        """Return the answer if it is known, else a ticket to work on; the previous question stops in both cases."""
        self._stop(self._flying.pop(buffer, None))
        known = self._known(buffer, query, now)
        if known is not None:
            return known
        ticket = self._flying[buffer] = QuestionTicket(buffer, query)
        return ticket

    def answered(self, ticket: QuestionTicket, suggestions: Sequence[Suggestion], now: float) -> None:
        """Remember an answer; one that was stopped may be incomplete and is not kept."""
        if ticket.is_stopped:
            return
        self.remember(ticket.buffer, ticket.query, suggestions, now)
        self.leave(ticket)

    def remember(self, buffer: Hashable, query: Query, suggestions: Sequence[Suggestion], now: float) -> None:
        """Remember an answer for a likely question; an empty one is not kept, as the next blob may bring one."""
        if not suggestions:
            return
        answers = self._answers.pop(buffer, None) or deque(maxlen=_REMEMBERED)
        answers.append(_RecentAnswer(query, suggestions, now))
        self._answers[buffer] = answers
        if len(self._answers) > _BUFFERS:
            del self._answers[next(iter(self._answers))]

    def leave(self, ticket: QuestionTicket) -> None:
        """Stop a question that nobody waits for any longer; a finished one is not an error."""
        self._stop(ticket)
        if self._flying.get(ticket.buffer) is ticket:
            del self._flying[ticket.buffer]

    def forget(self, buffer: Hashable) -> None:
        """Drop everything about a buffer that was closed."""
        self._stop(self._flying.pop(buffer, None))
        self._answers.pop(buffer, None)

    def next_query(self, ticket: QuestionTicket, suggestions: Sequence[Suggestion]) -> Query | None:
        """Return the question that follows if the member accepts the answer: worth answering while nobody waits."""
        if not suggestions or not suggestions[0].shown or ticket.is_stopped:
            return None
        prefix = ticket.query.prefix + suggestions[0].text
        line = prefix.rpartition("\n")[2]
        return replace(ticket.query, prefix=f"{prefix}\n{indent_of(line)}")

    def _known(self, buffer: Hashable, query: Query, now: float) -> list[Suggestion] | None:
        for answer in reversed(self._answers.get(buffer, ())):
            if now - answer.at > self.freshness:
                return None
            known = typed_through(answer.query, answer.suggestions, query)
            if known is not None:
                return known
        return None

    @staticmethod
    def _stop(ticket: QuestionTicket | None) -> None:
        if ticket is not None:
            ticket.stop()


def typed_through(asked: Query, suggestions: Sequence[Suggestion], query: Query) -> list[Suggestion] | None:
    """Return the rest of an answer to `asked` after the member typed on, or None if they typed something else."""
    if replace(asked, prefix=query.prefix, patience=query.patience) != query:
        return None
    if not query.prefix.startswith(asked.prefix):
        return None
    typed = query.prefix[len(asked.prefix) :]
    if not typed:
        return list(suggestions)
    left = [
        replace(suggestion, text=suggestion.text[len(typed) :])
        for suggestion in suggestions
        if suggestion.text.startswith(typed) and len(suggestion.text) > len(typed)
    ]
    return left or None
