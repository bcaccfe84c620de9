"""Time a model through the whole completion process, as an editor sees it, and what of the prompts it had decoded.

usage: python tests/bench/completion_process.py [--model FOLDER] [--device cpu] [--threads 2] [--rounds 60]
                                                [--context 1000] [--tokens 16] [--letters 1]
                                                [--editors 1] [--json FILE]

Without `--model`, the model of 60 million random weights of `completion_model.py` is made and exported first. Each
round types one more letter at the end of a context and asks for `--tokens` tokens over the socket; a round ends with
the last answer of the stream. That the model wrote all of them is checked against the process's own count. Then a real
file (this one) is typed key by key, and the share of the prompts' tokens that were decoded already is told. Last, a
question is superseded by another one, and what that costs is told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bough_completion.endpoints.client import CompletionClient
from bough_completion.model.bench import WORDS, times
from bough_completion.model.export import export
from bough_completion.query import ModelUse, Query
from bough_completion.wire import Blob, Question
from completion_model import SMALL, write_checkpoint

REPOSITORY = "/bench"
WARM_UP = 5


@asynccontextmanager
async def process(model: Path, device: str, threads: int) -> AsyncIterator[CompletionClient]:
    """Run a completion process with a model that is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        socket = str(Path(folder) / "socket")
        options = ("--model", str(model), "--device", device, "--threads", str(threads))
        command = (sys.executable, "-m", "bough_completion", socket, *options)
        child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        async with CompletionClient(socket) as client:
            while True:
                stats = await client.stats(REPOSITORY)
                if stats.notes or "no model" not in stats.engine:
                    break
                await asyncio.sleep(0.05)
            if "no model" in stats.engine:
                sys.exit(f"the model is not served: {stats.notes}")
            print(f"{stats.engine} {' '.join(stats.notes)}", file=sys.stderr)
            yield client
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()


async def ask(client: CompletionClient, editor: str, prefix: str, suffix: str, tokens: int) -> float:
    """Ask once; return the seconds until the last answer."""
    query = Query(f"{editor}.txt", prefix, suffix, patience=60.0, max_tokens=tokens)
    begun = time.perf_counter()
    await client.complete(Question(REPOSITORY, editor, query))
    return time.perf_counter() - begun


async def keystrokes(client: CompletionClient, editor: str, load: argparse.Namespace) -> list[float]:
    """Type letters at the end of a context; return the seconds of each answer."""
    draw = random.Random(editor)
    words, size = list[str](), 0
    while size < load.context:  # the tokenizer of random models has a token for each byte
        words.append(draw.choice(WORDS))
        size += len(words[-1]) + 1
    before, typed, spent = " ".join(words)[: load.context] + "\n", "", []
    for _ in range(load.rounds + WARM_UP):
        typed += "".join(draw.choices("abcdefgh", k=load.letters))
        spent.append(await ask(client, editor, before + typed, "\nend\n", load.tokens))
    return spent[WARM_UP:]


async def real_file(client: CompletionClient, tokens: int) -> ModelUse:
    """Type a function of this file key by key; return what the model did."""
    source = Path(__file__).read_text()
    place = source.index("async def keystrokes")
    before = (await client.stats(REPOSITORY)).model
    for end in range(place, place + 400, 2):
        await ask(client, "real", source[:end], source[place + 400 :], tokens)
    now = (await client.stats(REPOSITORY)).model
    return ModelUse(*(b - a for a, b in zip(asdict(before).values(), asdict(now).values(), strict=True)))


async def superseded(client: CompletionClient, rounds: int) -> list[float]:
    """Ask with a new context of a whole window, supersede it, and return how long until the first one had ended."""
    spent = []
    for turn in range(rounds):
        noise = "".join(random.Random(turn).choices("abcdefgh \n", k=1900))
        first = asyncio.create_task(ask(client, "hasty", noise, "", 16))
        await asyncio.sleep(0.05 + 0.01 * turn)
        begun = time.perf_counter()
        second = asyncio.create_task(ask(client, "hasty", noise + "x", "", 1))
        await first
        spent.append(time.perf_counter() - begun)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
    return spent


async def measured(model: Path, load: argparse.Namespace) -> dict[str, Any]:
    """Time everything."""
    async with process(model, load.device, load.threads) as client:

        async def blobs() -> AsyncIterator[Blob]:
            yield Blob("other.py", "def something(else_):\n    return else_\n")

        await client.feed(REPOSITORY, blobs())
        before = (await client.stats(REPOSITORY)).model
        names = [f"editor {number}" for number in range(load.editors)]
        spent = await asyncio.gather(*(keystrokes(client, name, load) for name in names))
        now = (await client.stats(REPOSITORY)).model
        answers, written = now.answers - before.answers, now.tokens - before.tokens
        # A letter that the repository engine foresaw is answered from memory.
        if answers < 0.9 * load.editors * (load.rounds + WARM_UP):
            sys.exit(f"the model gave {answers} answers only")
        use = await real_file(client, load.tokens)
        return {
            "tokens_per_answer": round(written / answers, 2),
            "answer_ms": asdict(times([each for part in spent for each in part])),
            "typing_a_file": asdict(use) | {"reused": round(use.reused_tokens / use.prompt_tokens, 4)},
            "superseded_ms": asdict(times(await superseded(client, 15))),
        }


def main() -> None:
    """Make the model, time it, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--context", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--letters", type=int, default=1, help="letters typed between two answers")
    parser.add_argument("--editors", type=int, default=1)
    parser.add_argument("--json", type=Path)
    load = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = load.model or Path(work) / "model"
        if load.model is None:
            write_checkpoint(Path(work) / "checkpoint", SMALL)
            export(Path(work) / "checkpoint", folder, "int4")
        result = asyncio.run(measured(folder, load))
    result |= {"load": {name: value for name, value in vars(load).items() if name not in ("model", "json")}}
    result |= {"load_average": round(os.getloadavg()[0], 2), "bars": {"answer_p50_ms": 80}}
    print(json.dumps(result, indent=2))
    if load.json:
        load.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
