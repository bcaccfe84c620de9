"""The shapes of other servers over HTTP, through the completion process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from bough_completion.endpoints.client import CompletionClient
from bough_completion.wire import Blob

from tests.completion.processes import blobs, process

TOKEN = "a token of many letters"
LINES = "window.open_with(title)\n" * 40


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[int]:
    """Run a completion process that has learned LINES; yield its HTTP port."""
    socket, token = folder / "socket", folder / "token"
    token.write_text(TOKEN + "\n")
    async with process(socket, "--http", "0", "--token-file", str(token)) as child:
        assert child.stdout is not None
        port = int(await child.stdout.readline())
        async with CompletionClient(str(socket)) as client:
            await client.feed("/home/shop", blobs(Blob("a.py", LINES)))
        yield port


def send(port: int, method: str, path: str, content: object = None, **headers: str) -> tuple[int, str]:
    """Send one request with the token; return status and body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        named = {"Authorization": f"Bearer {TOKEN}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        connection.request(method, path, None if content is None else json.dumps(content), named)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def talk(folder: Path, *requests: tuple[Any, ...], **headers: str) -> list[tuple[int, str]]:
    """Start a server and send it requests."""

    async def run() -> list[tuple[int, str]]:
        async with server(folder) as port:
            return [await asyncio.to_thread(send, port, *request, **headers) for request in requests]

    return asyncio.run(run())


def test_every_shape_answers(tmp_path: Path) -> None:
    typed, rest = "x = 1\nwindow.op", "en_with(title)"
    infill = {"input_prefix": "x = 1\n", "prompt": "window.op", "input_suffix": "\n", "n_predict": 9}
    segments = {"prefix": typed, "suffix": "\n", "filepath": "/home/shop/b.py"}
    whole = {"prompt": typed, "suffix": "\n", "stream": False}
    replies = talk(
        tmp_path,
        ("POST", "/infill", infill),
        ("POST", "/infill", infill | {"n_predict": 0}),
        ("POST", "/v1/completions", {"language": "python", "segments": segments}),
        ("POST", "/v1/completions", whole | {"stop": ["("]}),
        ("POST", "/api/generate", whole),
        ("POST", "/v1/completions", whole | {"stream": True}),
        ("POST", "/api/generate", whole | {"stream": True}),
        ("POST", "/infill", infill | {"prompt": "nothing.like_this"}),
        ("GET", "/v1/health"),
    )
    assert [status for status, _ in replies] == [200] * 9
    bodies = [body for _, body in replies]
    assert f'"content":"{rest}"' in bodies[0]
    assert json.loads(bodies[1])["content"] == ""
    assert json.loads(bodies[2])["choices"] == [{"index": 0, "text": rest}]
    assert json.loads(bodies[3])["choices"][0]["text"] == "en_with"
    assert json.loads(bodies[4])["response"] == rest
    first, last, end = bodies[5].split("\n\n")[:3]
    assert json.loads(last.removeprefix("data: "))["choices"][0]["finish_reason"] == "stop"
    assert json.loads(first.removeprefix("data: "))["choices"][0]["text"] == rest
    assert end == "data: [DONE]"
    assert [json.loads(line)["done"] for line in bodies[6].splitlines()] == [False, True]
    assert json.loads(bodies[7])["content"] == ""
    assert json.loads(bodies[8])["model"] == "bough"


def test_one_connection_carries_many_requests(tmp_path: Path) -> None:
    def keep(port: int) -> list[int]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        statuses = []
        for path in ("/health", "/v1/models", "/elsewhere", "/health"):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
        return statuses

    async def run() -> None:
        async with server(tmp_path) as port:
            assert await asyncio.to_thread(keep, port) == [200, 200, 404, 200]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer guessed"}, 401),
        ({"Authorization": ""}, 401),
        ({"Origin": "https://example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "rebound.example.org"}, 403),
    ],
)
def test_who_is_not_the_owner_gets_nothing(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    assert talk(tmp_path, ("GET", "/health"), **headers)[0][0] == status


def test_what_makes_no_sense_is_refused_and_the_server_lives_on(tmp_path: Path) -> None:
    async def run() -> None:
        async with server(tmp_path) as port:
            for content, path, status in [
                ({"prompt": 7}, "/v1/completions", 400),
                ([], "/infill", 400),
                ({"segments": 7}, "/v1/completions", 400),
                ({}, "/elsewhere", 404),
            ]:
                assert (await asyncio.to_thread(send, port, "POST", path, content))[0] == status
            for sent in (
                b"\r\n\r\n",
                b"GET",
                b"x" * 100_000 + b"\r\n\r\n",
                b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(sent)
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 10)
                writer.close()
            assert (await asyncio.to_thread(send, port, "GET", "/health"))[0] == 200

    asyncio.run(run())


HEAD = f"POST /infill HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
STRANGER = "POST /infill HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 8000000\r\n\r\n"


async def raw(port: int, sent: bytes) -> bytes:
    """Send bytes as they are and return the first line of the answer; empty: there was none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    return answer


def test_a_request_that_cannot_be_read_is_answered(tmp_path: Path) -> None:
    cases = {
        b"400": [f"{HEAD}Content-Length: x\r\n\r\n", f"{HEAD}Content-Length: -5\r\n\r\n"],
        b"413": [f"{HEAD}Content-Length: {'9' * 5000}\r\n\r\n", f"{HEAD}Content-Length: 9000000\r\n\r\n"],
    }
    cases[b"400"] += [f"{HEAD}Content-Length: {len(body)}\r\n\r\n{body}" for body in ("[" * 4_000_000, "{", "\xff")]

    async def run() -> None:
        async with server(tmp_path) as port:
            for status, requests in cases.items():
                for request in requests:
                    assert status in await raw(port, request.encode("latin-1")), request[:200]
            assert (await asyncio.to_thread(send, port, "GET", "/health"))[0] == 200

    asyncio.run(run())


def test_a_stranger_is_refused_before_their_body_is_read(tmp_path: Path) -> None:
    async def run() -> None:
        async with server(tmp_path) as port:
            assert b"401" in await raw(port, STRANGER.encode())

    asyncio.run(run())


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """Return all that is said until the other side hangs up."""
    try:
        return await asyncio.wait_for(reader.read(), 15)
    except ConnectionError:
        return b""


def test_half_requests_are_ended_in_seconds_and_are_few(tmp_path: Path) -> None:
    async def run() -> None:
        async with server(tmp_path) as port:
            talks = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
            for _, writer in talks[::2]:
                writer.write(b"POST /infill HT")
            began = time.monotonic()
            answers = await asyncio.gather(*(all_of(reader) for reader, _ in talks))
            assert time.monotonic() - began < 12
            assert {answer[:12] for answer in answers} == {b"", b"HTTP/1.1 408"}
            for _, writer in talks:
                writer.close()
            assert await asyncio.to_thread(answers_again, port)

    asyncio.run(run())


def answers_again(port: int) -> bool:
    """Return whether a request is answered once those before it were let go, a second after their own answers."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(ConnectionError, HTTPException):
            return send(port, "GET", "/health")[0] == 200
        time.sleep(0.05)
    return False
