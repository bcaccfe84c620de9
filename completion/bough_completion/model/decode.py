"""Greedy decoding, several editors at once, with drafted tokens verified in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bough_completion.model.head import picks_of
from bough_completion.model.kv import common
from bough_completion.model.runtime import Stop
from bough_completion.model.session import Session

# Maps the tokens of an answer so far to the likely next ones; empty if nothing suggests any.
Draft = Callable[[Sequence[int]], Sequence[int]]


# Maps the tokens of an answer so far to the next ones that are allowed; None if all are.
Held = Callable[[Sequence[int]], Sequence[int] | None]


def not_held(tokens: Sequence[int]) -> None:
    """Constrain nothing."""


def no_draft(tokens: Sequence[int]) -> Sequence[int]:
    """Draft nothing."""
    return ()


def following(drafted: Sequence[int]) -> Draft:
    """Return a draft function that proposes `drafted` as long as the answer agrees."""

    def rest(tokens: Sequence[int]) -> Sequence[int]:
        return drafted[len(tokens) :] if common(drafted, tokens) == len(tokens) else ()

    return rest


@dataclass
class Generation:
    """An unfinished answer in one slot.

    `pending` are tokens that were not run yet: first the rest of the prompt, then the newest token. `ends` decides from
    the answer's tokens whether it is complete.
    """

    row: int
    pending: list[int]
    limit: int
    stop: Stop
    stop_tokens: frozenset[int] = frozenset()
    ends: Callable[[Sequence[int]], bool] = lambda tokens: False
    draft: Draft = no_draft
    held: Held = not_held
    tokens: list[int] = field(default_factory=list)
    # The model's own probability of each token, among those that were allowed.
    chances: list[float] = field(default_factory=list)
    runs: int = 0
    done: bool = False

    def add(self, token: int, chance: float) -> None:
        """Take the next token, and check whether the answer is complete."""
        if token in self.stop_tokens:
            self.done = True
            return
        self.tokens.append(token)
        self.chances.append(chance)
        self.pending = [token]
        self.done = len(self.tokens) >= self.limit or self.ends(self.tokens)


def begin(
    session: Session,
    row: int,
    prompt: Sequence[int],
    limit: int,
    stop: Stop,
    *,
    stop_tokens: frozenset[int] = frozenset(),
    ends: Callable[[Sequence[int]], bool] = lambda tokens: False,
    draft: Draft = no_draft,
    held: Held = not_held,
) -> Generation:
    """Rewind slot `row` to what it shares with `prompt` and return an answer of at most `limit` tokens to advance."""
    kept = session.cache.slots[row].rewind(prompt)
    return Generation(row, list(prompt[kept:]), limit, stop, stop_tokens, ends, draft, held)


def advance(session: Session, answers: Sequence[Generation]) -> None:
    """Advance every answer by one run: a chunk of its prompt, or its next tokens.

    Answers that only wait for their next token share one run; alone, an answer has its draft verified with it. The
    session's settings limit how much of a prompt, and of a draft, one run takes. Raise `Stopped` if the answer that was
    run alone was stopped, `ContextFull` if its slot is full.
    """
    waiting = [each for each in answers if len(each.pending) == 1]
    together = len(waiting) > 1
    for each in answers:
        if not together or len(each.pending) > 1:
            _advance_alone(session, each)
    if together:
        _advance_together(session, waiting)


def _advance_alone(session: Session, answer: Generation) -> None:
    answer.runs += 1
    chunk = session.settings.chunk_tokens
    fed, rest = answer.pending[:chunk], answer.pending[chunk:]
    if rest:
        session.pick(answer.row, fed, [len(fed) - 1], answer.stop)
        answer.pending = rest
        return
    tokens = session.cache.slots[answer.row].tokens
    held = len(tokens) + len(fed)
    room = min(session.settings.draft_tokens, answer.limit - len(answer.tokens) - 1, session.window - held)
    drafted = list(answer.draft(answer.tokens))[: max(0, room)]
    run = answer.row, [*fed, *drafted], range(len(fed) - 1, len(fed) + len(drafted)), answer.stop
    if answer.held(answer.tokens) is None:
        picks = session.pick(*run)
    else:
        allowed = [answer.held([*answer.tokens, *drafted[:size]]) for size in range(len(drafted) + 1)]
        picks = picks_of(session.run(*run), allowed)
    agreed = common(drafted, picks.tokens)
    del tokens[held + agreed :]
    for position in range(agreed + 1):
        if not answer.done:
            answer.add(picks.tokens[position], picks.chances[position])


def _advance_together(session: Session, answers: Sequence[Generation]) -> None:
    fed = {each.row: each.pending[0] for each in answers}
    allowed = [each.held(each.tokens) for each in answers]
    is_held = any(each is not None for each in allowed)
    picks = picks_of(session.run_batch(fed), allowed) if is_held else session.pick_batch(fed)
    for answer, token, chance in zip(answers, picks.tokens, picks.chances, strict=True):
        answer.runs += 1
        answer.add(token, chance)
