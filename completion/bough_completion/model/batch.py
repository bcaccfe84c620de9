"""One thread that serves every editor's answers, run by run."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from bough_completion.errors import ModelError, Stopped
from bough_completion.model.decode import Draft, Generation, Held, advance, begin, no_draft, not_held
from bough_completion.model.runtime import Stop
from bough_completion.model.session import Session


@dataclass
class Request:
    """What one editor wants continued, and the result so far.

    `progress`, called on the serving thread after every run that brought tokens, gets all of them and their chances.
    `owner` identifies a repeated asker, and finds what it had decoded (see `Cache.best_for`). `finished` is set at the
    end; then `tokens` and `chances` are the answer, or as much of it as there was before `failure`.
    """

    prompt: Sequence[int]
    limit: int
    stop: Stop
    stop_tokens: frozenset[int] = frozenset()
    ends: Callable[[Sequence[int]], bool] = lambda tokens: False
    draft: Draft = no_draft
    held: Held = not_held
    progress: Callable[[Sequence[int], Sequence[float]], None] = lambda tokens, chances: None
    owner: Hashable = None
    tokens: list[int] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    # Tokens of the prompt that were decoded before.
    reused: int = 0
    runs: int = 0
    failure: Exception | None = None
    finished: threading.Event = field(default_factory=threading.Event)


class Batcher:
    """Serve requests of any thread on one thread; as many at once as the session has slots, then in order."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: deque[Request] = deque()
        self._active: dict[int, tuple[Request, Generation]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="model")
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Serve `request` as soon as a slot is free; return at once. After `close` it fails as stopped."""
        with self._changed:
            if not self._closed:
                self._waiting.append(request)
                self._changed.notify()
                return
        _fail(request, Stopped("the model is closed"))

    def close(self) -> None:
        """End the thread; unanswered requests fail as stopped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        while self._admit():
            self._advance()
        for row in list(self._active):
            self._finish(row, Stopped("the model was closed"))
        for request in self._waiting:
            _fail(request, Stopped("the model was closed"))

    def _admit(self) -> bool:
        """Assign free slots to waiting requests, and wait for one if there is none at all; False to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._active or self._waiting)
            if self._closed:
                return False
            stopped = [request for request in self._waiting if request.stop.asked]
            self._waiting = deque(request for request in self._waiting if not request.stop.asked)
            free = len(self._session.cache.slots) - len(self._active)
            starting = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        for request in stopped:
            _fail(request, Stopped("the request was stopped before it began"))
        for request in starting:
            try:
                self._start(request)
            except Exception as failure:  # an exception of a request is its own failure, not the thread's
                _fail(request, failure)
        return True

    def _start(self, request: Request) -> None:
        cache = self._session.cache
        free = [row for row in range(len(cache.slots)) if row not in self._active]
        row = cache.best_for(request.prompt, free, request.owner)
        answer = begin(
            self._session,
            row,
            request.prompt,
            request.limit,
            request.stop,
            stop_tokens=request.stop_tokens,
            ends=request.ends,
            draft=request.draft,
            held=request.held,
        )
        request.reused = len(request.prompt) - len(answer.pending)
        self._active[row] = (request, answer)

    def _advance(self) -> None:
        for row, (_, answer) in list(self._active.items()):
            if answer.stop.asked:
                self._finish(row, Stopped("the request was stopped"))
        for answers in self._runs():
            had = [len(answer.tokens) for answer in answers]
            try:
                advance(self._session, answers)
            except Exception as failure:  # as above
                for answer in answers:
                    self._finish(answer.row, failure)
            else:
                for answer, before in zip(answers, had, strict=True):
                    self._report(answer, before)

    def _runs(self) -> list[list[Generation]]:
        """Return which requests share one run, so that a failure affects only those it concerns."""
        answers = [answer for _, answer in self._active.values()]
        ready = [answer for answer in answers if len(answer.pending) == 1]
        return [*([answer] for answer in answers if len(answer.pending) > 1), *([ready] if ready else [])]

    def _report(self, answer: Generation, before: int) -> None:
        request, _ = self._active[answer.row]
        try:
            if len(answer.tokens) > before:
                request.progress(answer.tokens, answer.chances)
        except Exception as failure:  # as above
            self._finish(answer.row, failure)
        else:
            if answer.done:
                self._finish(answer.row, None)

    def _finish(self, row: int, failure: Exception | None) -> None:
        request, answer = self._active.pop(row)
        request.tokens, request.chances, request.runs = answer.tokens, answer.chances, answer.runs
        request.failure = failure
        request.finished.set()


def _fail(request: Request, failure: Exception) -> None:
    request.failure = failure
    request.finished.set()


def answer_of(request: Request, patience: float | None) -> bool:
    """Wait for `request` at most `patience` seconds and return whether it was answered in full.

    When time is over, or it was stopped, what was decoded so far stays in `request.tokens`. Raise any other failure.
    """
    if not request.finished.wait(patience):
        request.stop.ask()
        request.finished.wait()
    if isinstance(request.failure, ModelError) and not isinstance(request.failure, Stopped):
        raise request.failure
    if request.failure is not None and not isinstance(request.failure, Stopped):
        raise ModelError(f"the model failed: {request.failure}") from request.failure
    return request.failure is None
