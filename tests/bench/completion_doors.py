"""Time completion through the whole daemon: an editor types before `bough lsp`, the daemon feeds, the process answers.

usage: python tests/bench/completion_doors.py GIT_DIR [--tokens N] [--files N] [--seed N]

Files of GIT_DIR's newest commit, drawn by a fixed seed until they hold N tokens (1,000,000), are committed to a new
repository that is made live; `--files` adds so many small files to it. Then lines of these files are typed key by key,
from a third of the line on: every key is a `didChange` and one `textDocument/inlineCompletion`, timed as the editor
sees it. While the process learns, files are saved, and the time until `bough save` has each of them is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from bough_daemon.api.client import Client
from bough_daemon.api.launch import ensure_running, wait_until_ended
from bough_daemon.home import Home
from completion_replay import History
from completion_speed import keystrokes, report, texts_of
from lsprotocol import types
from pygls.lsp.client import LanguageClient

SAVES = 30
PATIENCE = 120.0


def make_repository(folder: Path, texts: dict[str, str], files: int) -> None:
    """Commit the texts, and so many small files beside them."""
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", errors="replace", newline="")
    for number in range(files):
        small = folder / "many" / str(number // 500) / f"file{number}.py"
        small.parent.mkdir(parents=True, exist_ok=True)
        small.write_text(f"def function_{number}(argument: int) -> int:\n    return argument + {number}\n" * 4)
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", str(folder)]
    for arguments in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL)


def processes(home: Path) -> Iterator[tuple[str, int, float]]:
    """Yield name, resident memory in MiB and CPU seconds so far of the processes of a home."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (
                    os.fsencode(home) in (entry / "environ").read_bytes()
                    and b"bough_" in (entry / "cmdline").read_bytes()
                ):
                    name = (entry / "cmdline").read_bytes().split(b"-m\0")[1].split(b"\0")[0].decode()
                    pages = int((entry / "statm").read_text().split()[1])
                    ticks = map(int, (entry / "stat").read_text().rpartition(")")[2].split()[11:13])
                    yield name, pages * os.sysconf("SC_PAGESIZE") >> 20, sum(ticks) / os.sysconf("SC_CLK_TCK")
            except (OSError, IndexError):
                continue


async def type_lines(folder: Path, home: Path, texts: dict[str, str], draw: random.Random) -> None:
    """Start an editor, wait until all is learned, then type."""
    client = LanguageClient("bench", "1.0")
    start = perf_counter()
    command = (sys.executable, "-P", "-m", "bough_cli", "lsp")
    await client.start_io(*command, env=dict(os.environ) | {"BOUGH_HOME": str(home)}, cwd=str(folder))
    await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    print(f"bough lsp: ready in {perf_counter() - start:.2f} s")
    saves = asyncio.create_task(asyncio.to_thread(save, folder, home))
    await answered(client, folder, texts, draw)
    print(f"first answer: {perf_counter() - start:.2f} s after the editor's start")
    await learned(folder, home)
    print(f"all learned: {perf_counter() - start:.2f} s after the editor's start")
    report("save while learning", await saves)
    seconds, shown = [], 0
    open_uri = ""
    before = {name: cpu for name, _, cpu in processes(home)}
    for query in keystrokes(texts, draw):
        uri = (folder / query.path).as_uri()
        if uri != open_uri:
            document = types.TextDocumentItem(uri, types.LanguageKind.Python, 1, query.prefix + query.suffix)
            client.text_document_did_open(types.DidOpenTextDocumentParams(document))
            open_uri, last = uri, query.prefix
            await asyncio.sleep(0.05)  # nobody types in the moment in which a file opens
        line, character = query.prefix.count("\n"), len(query.prefix.rpartition("\n")[2])
        at = types.Position(line, character)
        start = perf_counter()
        if query.prefix[:-1] == last:
            span = types.Range(types.Position(line, character - 1), types.Position(line, character - 1))
            change: types.TextDocumentContentChangeEvent = types.TextDocumentContentChangePartial(
                range=span, text=query.prefix[-1]
            )
        else:
            change = types.TextDocumentContentChangeWholeDocument(query.prefix + query.suffix)
        version = types.VersionedTextDocumentIdentifier(2, uri)
        client.text_document_did_change(types.DidChangeTextDocumentParams(version, [change]))
        shown += bool((await ask(client, uri, at)).items)
        seconds.append(perf_counter() - start)
        last = query.prefix
    report(f"whole daemon ({shown} shown)", seconds)
    for name, memory, cpu in processes(home):
        spent = 1000 * (cpu - before.get(name, 0.0)) / len(seconds)
        print(f"{name}: {memory} MiB, {spent:.1f} ms of CPU per key, {cpu:.1f} s in all")
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()


async def ask(client: LanguageClient, uri: str, at: types.Position) -> types.InlineCompletionList:
    """Ask as an editor does at every key."""
    context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
    params = types.InlineCompletionParams(context, types.TextDocumentIdentifier(uri), at)
    answer = await client.text_document_inline_completion_async(params)
    assert isinstance(answer, types.InlineCompletionList)
    return answer


async def answered(client: LanguageClient, folder: Path, texts: dict[str, str], draw: random.Random) -> None:
    """Ask until a first suggestion is shown."""
    for query in keystrokes(texts, draw):
        uri = (folder / query.path).as_uri()
        document = types.TextDocumentItem(uri, types.LanguageKind.Python, 1, query.prefix + query.suffix)
        client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        at = types.Position(query.prefix.count("\n"), len(query.prefix.rpartition("\n")[2]))
        if (await ask(client, uri, at)).items:
            return


async def learned(folder: Path, home: Path) -> None:
    """Wait until the process learns nothing more."""
    from bough_completion.endpoints.client import CompletionClient

    async with CompletionClient(str(home / "complete.sock")) as client:
        before, deadline = -1, perf_counter() + PATIENCE
        while perf_counter() < deadline:
            stats = await client.stats(str(folder))
            if stats.blobs == before and stats.tokens:
                print(f"held: {stats.blobs} texts, {stats.tokens:,} tokens")
                return
            before = stats.blobs
            await asyncio.sleep(0.3)


def save(folder: Path, home: Path) -> list[float]:
    """Save a file again and again; return how long each save took to be in a snapshot."""
    seconds = []
    with Client(Home.from_environment({"BOUGH_HOME": str(home)})) as daemon:
        for number in range(SAVES):
            (folder / "saved.txt").write_text(f"{perf_counter()} {number}\n")
            start = perf_counter()
            daemon.save(str(folder), [], False, 0)
            seconds.append(perf_counter() - start)
    return seconds


def main() -> None:
    """Time everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("git_dir")
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    history = History(options.git_dir)
    texts = texts_of(history, options.tokens, random.Random(options.seed))
    history.close()
    with tempfile.TemporaryDirectory() as scratch:
        folder, home = Path(os.path.realpath(scratch)) / "repository", Path(scratch) / "home"
        folder.mkdir()
        make_repository(folder, texts, options.files)
        place = Home.from_environment({"BOUGH_HOME": str(home)})
        ensure_running(place)
        with Client(place) as daemon:
            daemon.up(str(folder), "alice")
            report("save before", save(folder, home))
            try:
                asyncio.run(type_lines(folder, home, texts, random.Random(options.seed)))
            finally:
                daemon.shutdown()
                wait_until_ended(place)


if __name__ == "__main__":
    main()
