"""The endpoint for editors: a language server whose only language feature is completion.

Editors that know LSP 3.18 ask `textDocument/inlineCompletion`; the others `textDocument/completion`. The program that
starts the server provides the connection to the completion process, and the repository of each file.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from threading import Event
from typing import BinaryIO, Protocol
from urllib.parse import unquote

from lsprotocol import types
from pygls.io_ import StdoutWriter, run_async
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from bough_completion.endpoints.client import CompletionClient, Gone
from bough_completion.query import BUFFER, Query, Suggestion
from bough_completion.wire import Blob, Question

# Lines of a block that is suggested unasked.
MOST_LINES = 12
# Suggestions to choose from when the member asks.
CHOICES = 3
# Seconds that an answer may take; one that nobody asked for disturbs if it comes later.
PATIENCE, PATIENCE_OF_ONE_WHO_ASKS = 0.2, 1.0
# Bytes that are read from the editor before it has to wait.
_AT_ONCE = 1 << 20
# How the address of a buffer begins that has a file, or will have one.
_FILE = "file:"
# Seconds after which an answer is given up, whatever the cause.
_LATEST = 5.0


class FilePlace(Protocol):
    """Where a file is. `withheld`: nothing is suggested in it. `ignored`: nothing is learned from it."""

    @property
    def repository(self) -> str:
        """The name under which its surroundings were learned."""

    @property
    def path(self) -> str:
        """Its path there."""

    @property
    def withheld(self) -> bool:
        """Return whether nothing is suggested in it."""

    @property
    def ignored(self) -> bool:
        """Return whether nothing is learned from it."""


class Way(Protocol):
    """The connection to the completion process, which may end and return."""

    # Messages for the user.
    notes: list[str]

    async def client(self) -> tuple[int, CompletionClient] | None:
        """Return a connection, and a number that changes with each new process, which knows no buffers yet."""

    async def place(self, file: str) -> FilePlace | None:
        """Return where a file is; None while that is unknown."""


class QuietServer(LanguageServer):
    """A language server that logs its failures in the editor: nobody wants a window about them while typing."""

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log a failure."""
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, f"bough: {error}"))

    def start_io(self, stdin: BinaryIO | None = None, stdout: BinaryIO | None = None) -> None:
        """Serve one editor through pipes, which the event loop reads itself.

        pygls hands each line of each message to a thread, which takes longer than the answer. It is still used for
        input that no loop can wait for, such as a file, and for a socket used in both directions: the loop would make
        it non-blocking, and answers could be truncated.
        """
        source, sink = stdin or sys.stdin.buffer, stdout or sys.stdout.buffer
        if not _is_pipe(source) or os.path.sameopenfile(source.fileno(), sink.fileno()):
            super().start_io(stdin, stdout)
            return
        self.protocol.set_writer(StdoutWriter(sink))
        with suppress(BrokenPipeError, KeyboardInterrupt, SystemExit):  # the editor has gone
            asyncio.run(self._serve(source))
        self.shutdown()  # type: ignore[no-untyped-call]

    async def _serve(self, source: BinaryIO) -> None:
        self._stop_event = Event()
        reader = asyncio.StreamReader(limit=_AT_ONCE)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        with suppress(asyncio.IncompleteReadError):
            await run_async(self._stop_event, reader, self.protocol, error_handler=self.report_server_error)


