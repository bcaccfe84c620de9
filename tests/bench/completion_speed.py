"""Time the engine on the text of a repository's newest commit: index, keystrokes, one changed file.

usage: python tests/bench/completion_speed.py GIT_DIR [--tokens N] [--seed N]

Files are drawn by a fixed seed until they hold N tokens (1,000,000). Then lines of them are typed, key by key,
from a third of the line on, as an editor asks: every keystroke is one question, through the engine and, separately,
through the whole completion process over its socket.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import perf_counter

from bough_completion import Query, RepositoryEngine
from bough_completion.endpoints.client import CompletionClient
from bough_completion.learned.tokens import split
from bough_completion.wire import Blob, Question
from completion_replay import History

LINES = 100


def texts_of(history: History, tokens: int, draw: random.Random) -> dict[str, str]:
    """Return texts of the newest commit, `tokens` tokens in all."""
    empty = history.run("hash-object", "-t", "tree", "/dev/null").strip()
    files = [(path, blob) for _, _, blob, path in history.changes(empty, "HEAD")]
    draw.shuffle(files)
    texts: dict[str, str] = {}
    for path, blob in files:
        text = history.text(blob)
        if text is not None and tokens > 0:
            texts[path] = text
            tokens -= len(split(text))
    return texts


def keystrokes(texts: dict[str, str], draw: random.Random) -> Iterator[Query]:
    """Yield the questions of someone who types lines that stand in the texts."""
    for _ in range(LINES):
        path = draw.choice([path for path, text in texts.items() if text.count("\n") > 20])
        lines = texts[path].split("\n")
        number = draw.choice([number for number, line in enumerate(lines) if len(line.strip()) > 5])
        above = "".join(line + "\n" for line in lines[:number])
        below = "".join("\n" + line for line in lines[number + 1 :])
        line = lines[number]
        for end in range(len(line) - 2 * len(line.strip()) // 3, len(line)):
            yield Query(path, above + line[:end], below)


def report(name: str, seconds: list[float]) -> None:
    """Print the middle and the slow end."""
    seconds = sorted(seconds)
    p50, p95, worst = (seconds[min(len(seconds) - 1, int(len(seconds) * share))] * 1000 for share in (0.5, 0.95, 1))
    print(f"{name}: {len(seconds)} questions, p50 {p50:.1f} ms, p95 {p95:.1f} ms, slowest {worst:.1f} ms")


def time_engine(texts: dict[str, str], draw: random.Random) -> None:
    """Time the engine in this process."""
    engine = RepositoryEngine()
    start = perf_counter()
    for path, text in texts.items():
        engine.put(path, text)
    engine.tidy()
    print(f"index: {engine.stats().tokens:,} tokens in {perf_counter() - start:.2f} s")
    seconds = []
    for query in keystrokes(texts, draw):
        start = perf_counter()
        engine.complete(query)
        seconds.append(perf_counter() - start)
    report("engine", seconds)
    changed = []
    for path in draw.sample(sorted(texts), min(50, len(texts))):
        start = perf_counter()
        engine.put(path, texts[path] + "one_more = line\n")
        engine.complete(Query("other.py", "one_m"))
        changed.append(perf_counter() - start)
    report("a changed file, learned and asked about", changed)


async def time_process(texts: dict[str, str], draw: random.Random) -> None:
    """Time the process, over its socket."""

    async def blobs() -> AsyncIterator[Blob]:
        for path, text in texts.items():
            yield Blob(path, text)

    with tempfile.TemporaryDirectory() as folder:
        socket = str(Path(folder) / "socket")
        command = (sys.executable, "-m", "bough_completion", socket)
        child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        async with CompletionClient(socket) as client:
            start = perf_counter()
            await client.feed("repository", blobs())
            print(f"process: started and fed in {perf_counter() - start:.2f} s")
            seconds = []
            for query in keystrokes(texts, draw):
                start = perf_counter()
                await client.complete(Question("repository", "bench", query))
                seconds.append(perf_counter() - start)
            report("process", seconds)
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()


def main() -> None:
    """Time everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("git_dir")
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    history = History(options.git_dir)
    texts = texts_of(history, options.tokens, random.Random(options.seed))
    history.close()
    time_engine(texts, random.Random(options.seed))
    asyncio.run(time_process(texts, random.Random(options.seed)))


if __name__ == "__main__":
    main()
