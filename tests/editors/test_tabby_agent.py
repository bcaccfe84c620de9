"""Tabby's own client, unmodified, before the HTTP door."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Member
from tests.editors.conftest import REST

AGENT = shutil.which("tabby-agent")
CONFIG = """
[server]
endpoint = "http://127.0.0.1:{port}"
token = "{token}"

[anonymousUsageTracking]
disable = true
"""


@pytest.mark.skipif(AGENT is None, reason="tabby-agent is not installed: npm install tabby-agent, and its bin on PATH")
def test_tabby_agent_gets_completions(live: Member, http: tuple[int, str], tmp_path: Path) -> None:
    from lsprotocol import types
    from pygls.lsp.client import LanguageClient

    port, token = http

    async def run() -> None:
        folder = tmp_path / ".tabby-client" / "agent"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(CONFIG.format(port=port, token=token))
        client = LanguageClient("test", "1.0")
        assert AGENT is not None
        await client.start_io(AGENT, "--lsp", "--stdio", env=os.environ | {"HOME": str(tmp_path)})
        await client.initialize_async(types.InitializeParams(types.ClientCapabilities(), process_id=os.getpid()))
        client.initialized(types.InitializedParams())
        text = "x = 1\nwindow.op\n"
        document = types.TextDocumentItem((live.tree / "b.py").as_uri(), types.LanguageKind.Python, 1, text)
        client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        at = types.Position(1, 9)
        params = types.CompletionParams(types.TextDocumentIdentifier(document.uri), at)
        answer = await asyncio.wait_for(client.text_document_completion_async(params), 20)
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()
        assert isinstance(answer, types.CompletionList)
        assert REST in str(answer.items[0])

    asyncio.run(run())
