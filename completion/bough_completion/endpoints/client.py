"""The client of the completion process: dataclasses in, dataclasses out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import grpc
from bough_proto.v1 import completion_pb2 as pb
from bough_proto.v1 import completion_pb2_grpc as rpc

from bough_completion import wire
from bough_completion.metrics import Suggested
from bough_completion.query import Stats, Suggestion

# Bytes of text in one message, unless a single blob has more; a message must stay below 4 MiB.
BATCH_BYTES = 1_000_000

_OPTIONS = [
    # A restarted process is found at once, without the backoff of an earlier connection to the socket.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 200),
]


class Gone(Exception):
    """The process has ended during a call, or the connection was closed; the call had no effect."""


class CompletionClient:
    """A connection to a completion process; use it as an async context manager."""

    def __init__(self, socket: str) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix:{socket}", options=_OPTIONS)
        self._stub = rpc.CompletionServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def feed(self, repository: str, blobs: AsyncIterable[wire.Blob]) -> int:
        """Send blobs as they come; return how many, once all of them are learned."""
        with or_gone():
            response: pb.FeedResponse = await self._stub.Feed(_batches(repository, blobs), wait_for_ready=True)
        return int(response.blobs)

    async def complete(self, question: wire.Question) -> list[Suggestion]:
        """Return the suggestions, none if a newer question took this one's place; cancelling stops the search."""
        found: list[Suggestion] = []
        with or_gone():
            async for response in self._stub.Complete(wire.complete_request(question), wait_for_ready=True):
                found = wire.suggestions_from(response)
        return found

    async def stats(self, repository: str) -> Stats:
        """Return statistics about a repository."""
        request = pb.GetStatsRequest(repository=repository)
        with or_gone():
            return wire.stats_from(await self._stub.GetStats(request, wait_for_ready=True))

    async def uses(self) -> AsyncIterator[tuple[str, Suggested]]:
        """Yield what becomes of suggestions, with the repository, forever."""
        with or_gone():
            async for response in self._stub.WatchUse(pb.WatchUseRequest(), wait_for_ready=True):
                yield wire.use_from(response)


@contextmanager
def or_gone() -> Iterator[None]:
    """Raise Gone for any failure of a call whose process ends; grpc cancels the calls of a closed channel."""
    try:
        yield
    except grpc.aio.UsageError as failure:
        raise Gone(str(failure)) from failure
    except grpc.aio.AioRpcError as failure:
        if failure.code() is grpc.StatusCode.INVALID_ARGUMENT:
            raise  # the process is there, and its error is real
        raise Gone(str(failure.details())) from failure
    except asyncio.CancelledError as failure:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise Gone("the connection was closed") from failure


async def _batches(repository: str, blobs: AsyncIterable[wire.Blob]) -> AsyncIterator[pb.FeedRequest]:
    batch, size = list[wire.Blob](), 0
    async for blob in blobs:
        batch.append(blob)
        size += len(blob.path) + 4 * len(blob.text or "")
        if size > BATCH_BYTES:
            yield wire.feed_request(repository, batch)
            batch, size = [], 0
    if batch:
        yield wire.feed_request(repository, batch)