def _is_pipe(stream: BinaryIO) -> bool:
    mode = os.fstat(stream.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


@dataclass
class LspEndpoint:
    """What the handlers share: the connection to the completion process, and the changed buffers."""

    way: Way
    editor: str = field(default_factory=lambda: f"lsp-{os.getpid()}")
    _unsent: set[str] = field(default_factory=set)
    _generation: int = 0
    _places: dict[str, FilePlace] = field(default_factory=dict)
    _told: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def touch(self, uri: str) -> None:
        """Record that a buffer has changed."""
        if uri.startswith(_FILE):
            self._unsent.add(uri)

    def begin(self, server: LanguageServer, uri: str) -> None:
        """Prepare for questions about a file that was opened or closed: its place may have changed."""
        self._places.pop(uri, None)
        self.touch(uri)
        self._spawn(self._begin(server, uri))

    def tell(self, server: LanguageServer, uri: str) -> None:
        """Send a buffer to the process now."""
        self._spawn(self._send(server, {uri}))

    async def suggestions(
        self, server: LanguageServer, uri: str, position: types.Position, asked: bool
    ) -> list[Suggestion]:
        """Return what may be inserted at a position, once the other buffers are sent; nothing while nobody answers."""
        try:
            async with asyncio.timeout(_LATEST):
                place, client = await self._place(uri), await self._client(server)
                if place is None or place.withheld or client is None:
                    return []
                await self._send(server, self._unsent - {uri})
                prefix, suffix = around(server.workspace.get_text_document(uri), position)
                patience, limit = (PATIENCE_OF_ONE_WHO_ASKS, CHOICES) if asked else (PATIENCE, 1)
                query = Query(place.path, prefix, suffix, MOST_LINES, limit, patience)
                return await client.complete(Question(place.repository, self.editor, query))
        except (Gone, TimeoutError):
            return []  # the next question finds another process

    async def _begin(self, server: LanguageServer, uri: str) -> None:
        await self._place(uri)
        await self._client(server)

    async def _client(self, server: LanguageServer) -> CompletionClient | None:
        """Return the connection; a new process must be sent every buffer."""
        found = await self.way.client()
        if self._told != self.way.notes:
            self._told = list(self.way.notes)
            for note in self._told:
                server.window_log_message(types.LogMessageParams(types.MessageType.Info, f"bough: {note}"))
        if found is None:
            return None
        generation, client = found
        if generation != self._generation:
            self._generation = generation
            self._places.clear()
            for document in server.workspace.text_documents.values():
                self.touch(document.uri)
        return client

    async def _place(self, uri: str) -> FilePlace | None:
        known = self._places.get(uri)
        path = to_fs_path(uri) if known is None and uri.startswith(_FILE) else None
        if path:
            known = await self.way.place(path)
            if known is not None:
                self._places[uri] = known
        return known

    async def _send(self, server: LanguageServer, uris: set[str]) -> None:
        """Send buffers as they are in the editor, and drop those that it has closed."""
        if not uris:
            return
        blobs = defaultdict[str, list[Blob]](list)
        try:
            client = await self._client(server)
            if client is None:
                return
            places = {uri: place for uri in uris if (place := await self._place(uri)) is not None}
            self._unsent -= places.keys()
            for uri, place in places.items():
                document = server.workspace.text_documents.get(unquote(uri))  # this is how pygls stores them
                if not place.withheld and not place.ignored:
                    text = document.source.replace("\r\n", "\n") if document is not None else None
                    blobs[place.repository].append(Blob(place.path, text, BUFFER))
            for repository, batch in blobs.items():
                await client.feed(repository, _stream(batch))
        except Gone:
            self._unsent |= uris

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _stream(blobs: Iterable[Blob]) -> AsyncIterator[Blob]:
    for blob in blobs:
        yield blob


def around(document: TextDocument, position: types.Position) -> tuple[str, str]:
    """Return the text before and after a position, with plain line breaks."""
    source = document.source
    offset = document.offset_at_position(position)
    return source[:offset].replace("\r\n", "\n"), source[offset:].replace("\r\n", "\n")


def language_server(door: LspEndpoint) -> LanguageServer:
    """Return a server that answers through `door`; start it with `start_io` or `start_tcp`."""
    server = QuietServer("bough", version("bough"), text_document_sync_kind=types.TextDocumentSyncKind.Incremental)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: LanguageServer, params: types.DidOpenTextDocumentParams) -> None:
        door.begin(ls, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(_: LanguageServer, params: types.DidChangeTextDocumentParams) -> None:
        door.touch(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(ls: LanguageServer, params: types.DidSaveTextDocumentParams) -> None:
        door.tell(ls, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(ls: LanguageServer, params: types.DidCloseTextDocumentParams) -> None:
        door.begin(ls, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline(ls: LanguageServer, params: types.InlineCompletionParams) -> types.InlineCompletionList:
        asked = params.context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
        found = await door.suggestions(ls, params.text_document.uri, params.position, asked)
        span = types.Range(params.position, params.position)
        return types.InlineCompletionList(
            [types.InlineCompletionItem(one.text, range=span) for one in found if asked or one.shown]
        )

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions())
    async def listed(ls: LanguageServer, params: types.CompletionParams) -> types.CompletionList:
        uri = params.text_document.uri
        found = await door.suggestions(ls, uri, params.position, asked=True)
        document = ls.workspace.get_text_document(uri)
        word = _word_before(document, params.position)
        start = params.position.character - document.position_codec.client_num_units(word)
        span = types.Range(types.Position(params.position.line, start), params.position)
        items = [_item(one, word, span, rank) for rank, one in enumerate(found)]
        return types.CompletionList(is_incomplete=True, items=items)

    return server


def _item(suggestion: Suggestion, word: str, span: types.Range, rank: int) -> types.CompletionItem:
    """Return an entry of a completion list; it replaces the word being typed, as editors filter by it."""
    text = word + suggestion.text
    return types.CompletionItem(
        label=text.split("\n")[0],
        kind=types.CompletionItemKind.Text,
        detail=f"{suggestion.source}, {suggestion.confidence:.0%}",
        documentation=suggestion.engine,
        filter_text=text,
        sort_text=f"{rank:03}",
        preselect=rank == 0 and suggestion.shown,
        text_edit=types.TextEdit(span, text),
    )


def _word_before(document: TextDocument, position: types.Position) -> str:
    line = around(document, position)[0].rpartition("\n")[2]
    end = len(line)
    while end and (line[end - 1].isalnum() or line[end - 1] == "_"):
        end -= 1
    return line[end:]
