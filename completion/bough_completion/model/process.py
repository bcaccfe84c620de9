"""The process of a model: questions come as lines of JSON on standard input, answers go to standard output.

A crash in native code, or the kernel's out-of-memory killer, ends only this process: the repository engine, in the
parent process, continues to answer. It holds no socket, lock or key, and ends when its input does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from bough_completion.errors import ModelError
from bough_completion.model import manifest
from bough_completion.model.budget import fitting, hold_to
from bough_completion.model.engine import Answer, ModelEngine
from bough_completion.model.runtime import RuntimeSettings, Stop, cuda_wanted
from bough_completion.prompt.template import Prompt
from bough_completion.prompt.writers import Written
from bough_completion.query import ModelUse
from bough_completion.text.extent import extent

# Questions that are being answered or wait for a slot; more wait in line.
AT_ONCE = 16
_NICENESS = 5  # in addition to that of the parent process


class Answering:
    """Answer questions on one engine; `send` takes whole messages from any thread."""

    def __init__(self, engine: ModelEngine, send: Callable[[dict[str, Any]], None]) -> None:
        self._engine = engine
        self._send = send
        self._stops: dict[int, Stop] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="question")

    def take(self, message: dict[str, Any]) -> None:
        """Start to answer a question, or stop one."""
        number = message["number"]
        if "wish" not in message:
            stop = self._stops.get(number)
            if stop is not None:
                stop.ask()
            return
        self._stops[number] = Stop()
        self._pool.submit(self._answer, number, message["wish"])

    def close(self) -> None:
        """Stop every question and end the threads."""
        for stop in list(self._stops.values()):
            stop.ask()
        self._pool.shutdown()
        self._engine.close()

    def _answer(self, number: int, wish: dict[str, Any]) -> None:
        try:
            told = self._written(number, wish, self._stops[number])
            self._send({"number": number, "written": asdict(told), "done": True})
        except Exception as failure:  # the next question may succeed
            self._send({"number": number, "failed": str(failure) or repr(failure)})
        finally:
            del self._stops[number]

    def _written(self, number: int, wish: dict[str, Any], stop: Stop) -> Written:
        files = tuple((path, text) for path, text in wish["prompt"].pop("files"))
        prompt, lines = Prompt(**wish["prompt"], files=files), [0]
        prefix = prompt.before + prompt.begun

        def progress(part: Answer) -> None:
            if part.text.count("\n") > lines[0]:
                lines[0] = part.text.count("\n")
                self._send({"number": number, "written": asdict(_told(part))})

        answer = self._engine.complete(
            prompt,
            max_lines=wish["max_lines"],
            limit=wish["tokens"] or 1,
            draft=wish["draft"],
            stop=stop,
            progress=progress if wish["tokens"] else None,
            is_over=lambda text: extent(text, prefix, wish["max_lines"])[1],
            owner=wish["owner"] or None,
        )
        if not wish["tokens"]:
            return Written("")
        return _told(answer)


def _told(answer: Answer) -> Written:
    use = ModelUse(int(answer.complete), answer.tokens, answer.prompt_tokens, answer.reused)
    return Written(answer.text, answer.confidence, answer.line_confidence, answer.ended, use)


def main() -> None:
    """Load the model, report that, and answer until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m bough_completion.model.process", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", type=int, metavar="MIB", help="the memory limit, weights included")
    options = parser.parse_args()
    os.nice(_NICENESS)
    with suppress(OSError):  # only Linux has it: which process is killed first when memory is short
        Path("/proc/self/oom_score_adj").write_text("900")
    # Output of native code must not appear between our lines.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(options, sys.stdin, out)


def settings_for(device: str, threads: int) -> RuntimeSettings:
    """Return suitable settings for a device: a GPU reads prompts and drafts at almost no cost, and has the memory."""
    settings = RuntimeSettings(device=device, threads=threads, slots=4)
    if cuda_wanted(settings):
        return replace(settings, slots=8, window_tokens=4096, chunk_tokens=512, draft_tokens=16)
    return settings


def serve(options: argparse.Namespace, source: TextIO, out: TextIO) -> None:
    """Serve the questions of `source` until it ends, writing the answers to `out`."""
    turn = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with turn, suppress(BrokenPipeError):
            out.write(json.dumps(message) + "\n")
            out.flush()

    try:
        settings = settings_for(options.device, options.threads)
        told = manifest.read(options.folder)
        manifest.verify(options.folder, told)
        settings = fitting(settings, told, options.memory)
        if not cuda_wanted(settings):
            hold_to(options.memory)
        engine = ModelEngine(options.folder, settings, lambda line: send({"note": line}))
        engine.warm()
    except (ModelError, MemoryError, OSError) as failure:
        send({"failed": str(failure) or repr(failure)})
        return
    answering = Answering(engine, send)
    send({"ready": engine.name, "window": engine.window})
    for line in source:
        answering.take(json.loads(line))
    answering.close()


if __name__ == "__main__":
    main()
