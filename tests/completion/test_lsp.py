"""The language server, driven by a client of pygls."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bough_completion.client import CompletionClient
from bough_completion.wire import Blob
from lsprotocol import types
from processes import blobs, process
from pygls.lsp.client import LanguageClient


@asynccontextmanager
async def editor(folder: Path) -> AsyncIterator[LanguageClient]:
    """Start the completion process, a language server before it and a client before that."""
    socket = folder / "socket"
    async with process(socket):
        async with CompletionClient(str(socket)) as feeder:
            await feeder.feed(
                str(folder), blobs(Blob("a.py", "window.open_with(title)\n" * 40 + "door.shut(now)\ndoor.slam(now)\n"))
            )
        client = LanguageClient("test", "1.0")
        await client.start_io(sys.executable, "-m", "bough_completion.lsp", str(socket), str(folder))
        await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
        client.initialized(types.InitializedParams())
        yield client
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()


def opened(client: LanguageClient, uri: str, text: str) -> types.TextDocumentIdentifier:
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, types.LanguageKind.Python, 1, text))
    )
    return types.TextDocumentIdentifier(uri)


async def inline(
    client: LanguageClient,
    document: types.TextDocumentIdentifier,
    position: types.Position,
    kind: types.InlineCompletionTriggerKind = types.InlineCompletionTriggerKind.Invoked,
) -> list[types.InlineCompletionItem]:
    context = types.InlineCompletionContext(kind)
    params = types.InlineCompletionParams(context, document, position)
    answer = await client.text_document_inline_completion_async(params)
    assert isinstance(answer, types.InlineCompletionList)
    return list(answer.items)


def test_an_editor_gets_inline_completions_and_lists(tmp_path: Path) -> None:
    async def talk() -> None:
        async with editor(tmp_path) as client:
            document = opened(client, (tmp_path / "b.py").as_uri(), 'x = "\N{GRINNING FACE}"\nwindow.op\n')
            at = types.Position(1, 9)
            assert (await inline(client, document, at))[0].insert_text == "en_with(title)"
            answer = await client.text_document_completion_async(types.CompletionParams(document, at))
            assert isinstance(answer, types.CompletionList)
            edit = answer.items[0].text_edit
            assert isinstance(edit, types.TextEdit)
            assert (edit.new_text, edit.range.start.character) == ("open_with(title)", 7)
            assert answer.items[0].documentation == "repository engine, no model"

    asyncio.run(talk())


def test_what_is_typed_in_one_buffer_completes_another_and_goes_when_it_is_closed(tmp_path: Path) -> None:
    async def talk() -> None:
        async with editor(tmp_path) as client:
            other = opened(client, (tmp_path / "c.py").as_uri(), "")
            change = types.TextDocumentContentChangeWholeDocument("basket.add_item(one)\n")
            version = types.VersionedTextDocumentIdentifier(2, other.uri)
            client.text_document_did_change(types.DidChangeTextDocumentParams(version, [change]))
            document = opened(client, (tmp_path / "b.py").as_uri(), "basket.a\n")
            at = types.Position(0, 8)
            assert (await inline(client, document, at))[0].insert_text == "dd_item(one)"
            client.text_document_did_close(types.DidCloseTextDocumentParams(other))
            left = await inline(client, document, types.Position(0, 7))
            assert "add_item(one)" not in [item.insert_text for item in left]

    asyncio.run(talk())


def test_unasked_only_what_is_sure_is_shown_and_a_file_outside_gets_nothing(tmp_path: Path) -> None:
    async def talk() -> None:
        async with editor(tmp_path) as client:
            automatic = types.InlineCompletionTriggerKind.Automatic
            document = opened(client, (tmp_path / "b.py").as_uri(), "door.s\nwindow.op\n")
            unsure, sure = types.Position(0, 6), types.Position(1, 9)
            asked = [item.insert_text for item in await inline(client, document, unsure)]
            assert {"hut(now)", "lam(now)"} <= set(asked)
            assert await inline(client, document, unsure, automatic) == []
            unasked = [item.insert_text for item in await inline(client, document, sure, automatic)]
            assert unasked == ["en_with(title)"]
            outside = opened(client, "file:///elsewhere/b.py", "window.op\n")
            assert await inline(client, outside, unsure) == []

    asyncio.run(talk())
