"""Background work that fails is started again, and somebody is told."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from bough_daemon.errors import NotLive
from bough_daemon.system import supervisor
from bough_daemon.system.failing import Failing
from bough_daemon.system.supervisor import Pause, Supervisor, reason_of, state_with
from bough_daemon.system.threads import to_the_end
from hypothesis import given
from hypothesis import strategies as st

DEADLINE = 20.0


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test within a deadline."""
    asyncio.run(asyncio.wait_for(test, DEADLINE))


def quick() -> Pause:
    """Return a pause that no test has to wait for."""
    return Pause(shortest=0.001, longest=0.004, steady=60.0)


def test_the_pause_doubles_up_to_its_bound_and_is_short_again_after_good_work() -> None:
    pause = Pause(shortest=1, longest=10, steady=60)
    assert [pause.after(worked) for worked in (0, 0, 59, 0, 0, 60, 0)] == [1, 2, 4, 8, 10, 1, 2]


@given(st.lists(st.floats(0, 1000)))
def test_every_pause_is_within_its_bounds(worked: list[float]) -> None:
    pause = Pause(shortest=0.5, longest=30, steady=60)
    assert all(0.5 <= pause.after(seconds) <= 30 for seconds in worked)


def test_a_loop_that_fails_is_started_again_and_counted() -> None:
    async def test() -> None:
        supervisor, starts, done = Supervisor(quick), list[int](), asyncio.Event()

        async def loop() -> None:
            starts.append(len(starts))
            if len(starts) <= 3:
                raise RuntimeError("boom")
            done.set()
            await asyncio.get_running_loop().create_future()

        supervisor.keep("sharing", loop)
        await done.wait()
        assert starts == [0, 1, 2, 3]
        (failing,) = supervisor.failing()
        assert (failing.work, failing.failures, failing.reason) == ("sharing", 3, "RuntimeError: boom")
        assert not failing.recovered
        await supervisor.close()

    run(test())


def test_a_loop_that_fails_ends_no_other() -> None:
    async def test() -> None:
        supervisor, beats = Supervisor(quick), asyncio.Queue[str]()

        async def bad() -> None:
            beats.put_nowait("bad")
            raise OSError(28, "No space left on device")

        async def good() -> None:
            while True:
                beats.put_nowait("good")
                await asyncio.sleep(0.001)

        supervisor.keep("bad", bad)
        supervisor.keep("good", good)
        seen = [await beats.get() for _ in range(40)]
        assert seen.count("good") > 3 and seen.count("bad") > 3
        assert [one.work for one in supervisor.failing()] == ["bad"]
        await supervisor.close()

    run(test())


def test_a_loop_that_returns_is_done() -> None:
    async def test() -> None:
        supervisor, starts = Supervisor(quick), list[int]()

        async def loop() -> None:
            starts.append(1)

        await supervisor.keep("once", loop)
        assert starts == [1] and supervisor.failing() == []
        await supervisor.close()

    run(test())


def test_a_cancelled_wait_inside_a_loop_is_a_failure_and_not_its_end() -> None:
    async def test() -> None:
        supervisor, starts, again = Supervisor(quick), list[int](), asyncio.Event()

        async def loop() -> None:
            starts.append(1)
            if len(starts) > 1:
                again.set()
                return
            waited = asyncio.get_running_loop().create_future()
            waited.cancel()
            await waited

        await supervisor.keep("waiting", loop)
        assert again.is_set() and supervisor.failing()[0].failures == 1
        await supervisor.close()

    run(test())


def test_something_done_once_is_not_done_again_when_it_fails() -> None:
    async def test() -> None:
        supervisor, starts = Supervisor(quick), list[int]()

        async def once() -> None:
            starts.append(1)
            raise NotLive("it is not live")

        await supervisor.begin("a job", once)
        assert starts == [1]
        assert supervisor.failing()[0].reason == "it is not live"
        await supervisor.close()

    run(test())


def test_closing_ends_everything_what_waits_for_its_next_start_included() -> None:
    async def test() -> None:
        supervisor, failed, ran = Supervisor(lambda: Pause(shortest=1000, longest=1000)), asyncio.Event(), list[int]()

        async def fails() -> None:
            failed.set()
            raise RuntimeError("boom")

        async def late() -> None:
            ran.append(1)

        task = supervisor.keep("bad", fails)
        await failed.wait()
        await supervisor.close()
        assert task.cancelled()
        for begun in (supervisor.keep("late", late), supervisor.begin("late", late)):
            await asyncio.wait([begun])
        assert ran == []

    run(test())


def test_closing_ends_work_that_swallows_being_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "CANCEL_AGAIN_SECONDS", 0.01)

    async def test() -> None:
        supervisor, begun = Supervisor(quick), asyncio.Event()

        async def deaf() -> None:
            begun.set()
            for _ in range(2):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            await asyncio.Event().wait()

        supervisor.begin("deaf", deaf)
        await begun.wait()
        await supervisor.close()

    run(test())


def test_work_on_a_thread_outlives_being_cancelled_however_often() -> None:
    async def test() -> None:
        begun, release, done = threading.Event(), threading.Event(), list[int]()

        def work() -> None:
            begun.set()
            release.wait(DEADLINE)
            done.append(1)

        task = asyncio.create_task(to_the_end(asyncio.to_thread(work)))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert not task.done()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == [1]

    run(test())


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (RuntimeError(), "RuntimeError"),
        (RuntimeError("boom"), "RuntimeError: boom"),
        (OSError(28, "No space left on device", "/x"), "No space left on device"),
        (OSError("odd"), "OSError: odd"),
        (NotLive("x is not live"), "x is not live"),
        (ExceptionGroup("several", [ExceptionGroup("more", [KeyError("k")]), OSError()]), "KeyError: 'k'"),
    ],
)
def test_a_reason_is_for_people(failure: BaseException, reason: str) -> None:
    assert reason_of(failure) == reason


def test_the_state_tells_of_what_failed_lately_and_of_nothing_else() -> None:
    lately = Failing("sharing", 1, "RuntimeError: boom", 0.0, recovered=False)
    often = Failing("sharing", 3, "RuntimeError: boom", 0.0, recovered=False)
    long_ago = Failing("learning", 9, "RuntimeError: old", 0.0, recovered=True)
    assert state_with("live", []) == state_with("live", [long_ago]) == "live"
    told = state_with("live", [long_ago, lately])
    assert told == "live, but sharing failed and is being retried: RuntimeError: boom"
    assert "failed 3 times and" in state_with("live", [often])
    assert state_with("the disk is full", [lately]) == "the disk is full"
