"""The repository engine answers first, a better writer after it, and nobody waits longer than they want to."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from bough_completion.answering.completer import Completer
from bough_completion.answering.work import WriterPace
from bough_completion.answering.worker import Worker
from bough_completion.backends.local import LocalModel, ModelLocation
from bough_completion.notes import Notes
from bough_completion.prompt.template import Prompt
from bough_completion.prompt.writers import Wish, WriterFailed, Written
from bough_completion.query import BUFFER, Query, Suggestion
from bough_completion.wire import Blob, Question

LINES = "till.open_drum(kit)\n" * 3
TYPED = "x = 1\ntill.open_dr"


@dataclass
class Slow:
    """A writer that writes when it is told to, and remembers what was wanted and how that ended."""

    text: str = "awer(coins)"
    name: str = "slow"
    is_ready: bool = True
    room: int = 1000
    reads_ahead: bool = True
    only_given_out: bool = False
    fails: bool = False
    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    wishes: list[Wish] = field(default_factory=list)
    stopped: int = 0

    def may_read(self, given_out: bool) -> bool:
        return given_out or not self.only_given_out

    async def write(self, wish: Wish) -> AsyncGenerator[Written, None]:
        self.wishes.append(wish)
        self.begun.set()
        try:
            if self.fails:
                raise WriterFailed("no")
            yield Written("")
            await self.go.wait()
            yield Written(self.text, 0.9, 0.9, ended=True)
            self.finished.set()
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped += 1
            raise

    async def has_wishes(self, count: int) -> None:
        while True:
            if len(self.wishes) >= count:
                return
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        pass


@asynccontextmanager
async def completer(*writers: Slow) -> AsyncIterator[Completer]:
    worker = Worker()
    made = Completer(worker, writers)
    await made.feed("shop", [Blob("a.py", LINES), Blob("b.py", "x = 1\n")])
    try:
        yield made
    finally:
        await made.close()
        worker.close()


def question(prefix: str = TYPED, patience: float = 30.0, path: str = "b.py", limit: int = 1) -> Question:
    return Question("shop", "me", Query(path, prefix, "\n", patience=patience, limit=limit))


async def answers(made: Completer, asked: Question) -> list[list[str]]:
    async with aclosing(made.answers(asked)) as found:
        return [[one.text for one in each] async for each in found]


def run(talk: Callable[[Slow], Coroutine[Any, Any, None]]) -> None:
    async def start() -> None:
        async with asyncio.timeout(60):
            await talk(Slow())

    asyncio.run(start())


def test_the_better_answer_follows_the_first() -> None:
    async def talk(writer: Slow) -> None:
        writer.go.set()
        async with completer(writer) as made:
            assert await answers(made, question(limit=2)) == [["um(kit)"], ["awer(coins)", "um(kit)"]]
            assert writer.wishes[0].draft == "um(kit)"
            assert writer.wishes[0].prompt == Prompt("x = 1\n", "\n", "till.open_dr", "b.py", repository="shop")

    run(talk)


def test_a_deadline_gives_the_best_so_far_and_what_comes_late_answers_what_is_typed_next() -> None:
    async def talk(writer: Slow) -> None:
        async with completer(writer) as made:
            assert await answers(made, question(patience=0.05)) == [["um(kit)"]]
            writer.go.set()
            await writer.finished.wait()
            for _ in range(5):
                await asyncio.sleep(0)  # the work ends in the loop's next turns
            assert await answers(made, question(TYPED + "aw")) == [["er(coins)"]]
            assert [wish.prompt.begun for wish in writer.wishes].count("till.open_draw") == 0

    run(talk)


def test_a_newer_question_stops_the_older_one_and_the_same_one_joins_it() -> None:
    async def talk(writer: Slow) -> None:
        async with completer(writer) as made:
            older = asyncio.create_task(answers(made, question(TYPED[:-1])))
            await writer.begun.wait()
            first = asyncio.create_task(answers(made, question()))
            assert await older == [["rum(kit)"]]
            assert writer.stopped == 1
            await writer.has_wishes(2)
            second = asyncio.create_task(answers(made, question(patience=29.0)))
            await asyncio.sleep(0)
            writer.go.set()
            assert await first == [["um(kit)"], ["awer(coins)"]]
            assert (await second)[-1] == ["awer(coins)"]
            assert len([wish for wish in writer.wishes if wish.prompt.begun == "till.open_dr"]) == 1

    run(talk)


def test_who_goes_away_stops_the_work_unless_another_waits() -> None:
    async def talk(writer: Slow) -> None:
        async with completer(writer) as made:
            first = asyncio.create_task(answers(made, question()))
            await writer.begun.wait()
            second = asyncio.create_task(answers(made, question()))
            await asyncio.sleep(0.05)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            assert writer.stopped == 0
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
            await asyncio.sleep(0)
            assert writer.stopped == 1

    run(talk)


def test_a_writer_that_fails_or_may_not_read_leaves_the_first_answer() -> None:
    async def talk(writer: Slow) -> None:
        other = Slow(text="agon()", name="other")
        writer.fails = True
        other.go.set()
        async with completer(writer, other) as made:
            assert await answers(made, question()) == [["um(kit)"]]
            writer.is_ready = False
            assert (await answers(made, question("y = 2\n" + TYPED)))[-1] == ["agon()"]
            other.only_given_out = True
            assert await answers(made, question("z = 3\n" + TYPED, path="secret.env")) == [["um(kit)"]]
            assert [wish.prompt.path for wish in other.wishes] == ["b.py"]
            await made.feed("shop", [Blob("secret.py", "def key():\n    return 'hidden'\n", BUFFER)])
            await answers(made, question("from secret import key\n" + TYPED))
            assert not other.wishes[-1].prompt.files
            other.only_given_out = False
            await answers(made, question("from secret import key\n#\n" + TYPED))
            assert other.wishes[-1].prompt.files == (("secret.py", "def key():"),)

    run(talk)


def test_what_comes_next_and_what_is_opened_are_worked_on_ahead() -> None:
    async def talk(writer: Slow) -> None:
        writer.go.set()
        async with completer(writer) as made:
            await answers(made, question())
            await writer.has_wishes(2)
            assert writer.wishes[1].prompt.before.endswith("till.open_drawer(coins)\n")
            await made.feed("shop", [Blob("c.py", "opened = True\n", BUFFER)])
            await writer.has_wishes(3)
            assert (writer.wishes[2].tokens, writer.wishes[2].prompt.before) == (0, "opened = True\n")

    run(talk)


def test_work_ahead_gives_way_to_a_question_and_what_it_found_so_far_is_no_answer() -> None:
    async def talk(writer: Slow) -> None:
        writer.is_ready = False
        entered = threading.Event()

        def search(query: Query, is_stopped: Callable[[], bool]) -> list[Suggestion]:
            entered.set()
            while not is_stopped():
                time.sleep(0.001)
            return [Suggestion("um", 0.9, shown=True)]

        async with completer(writer) as made:
            ahead = replace(question(), is_ahead=True)
            with patch.object(made._held("shop"), "answer", search):
                working = asyncio.create_task(made._ask_ahead(ahead))
                await asyncio.to_thread(entered.wait, 60)
                await asyncio.wrap_future(made._worker.submit(lambda: None, urgent=True))
                await working
            assert await answers(made, question()) == [["um(kit)"]]

    run(talk)


def test_a_writer_that_is_always_late_is_not_waited_for() -> None:
    pace = WriterPace()
    for _ in range(3):
        assert pace.is_within(0.1)
        pace.add(2.0)
    assert not pace.is_within(0.1)
    assert pace.is_within(3.0)
    for _ in range(4):
        pace.add(0.05)
    assert pace.is_within(0.1)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc, to find the model's process")
def test_a_model_that_hangs_is_ended_and_started_again() -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra that `pip install 'bough[cpu]'` brings")
    pytest.importorskip("tokenizers", reason="needs tokenizers, of the extra that `pip install 'bough[cpu]'` brings")
    wish = Wish("me", Prompt("", "\n", "till.open_dr"))

    async def ask(model: LocalModel, seconds: float) -> str:
        async with asyncio.timeout(seconds), aclosing(model.write(wish)) as parts:
            return [part.text async for part in parts][-1]

    def children() -> set[int]:
        return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))

    async def talk() -> None:
        notes, others = Notes(), children()
        folder = Path(__file__).parent / "model" / "taught"
        model = LocalModel(ModelLocation(folder, "cpu"), notes, hung_after=0.2)
        model.start()
        await asyncio.wait_for(model.loaded.wait(), 60)
        assert await ask(model, 60) == "awer(coins, notes)"
        child = max(children() - others)  # on a busy machine it may have been taken for hanging once already
        os.kill(child, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await ask(model, 0.05)
        async with asyncio.timeout(60):
            while True:
                try:
                    assert await ask(model, 1) == "awer(coins, notes)"
                    break
                except (TimeoutError, WriterFailed):
                    await asyncio.sleep(0.1)
        assert list(notes) == []
        await model.close()

    asyncio.run(talk())
