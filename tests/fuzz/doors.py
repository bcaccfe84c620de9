"""What comes through the doors of processes: HTTP of the completion process, and the answers of merge workers."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bough_completion.endpoints.shapes import Shapes
from bough_completion.endpoints.web import WebServer
from bough_completion.query import Query, Suggestion
from bough_daemon.merging.worker_wire import COUNT, LENGTH, BadAnswer, Decided, read_answer, write_answer
from bough_merge.text.result import Conflict, Finding

from tests.fuzz.target import Trial, target

TOKEN = "a token"
PATHS = ["/infill", "/v1/completions", "/api/generate", "/v1/health", "/v1/events", "/x"]
BODIES: list[object] = [
    {"input_prefix": "a", "prompt": "b", "input_suffix": "c", "n_predict": 0, "t_max_prompt_ms": 1e308},
    {"segments": {"prefix": "a", "suffix": "\ud800", "filepath": "x.py"}},
    {"prompt": ["a"], "suffix": None, "stream": True, "stop": ["\n", 1], "logprobs": 1, "max_tokens": 9},
    {"prompt": "a", "options": {"num_predict": 3, "stop": ["x"]}, "stream": False, "user": "me"},
]


class _Echo:
    """Suggest what was typed."""

    async def shown_for(self, editor: str, query: Query, alone: bool = False) -> Suggestion | None:
        return Suggestion(query.prefix[-9:] + query.suffix[:9], 0.5) if query.prefix else None

    async def read_ahead(self, editor: str, query: Query) -> None:
        pass


class _Writer(asyncio.StreamWriter):
    """Keep what is written."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    async def drain(self) -> None:
        pass

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        pass

    def __del__(self) -> None:
        pass


def _request(path: str, body: object) -> bytes:
    sent = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(sent)}"
    return head.encode() + b"\r\n\r\n" + sent


def _with_right_length(data: bytes) -> bytes:
    """Return a body, after its path, as a request that is admitted."""
    path, _, body = data.partition(b"\n")
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
    return head % (path, TOKEN.encode(), len(body)) + body


@target(short=300)
def http(folder: Path) -> Iterator[Trial]:
    """Send requests to the HTTP door: any bytes, and bodies with the right token and length."""
    server = WebServer(Shapes(_Echo()).handle, TOKEN)

    async def serve(data: bytes) -> bytes:
        reader, writer = asyncio.StreamReader(limit=64 << 10), _Writer()
        reader.feed_data(data)
        reader.feed_eof()
        await server._serve(reader, writer)
        return bytes(writer.written)

    with asyncio.Runner() as runner:

        def attempt(data: bytes) -> None:
            said = runner.run(serve(_with_right_length(data[1:]) if data[:1] == b"\1" else data[1:]))
            assert not said or said.startswith(b"HTTP/1.1 ")

        seeds = [b"\0" + _request(path, body) for path, body in zip(PATHS, BODIES, strict=False)]
        seeds += [b"\1" + path.encode() + b"\n" + json.dumps(body).encode() for path in PATHS for body in BODIES]
        yield Trial(attempt, seeds, [b"\r\n\r\n", b"NaN", b"Infinity", b"1e999", b"\\ud800", b"[" * 3000, b"null"])


def _filled(record: type[Conflict] | type[Finding]) -> dict[str, Any]:
    """Return a value for each field of a record of texts and numbers."""
    return {name: "x" if one.type == "str" else 1 for name, one in record.__dataclass_fields__.items()}


def _framed(data: bytes) -> bytes:
    """Return a head and the parts of an answer, parted by a byte 255, each with its right length."""
    parts = data.split(b"\xff")
    return COUNT.pack(len(parts) - 1) + b"".join(LENGTH.pack(len(part)) + part for part in parts)


@target(BadAnswer, short=1000)
def worker_wire(folder: Path) -> Iterator[Trial]:
    """Read the answers of a merge worker, which has read what a teammate wrote."""
    conflict = Conflict(**_filled(Conflict))
    finding = Finding(**_filled(Finding))
    written = io.BytesIO()
    write_answer(written, {"a": Decided(b"text", [conflict], "lines", [finding]), "b": Decided(b"", [], "x", [])})
    right = written.getvalue()
    head = json.dumps({"files": [{"path": "a", "method": "lines", "conflicts": [], "findings": []}]}).encode()

    def attempt(data: bytes) -> None:
        answer = read_answer(io.BytesIO(_framed(data[1:]) if data[:1] == b"\1" else data[1:]))
        if isinstance(answer, dict):
            assert all(isinstance(one.content, bytes) for one in answer.values())

    yield Trial(
        attempt, [b"\0" + right, b"\1" + head + b"\xfftext", b'\1{"wrong": 1}'], [b"\xff", b"null", b"{}", b"[]"]
    )
