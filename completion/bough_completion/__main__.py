"""The completion process.

usage: python -m bough_completion SOCKET

Serves `completion.proto` on the unix socket SOCKET. Ends when its standard input is closed, so it never outlives
whoever started it. It holds no lock and no key and opens no other file.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import grpc
from bough_proto.v1 import completion_pb2_grpc as rpc

from bough_completion.service import Completer, CompletionService
from bough_completion.worker import Worker

_NICENESS = 5
_MESSAGE_BYTES = 16 << 20


async def serve(socket: Path) -> None:
    """Serve until standard input ends."""
    worker = Worker()
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)])
    rpc.add_CompletionServiceServicer_to_server(CompletionService(Completer(worker)), server)
    socket.unlink(missing_ok=True)
    previous = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{socket}")
        await server.start()
    finally:
        os.umask(previous)
    try:
        await _standard_input_ends()
    finally:
        await server.stop(grace=0)
        worker.close()
        socket.unlink(missing_ok=True)


async def _standard_input_ends() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(4096):
            pass
    finally:
        transport.close()


def main() -> None:
    """Run the process."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    os.nice(_NICENESS)
    asyncio.run(serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
