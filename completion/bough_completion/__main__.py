"""The completion process.

Serves `completion.proto` on a unix socket and, where a port is given, the HTTP shapes of other completion servers on
loopback. Ends when its standard input is closed, so it never outlives whoever started it. It holds no lock and no key
and opens no other file than the one of the token.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import grpc
from bough_proto.v1 import completion_pb2_grpc as rpc

from bough_completion.completer import Completer
from bough_completion.service import CompletionService
from bough_completion.shapes import Shapes
from bough_completion.web import WebServer
from bough_completion.worker import Worker

_NICENESS = 5
_MESSAGE_BYTES = 16 << 20


async def serve(socket: Path, http_port: int | None, token: str) -> None:
    """Serve until standard input ends."""
    worker = Worker()
    completer = Completer(worker)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)])
    rpc.add_CompletionServiceServicer_to_server(CompletionService(completer), server)
    web = WebServer(Shapes(completer).handle, token)
    try:
        if http_port is not None:
            print(await web.start(http_port), flush=True)
        await _listen(server, socket)
        await _standard_input_ends()
    finally:
        await web.stop()
        await server.stop(grace=0)
        worker.close()
        socket.unlink(missing_ok=True)


async def _listen(server: grpc.aio.Server, socket: Path) -> None:
    """Open the socket, for this user alone."""
    socket.unlink(missing_ok=True)
    previous = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{socket}")
        await server.start()
    finally:
        os.umask(previous)


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
    parser = argparse.ArgumentParser(prog="python -m bough_completion", description=__doc__)
    parser.add_argument("socket", type=Path)
    parser.add_argument("--http", type=int, metavar="PORT", help="serve HTTP too; 0 chooses a port, which is printed")
    parser.add_argument("--token-file", type=Path, help="who does not know what it says gets no answer over HTTP")
    options = parser.parse_args()
    if (options.http is None) != (options.token_file is None):
        parser.error("--http and --token-file belong together")
    token = options.token_file.read_text().strip() if options.token_file else ""
    if options.token_file and not token:
        parser.error("the token is empty")
    os.nice(_NICENESS)
    asyncio.run(serve(options.socket, options.http, token))


if __name__ == "__main__":
    main()
