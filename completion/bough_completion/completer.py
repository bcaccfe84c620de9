"""Everyone's questions about every repository, answered by one worker."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from functools import partial
from time import monotonic

from bough_completion.engine import RepositoryEngine
from bough_completion.metrics import Metrics
from bough_completion.query import Query, Stats, Suggestion
from bough_completion.scheduler import Scheduler, Ticket
from bough_completion.wire import Blob, Question
from bough_completion.worker import Worker


class Completer:
    """Hold an engine for each repository and answer questions about them, from the event loop."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._scheduler = Scheduler()
        self._engines: defaultdict[str, RepositoryEngine] = defaultdict(RepositoryEngine)
        self._metrics: defaultdict[str, Metrics] = defaultdict(Metrics)
        self._ahead: set[asyncio.Task[None]] = set()
        self._latest = ""

    async def feed(self, repository: str, blobs: list[Blob]) -> None:
        """Learn and forget blobs, one by one, and tidy up in parts: a question waits for one of these at the most."""
        self._latest = repository
        engine = self._engines[repository]
        for blob in blobs:
            job = partial(engine.drop, blob.path, blob.origin)
            if blob.text is not None:
                job = partial(engine.put, blob.path, blob.text, blob.origin)
            await asyncio.wrap_future(self._worker.submit(job))
        while await asyncio.wrap_future(self._worker.submit(engine.tidy_some)):
            pass

    async def complete(self, question: Question) -> list[Suggestion] | None:
        """Return the answer, or None if a newer question of the same editor and file took its place."""
        buffer = (question.editor, question.query.path)
        metrics = self._metrics[question.repository]
        metrics.see(buffer, question.query)
        found = await self._newest(question)
        if found and found[0].shown:
            metrics.show(buffer, question.query, found[0].text)
        return found

    async def _newest(self, question: Question) -> list[Suggestion] | None:
        buffer = (question.repository, question.editor, question.query.path)
        ticket = self._scheduler.ask(buffer, question.query, monotonic())
        if not isinstance(ticket, Ticket):
            return ticket
        try:
            found = await self._answer(question.repository, question.query, ticket)
            if ticket.is_stopped:
                return None
            ahead = self._scheduler.next_query(ticket, found)
            self._scheduler.answered(ticket, found, monotonic())
        finally:
            self._scheduler.leave(ticket)
        if ahead is not None:
            self._prefetch(question.repository, Ticket(buffer, ahead))
        return found

    async def text_for(self, editor: str, query: Query) -> str:
        """Return what may be shown unasked to an editor that names a file at best.

        The repository is the one that the file lies in, else the one that was last told of a change.
        """
        homes = [name for name in self._engines if query.path.startswith(f"{name}/")]
        repository = max(homes, key=len, default=self._latest)
        if homes:
            query = replace(query, path=query.path[len(repository) + 1 :])
        found = await self.complete(Question(repository, editor, query)) or []
        return found[0].text if found and found[0].shown else ""

    async def stats(self, repository: str) -> Stats:
        """Return how much of a repository is held, and what became of the answers about it."""
        if repository not in self._engines:
            return Stats(0, 0, 0)
        held = await asyncio.wrap_future(self._worker.submit(self._engines[repository].stats, urgent=True))
        use = self._metrics[repository]
        return replace(held, shown=use.shown, accepted=use.accepted, accepted_characters=use.characters)

    async def _answer(self, repository: str, query: Query, ticket: Ticket, urgent: bool = True) -> list[Suggestion]:
        engine = self._engines[repository]
        job = partial(engine.complete, query, lambda: ticket.is_stopped)
        return await asyncio.wrap_future(self._worker.submit(job, urgent))

    def _prefetch(self, repository: str, ticket: Ticket) -> None:
        """Answer what will be asked if the member accepts, once nobody waits."""

        async def fetch() -> None:
            found = await self._answer(repository, ticket.query, ticket, urgent=False)
            self._scheduler.remember(ticket.buffer, ticket.query, found, monotonic())

        task = asyncio.create_task(fetch())
        self._ahead.add(task)
        task.add_done_callback(self._ahead.discard)
