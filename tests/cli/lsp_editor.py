"""An editor that speaks LSP: pygls's client. It takes a second to import, so tests do that when they run."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from tests.cli.conftest import Member

PATIENCE = 30.0


class Editor(LanguageClient):
    """An editor with `bough lsp` behind it."""

    def __init__(self) -> None:
        super().__init__("test", "1.0")
        self.popups: list[str] = []
        self.logged: list[str] = []

        @self.feature(types.WINDOW_SHOW_MESSAGE)
        def popup(params: types.ShowMessageParams) -> None:
            self.popups.append(params.message)

        @self.feature(types.WINDOW_LOG_MESSAGE)
        def log(params: types.LogMessageParams) -> None:
            self.logged.append(params.message)

    def opens(self, file: Path, text: str) -> types.TextDocumentIdentifier:
        """Open a buffer."""
        uri = file.as_uri()
        self.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, types.LanguageKind.Python, 1, text))
        )
        return types.TextDocumentIdentifier(uri)

    def changes(self, document: types.TextDocumentIdentifier, text: str) -> None:
        """Replace a buffer's text."""
        change = types.TextDocumentContentChangeWholeDocument(text)
        version = types.VersionedTextDocumentIdentifier(2, document.uri)
        self.text_document_did_change(types.DidChangeTextDocumentParams(version, [change]))

    def closes(self, document: types.TextDocumentIdentifier) -> None:
        """Close a buffer."""
        self.text_document_did_close(types.DidCloseTextDocumentParams(document))

    async def inline(
        self, document: types.TextDocumentIdentifier, line: int, character: int, unasked: bool = False
    ) -> list[str]:
        """Ask for inline completions, as an editor does after a pause (`unasked`) or when their key is pressed."""
        kinds = types.InlineCompletionTriggerKind
        context = types.InlineCompletionContext(kinds.Automatic if unasked else kinds.Invoked)
        params = types.InlineCompletionParams(context, document, types.Position(line, character))
        answer = await asyncio.wait_for(self.text_document_inline_completion_async(params), PATIENCE)
        assert isinstance(answer, types.InlineCompletionList)
        return [str(item.insert_text) for item in answer.items]

    async def listed(self, document: types.TextDocumentIdentifier, line: int, character: int) -> tuple[str, int, str]:
        """Ask for a list of completions; return its first one: text, the character that it begins at, documentation."""
        at = types.Position(line, character)
        answer = await self.text_document_completion_async(types.CompletionParams(document, at))
        assert isinstance(answer, types.CompletionList)
        edit = answer.items[0].text_edit
        assert isinstance(edit, types.TextEdit)
        return edit.new_text, edit.range.start.character, str(answer.items[0].documentation)

    async def until(self, document: types.TextDocumentIdentifier, line: int, character: int, wanted: str) -> None:
        """Ask again and again, as during typing, until a text is suggested."""
        async with asyncio.timeout(PATIENCE):
            found = await self.inline(document, line, character)
            while wanted not in found:
                await asyncio.sleep(0.1)
                found = await self.inline(document, line, character)


@asynccontextmanager
async def editor(member: Member, **variables: str) -> AsyncIterator[Editor]:
    """Start an editor; see that the language server ends with it, and that nothing popped up."""
    client = Editor()
    environment = dict(os.environ) | {"BOUGH_HOME": str(member.home)} | variables
    command = (sys.executable, "-P", "-m", "bough_cli", "lsp")
    await client.start_io(*command, env=environment, cwd=str(member.tree))
    told = await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
    assert told.capabilities.inline_completion_provider
    assert told.capabilities.completion_provider
    client.initialized(types.InitializedParams())
    try:
        yield client
    finally:
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()
    assert client.popups == []
