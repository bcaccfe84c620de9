"""The gRPC endpoint of the completion process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
from bough_proto.v1 import completion_pb2 as pb
from bough_proto.v1 import completion_pb2_grpc as rpc

from bough_completion import wire
from bough_completion.answering.completer import Completer

# Seconds that an answer may take if the question does not say; a later suggestion disturbs.
PATIENCE = 0.2


class CompletionService(rpc.CompletionServiceServicer):
    """Serve `completion.proto`."""

    def __init__(self, completer: Completer) -> None:
        self._completer = completer

    async def Feed(
        self, request_iterator: AsyncIterator[pb.FeedRequest], context: grpc.aio.ServicerContext[object, object]
    ) -> pb.FeedResponse:
        """Learn and forget texts."""
        count = 0
        async for request in request_iterator:
            try:
                blobs = wire.blobs_from(request)
            except wire.BadRequest as fault:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(fault))
            await self._completer.feed(request.repository, blobs)
            count += len(blobs)
        return pb.FeedResponse(blobs=count)

    async def Complete(
        self, request: pb.CompleteRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> AsyncIterator[pb.CompleteResponse]:
        """Answer, and better if there is time; closing the stream cancels this coroutine, which stops the work."""
        async with aclosing(self._completer.answers(wire.question_from(request, PATIENCE))) as answers:
            async for found in answers:
                yield wire.complete_response(found)

    async def GetStats(
        self, request: pb.GetStatsRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> pb.GetStatsResponse:
        """Return statistics."""
        return wire.stats_response(await self._completer.stats(request.repository))

    async def WatchUse(
        self, request: pb.WatchUseRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> AsyncIterator[pb.WatchUseResponse]:
        """Stream what becomes of suggestions."""
        with self._completer.uses.watch() as uses:
            while True:
                yield wire.use_response(*await uses.get())
