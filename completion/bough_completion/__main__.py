"""The completion process.

Serves `completion.proto` on a unix socket and, if a port is given, the HTTP shapes of other completion servers on
loopback. Ends when its standard input is closed, so it never outlives the process that started it. It holds no lock and
no key of the team's. A model runs in a separate process below this one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import grpc
from bough_proto.v1 import completion_pb2_grpc as rpc

from bough_completion.answering.completer import Completer
from bough_completion.answering.worker import Worker
from bough_completion.backends.local import LocalModel, ModelLocation
from bough_completion.backends.remote import Address, RemoteModel
from bough_completion.endpoints.service import CompletionService
from bough_completion.endpoints.shapes import Shapes
from bough_completion.endpoints.web import WebServer
from bough_completion.notes import Notes
from bough_completion.prompt.writers import Writer

_NICENESS = 5
_MESSAGE_BYTES = 16 << 20


async def serve(options: argparse.Namespace, token: str) -> None:
    """Serve until standard input ends."""
    worker, notes = Worker(), Notes()
    writers = await _writers(options, notes)
    completer = Completer(worker, writers, notes)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)])
    rpc.add_CompletionServiceServicer_to_server(CompletionService(completer), server)
    web = WebServer(Shapes(completer).handle, token)
    try:
        if options.http is not None:
            print(await web.start(options.http), flush=True)
        await _listen(server, options.socket)
        await _standard_input_ends()
    finally:
        await web.stop()
        await server.stop(grace=0)
        await completer.close()
        for writer in writers:
            await writer.close()
        worker.close()
        options.socket.unlink(missing_ok=True)


async def _writers(options: argparse.Namespace, notes: Notes) -> list[Writer]:
    """Return the writers: the remote if one is configured, then the model on this machine."""
    writers: list[Writer] = []
    if options.remote:
        key = options.remote_key_file.read_text().strip() if options.remote_key_file else ""
        writers.append(RemoteModel(Address(options.remote, options.remote_model, key), notes))
    if options.model:
        place = ModelLocation(options.model, options.device, options.threads, options.memory)
        writers.append(local := LocalModel(place, notes))
        local.start()
    return writers


async def _listen(server: grpc.aio.Server, socket: Path) -> None:
    """Open the socket, for this user only."""
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bough_completion", description=__doc__)
    add = parser.add_argument
    add("socket", type=Path)
    add("--http", type=int, metavar="PORT", help="serve HTTP too; 0 chooses a port, which is printed")
    add("--token-file", type=Path, help="the file with the token that HTTP clients must send")
    add("--model", type=Path, metavar="FOLDER", help="answer from the model that was exported into this folder")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where the model runs")
    add("--threads", type=int, default=2, help="cores that the model may use")
    add("--memory", type=int, metavar="MIB", help="memory that the model may use, its weights included")
    add("--remote", metavar="URL", help="answer from an OpenAI-compatible server; the URL ends before /completions")
    add("--remote-model", default="", metavar="NAME", help="the model to ask that server for")
    add("--remote-key-file", type=Path, help="the file with that server's API key")
    return parser


def main() -> None:
    """Run the process."""
    parser = _parser()
    options = parser.parse_args()
    if (options.http is None) != (options.token_file is None):
        parser.error("--http and --token-file belong together")
    token = options.token_file.read_text().strip() if options.token_file else ""
    if options.token_file and not token:
        parser.error("the token is empty")
    os.nice(_NICENESS)
    asyncio.run(serve(options, token))


if __name__ == "__main__":
    main()
