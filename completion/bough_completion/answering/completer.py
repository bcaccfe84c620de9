"""Answer questions about all repositories: the repository engine first, then any better writer."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any

from bough_completion.answering.repository import KnownRepository
from bough_completion.answering.scheduler import QuestionTicket, Scheduler
from bough_completion.answering.verdict import judged
from bough_completion.answering.work import Judge, WriterPace, WriterWork
from bough_completion.answering.worker import Worker
from bough_completion.metrics import Uses
from bough_completion.notes import Notes
from bough_completion.prompt.template import Prompt
from bough_completion.prompt.writers import Wish, Writer, Written
from bough_completion.query import NO_USE, REPOSITORY_ENGINE, BlobKind, Query, Stats, Suggestion
from bough_completion.wire import Blob, Question

# Tokens that an answer of one line may have, and one of several lines.
_LINE_TOKENS, _BLOCK_TOKENS = 48, 128
# The id of no repository: nothing was fed to it.
_NONE = ""
# Repository, editor and path: one file in one editor.
Buffer = tuple[str, str, str]


class Completer:
    """The data of each repository, and the answers to questions about them, on the event loop.

    `writers` are asked for a better answer: the first of them that is ready and may read the file.
    """

    def __init__(self, worker: Worker, writers: Sequence[Writer] = (), notes: Notes | None = None) -> None:
        self._worker = worker
        self._writers = writers
        self._notes = notes or Notes()
        self._scheduler = Scheduler()
        self._repositories: dict[str, KnownRepository] = {}
        self._works: dict[Buffer, WriterWork] = {}
        self._warming = QuestionTicket("", Query("", ""), is_stopped=True)
        self._paces: defaultdict[str, WriterPace] = defaultdict(WriterPace)
        self._tasks: set[asyncio.Task[None]] = set()
        self._use = NO_USE
        self._latest = ""
        self.uses = Uses()

    async def feed(self, repository: str, blobs: list[Blob]) -> None:
        """Learn and forget blobs, one by one, and tidy up in parts: a question waits for one of these at most."""
        self._latest = repository
        held = self._held(repository)
        for blob in blobs:
            if blob.text is not None and blob.origin.kind in (BlobKind.TREE, BlobKind.BUFFER):
                for use in held.metrics.look(blob.path, blob.text):
                    self.uses.tell(repository, use)
            is_opened = blob.origin.kind is BlobKind.BUFFER and not held.is_open(blob.path)
            await asyncio.wrap_future(self._worker.submit(partial(held.take, blob)))
            if is_opened and blob.text:
                self._spawn(self.warm(Question(repository, "", Query(blob.path, blob.text))))
        while await asyncio.wrap_future(self._worker.submit(held.tidy_some)):
            pass

    async def answers(self, question: Question) -> AsyncGenerator[list[Suggestion], None]:
        """Yield the answer, and a better one if there is one within the question's patience.

        It ends early when a newer question of the same editor and file takes its place; closing it stops the work.
        """
        deadline = monotonic() + question.query.patience
        metrics, buffer = self._held(question.repository).metrics, _buffer(question)
        self.uses.tell(question.repository, metrics.see(buffer, question.query))
        found: list[Suggestion] = []
        async with aclosing(self._newest(question, deadline)) as answers:
            async for found in answers:
                yield found
        if found and found[0].shown and question.editor:
            self.uses.tell(question.repository, metrics.show(buffer, question.query, found[0].text))

    async def complete(self, question: Question) -> list[Suggestion] | None:
        """Return the best answer within the question's patience, or None if a newer question took its place."""
        found = None
        async with aclosing(self.answers(question)) as answers:
            async for better in answers:
                found = better
        return found

    async def shown_for(self, editor: str, query: Query, alone: bool = False) -> Suggestion | None:
        """Return what may be shown unasked to an editor that knows at best a file's name.

        With `alone` no repository is used: the result is a model's answer to the prompt and nothing else.
        """
        question = Question(_NONE, editor, query) if alone else self._placed(editor, query)
        found = await self.complete(question)
        return found[0] if found and found[0].shown else None

    async def read_ahead(self, editor: str, query: Query) -> None:
        """Let a model read what an editor will ask about soon."""
        await self.warm(self._placed(editor, query))

    async def warm(self, question: Question) -> None:
        """Let a model read a text ahead, while there are no questions."""
        writer = self._writer(question)
        if writer is None or not writer.reads_ahead or any(not work.is_over for work in self._works.values()):
            return
        self._warming.stop()
        ticket = self._warming = QuestionTicket("", question.query)
        prompt = await self._prompt(question, writer, urgent=False)
        if not ticket.is_stopped:
            wish = Wish(_owner(question), prompt, tokens=0)
            WriterWork(writer, wish, ticket, [], self._judge(question.query, writer, []))

    async def stats(self, repository: str) -> Stats:
        """Return statistics: the held texts, the fate of answers, the writers, and notices."""
        held = Stats(0, 0, 0)
        if repository in self._repositories:
            job = self._repositories[repository].stats
            held = await asyncio.wrap_future(self._worker.submit(job, urgent=True))
        engine = next((writer.name for writer in self._writers if writer.is_ready), REPOSITORY_ENGINE)
        return replace(held, engine=engine, notes=tuple(self._notes), model=self._use)

    async def close(self) -> None:
        """Stop all running work."""
        self._warming.stop()
        for work in self._works.values():
            work.ticket.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _newest(self, question: Question, deadline: float) -> AsyncGenerator[list[Suggestion], None]:
        """Yield answers from running work for this very question, from memory, or from new work."""
        work = self._on_its_way(question)
        if work is None:
            ticket = self._scheduler.ask(_buffer(question), question.query, monotonic())
            if not isinstance(ticket, QuestionTicket):
                yield ticket
                return
            found, work = await self._begin(question, ticket)
            if work is None:
                if not ticket.is_stopped:
                    self._settle(question, ticket, found)
                    yield found
                return
        work.waiting += 1
        gave_up = True
        try:
            sent = work.best
            if sent:
                yield sent
            if not sent or self._paces[work.writer].is_within(question.query.patience):
                await work.by(deadline)
            if not work.is_stopped and (work.best != sent or not sent):
                yield work.best
            gave_up = False
        finally:
            work.waiting -= 1
            if gave_up and not work.waiting:
                self._scheduler.leave(work.ticket)

    async def _begin(self, question: Question, ticket: QuestionTicket) -> tuple[list[Suggestion], WriterWork | None]:
        """Return the repository engine's answer, and the work of a writer if there is one to ask."""
        self._warming.stop()
        try:
            found = await self._found(question, ticket, urgent=True)
            writer = self._writer(question)
            if writer is None or ticket.is_stopped:
                return found, None
            prompt = await self._prompt(question, writer, urgent=True)
            if ticket.is_stopped:
                return found, None
        except BaseException:  # the caller has left
            self._scheduler.leave(ticket)
            raise
        return found, self._work(question, ticket, writer, prompt, found)

    def _work(
        self, question: Question, ticket: QuestionTicket, writer: Writer, prompt: Prompt, found: list[Suggestion]
    ) -> WriterWork:
        lines = question.query.max_lines
        tokens = min(question.query.max_tokens, _LINE_TOKENS if lines == 1 else _BLOCK_TOKENS)
        wish = Wish(_owner(question), prompt, lines, tokens, found[0].text if found else "")
        work = WriterWork(writer, wish, ticket, found, self._judge(question.query, writer, found))
        self._works[_buffer(question)] = work

        def over(work: WriterWork) -> None:
            self._paces[work.writer].add(work.seconds)
            self._use = self._use + work.use
            if self._works.get(_buffer(question)) is work:
                del self._works[_buffer(question)]
            if not ticket.is_stopped:
                self._settle(question, ticket, work.best)

        work.when_over(over)
        return work

    def _on_its_way(self, question: Question) -> WriterWork | None:
        """Return the running work for this very question; stop work for another question of the buffer."""
        work = self._works.get(_buffer(question))
        if work is None or work.ticket.is_stopped:
            return None
        if replace(work.ticket.query, patience=question.query.patience) == question.query:
            return work
        work.ticket.stop()
        return None

    def _settle(self, question: Question, ticket: QuestionTicket, found: list[Suggestion]) -> None:
        """Remember an answer, and prepare the question that follows if the member accepts it."""
        ahead = self._scheduler.next_query(ticket, found) if question.query == ticket.query else None
        self._scheduler.answered(ticket, found, monotonic())
        if ahead is not None and not question.is_ahead:
            self._spawn(self._ask_ahead(replace(question, query=ahead, is_ahead=True)))

    async def _ask_ahead(self, question: Question) -> None:
        """Answer what will be asked if the member accepts, once nobody waits."""
        ticket = QuestionTicket(_buffer(question), question.query)
        found = await self._found(question, ticket, urgent=False)
        if ticket.is_stopped:
            return
        writer = self._writer(question)
        if writer is None:
            self._settle(question, ticket, found)
            return
        prompt = await self._prompt(question, writer, urgent=False)
        if _buffer(question) not in self._works:
            self._work(question, ticket, writer, prompt, found)

    async def _found(self, question: Question, ticket: QuestionTicket, urgent: bool) -> list[Suggestion]:
        """Return the repository engine's answer; what is not urgent is abandoned as soon as something urgent waits."""

        def is_stopped() -> bool:
            if not urgent and self._worker.has_urgent:
                ticket.stop()
            return ticket.is_stopped

        job = partial(self._held(question.repository).answer, question.query, is_stopped)
        return await asyncio.wrap_future(self._worker.submit(job, urgent))

    async def _prompt(self, question: Question, writer: Writer, urgent: bool) -> Prompt:
        leaves = not writer.may_read(given_out=False)
        job = partial(self._held(question.repository).prompt, question.query, writer.room, leaves)
        return await asyncio.wrap_future(self._worker.submit(job, urgent))

    def _judge(self, query: Query, writer: Writer, found: list[Suggestion]) -> Judge:
        name = writer.name

        async def judge(written: Written) -> list[Suggestion]:
            job = partial(judged, written, query, name, found)
            return await asyncio.wrap_future(self._worker.submit(job, urgent=True))

        return judge

    def _writer(self, question: Question) -> Writer | None:
        given_out = self._held(question.repository).is_given_out(question.query.path)
        return next((each for each in self._writers if each.is_ready and each.may_read(given_out)), None)

    def _held(self, repository: str) -> KnownRepository:
        if repository not in self._repositories:
            self._repositories[repository] = KnownRepository(repository)
        return self._repositories[repository]

    def _placed(self, editor: str, query: Query) -> Question:
        """Return the question of an editor that names no repository.

        It is about the repository of the file, else the one that changed most recently.
        """
        homes = [name for name in self._repositories if query.path.startswith(f"{name}/")]
        repository = max(homes, key=len, default=self._latest)
        if homes:
            query = replace(query, path=query.path[len(repository) + 1 :])
        return Question(repository, editor, query)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _buffer(question: Question) -> Buffer:
    return question.repository, question.editor, question.query.path


def _owner(question: Question) -> str:
    """Return the owner of the model's memory slot for a question; "" if no file is named."""
    return "\0".join(_buffer(question)) if question.editor and question.query.path else ""
