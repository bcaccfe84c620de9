"""The door for editors: a language server whose only language feature is completion.

usage: python -m bough_completion.lsp SOCKET ROOT [--tcp PORT]

Editors that know LSP 3.18 ask `textDocument/inlineCompletion`; the others `textDocument/completion`. SOCKET is that of
the completion process; files below the folder ROOT are asked about, as the repository that was fed under that name.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from bough_completion.client import CompletionClient
from bough_completion.query import BUFFER, Query, Suggestion
from bough_completion.wire import Blob, Question

MOST_LINES = 12
"""Lines of a block that is suggested unasked."""
CHOICES = 3
"""Suggestions to choose from when the member asks."""
_PATIENCE = 0.1

Locate = Callable[[str], tuple[str, str] | None]
"""Tell the repository of a file and its path in it, or None for a file of no repository that is live."""


@dataclass
class Door:
    """What the handlers share: the way to the completion process, and which buffers changed since it was told."""

    socket: str
    locate: Locate
    editor: str = field(default_factory=lambda: f"lsp-{os.getpid()}")
    unsent: set[str] = field(default_factory=set)
    _client: CompletionClient | None = None

    @property
    def client(self) -> CompletionClient:
        """Return the connection; it belongs to the event loop that asks first."""
        if self._client is None:
            self._client = CompletionClient(self.socket)
        return self._client

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.close()

    def place(self, uri: str) -> tuple[str, str] | None:
        """Return the repository and path of a document."""
        path = to_fs_path(uri)
        return self.locate(path) if path else None

    async def suggestions(
        self, server: LanguageServer, uri: str, position: types.Position, limit: int, max_lines: int
    ) -> list[Suggestion]:
        """Return what may be inserted at a position, once the other buffers are known."""
        place = self.place(uri)
        if place is None:
            return []
        await self.send(server, {other for other in self.unsent if other != uri})
        repository, path = place
        prefix, suffix = around(server.workspace.get_text_document(uri), position)
        query = Query(path, prefix, suffix, max_lines, limit, _PATIENCE)
        return await self.client.complete(Question(repository, self.editor, query))

    async def send(self, server: LanguageServer, uris: set[str]) -> None:
        """Feed buffers as they stand in the editor, and drop those that it has closed."""
        self.unsent -= uris
        blobs = defaultdict[str, list[Blob]](list)
        for uri in uris:
            place, document = self.place(uri), server.workspace.text_documents.get(uri)
            if place is not None:
                blobs[place[0]].append(Blob(place[1], document.source if document else None, BUFFER))
        for repository, batch in blobs.items():
            await self.client.feed(repository, _stream(batch))


async def _stream(blobs: list[Blob]) -> AsyncIterator[Blob]:
    for blob in blobs:
        yield blob


def around(document: TextDocument, position: types.Position) -> tuple[str, str]:
    """Return the text before and after a position, with plain line breaks."""
    source = document.source
    offset = document.offset_at_position(position)
    return source[:offset].replace("\r\n", "\n"), source[offset:].replace("\r\n", "\n")


def language_server(door: Door) -> LanguageServer:
    """Return a server that answers through `door`; start it with `start_io` or `start_tcp`."""
    server = LanguageServer("bough", version("bough"), text_document_sync_kind=types.TextDocumentSyncKind.Incremental)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(_: LanguageServer, params: types.DidOpenTextDocumentParams) -> None:
        door.unsent.add(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(_: LanguageServer, params: types.DidChangeTextDocumentParams) -> None:
        door.unsent.add(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(_: LanguageServer, params: types.DidCloseTextDocumentParams) -> None:
        door.unsent.add(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline(ls: LanguageServer, params: types.InlineCompletionParams) -> types.InlineCompletionList:
        asked = params.context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
        limit = CHOICES if asked else 1
        found = await door.suggestions(ls, params.text_document.uri, params.position, limit, MOST_LINES)
        span = types.Range(params.position, params.position)
        return types.InlineCompletionList(
            [types.InlineCompletionItem(one.text, range=span) for one in found if asked or one.shown]
        )

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions())
    async def listed(ls: LanguageServer, params: types.CompletionParams) -> types.CompletionList:
        uri = params.text_document.uri
        found = await door.suggestions(ls, uri, params.position, CHOICES, MOST_LINES)
        document = ls.workspace.get_text_document(uri)
        word = _word_before(document, params.position)
        start = params.position.character - document.position_codec.client_num_units(word)
        span = types.Range(types.Position(params.position.line, start), params.position)
        items = [_item(one, word, span, rank) for rank, one in enumerate(found)]
        return types.CompletionList(is_incomplete=True, items=items)

    return server


def _item(suggestion: Suggestion, word: str, span: types.Range, rank: int) -> types.CompletionItem:
    """Return a row of a completion list; it replaces the word that is being typed, as editors filter by it."""
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


def main() -> None:
    """Serve on standard input and output, or on loopback."""
    parser = argparse.ArgumentParser(prog="python -m bough_completion.lsp", description=__doc__.splitlines()[0])
    parser.add_argument("socket", help="the socket of the completion process")
    parser.add_argument("root", type=Path, help="the folder of the repository")
    parser.add_argument("--tcp", type=int, metavar="PORT", help="serve on this port of 127.0.0.1 instead")
    options = parser.parse_args()
    root = str(options.root.resolve())

    def locate(path: str) -> tuple[str, str] | None:
        return (root, path[len(root) + 1 :]) if path.startswith(f"{root}/") else None

    server = language_server(Door(options.socket, locate))
    if options.tcp is None:
        server.start_io()
    else:
        server.start_tcp("127.0.0.1", options.tcp)


if __name__ == "__main__":
    main()
