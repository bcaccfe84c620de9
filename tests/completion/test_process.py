"""The completion process, as the daemon runs it."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import grpc
import pytest
from bough_completion import BlobKind, Origin, Query
from bough_completion.endpoints.client import CompletionClient
from bough_completion.wire import Blob, Question

from tests.completion.processes import blobs, process


async def ask(client: CompletionClient, prefix: str, repository: str = "shop") -> list[str]:
    question = Question(repository, "test", Query("b.py", prefix, patience=5.0))
    return [found.text for found in await client.complete(question)]


def test_blobs_go_in_and_suggestions_come_out(tmp_path: Path) -> None:
    async def talk() -> None:
        socket = tmp_path / "completion.sock"
        async with process(socket), CompletionClient(str(socket)) as client:
            line = Blob("a.py", "window.open_with(title)\n")
            assert await client.feed("shop", blobs(line, Blob("gone.py", "x\n"), Blob("gone.py", None))) == 3
            assert stat.S_IMODE(socket.stat().st_mode) == 0o600
            assert await ask(client, "window.op") == ["en_with(title)"]
            assert await ask(client, "window.open_w") == ["ith(title)"]
            assert await ask(client, "window.op", repository="other") == []
            live = Blob("b.py", "door.shut(now)\n", Origin(BlobKind.LIVE, "alice"))
            assert await client.feed("shop", blobs(live)) == 1
            found = await client.complete(Question("shop", "test", Query("b.py", "door.sh", patience=5.0)))
            assert [(one.text, one.source) for one in found] == [("ut(now)", "live:alice")]
            stats = await client.stats("shop")
            assert (stats.blobs, stats.kinds) == (2, {"tree": 1, "live": 1})
            assert stats.accepted == 0
            assert (await client.stats("never seen")).blobs == 0
        assert not socket.exists()

    asyncio.run(talk())


def test_a_blob_of_no_kind_or_of_a_nameless_teammate_is_refused(tmp_path: Path) -> None:
    async def talk() -> None:
        socket = tmp_path / "completion.sock"
        async with process(socket), CompletionClient(str(socket)) as client:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await client.feed("shop", blobs(Blob("a.py", "x\n", Origin(BlobKind.LIVE))))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "a.py" in str(refused.value.details())

    asyncio.run(talk())


def test_many_questions_at_once_leave_the_newest_answered(tmp_path: Path) -> None:
    async def talk() -> None:
        socket = tmp_path / "completion.sock"
        async with process(socket), CompletionClient(str(socket)) as client:
            lines = "".join(f"window.open_{number}(title, {number})\n" for number in range(500))
            await client.feed("shop", blobs(Blob("a.py", lines)))
            typed = "window.open_499(title"
            questions = [asyncio.create_task(ask(client, typed[:end])) for end in range(3, len(typed) + 1)]
            answers = await asyncio.gather(*questions)
            assert answers[-1] == [", 499)"]
            cancelled = asyncio.create_task(ask(client, "window.o"))
            await asyncio.sleep(0)
            cancelled.cancel()
            assert await ask(client, "window.open_7(") == ["title, 7)"]

    asyncio.run(talk())
