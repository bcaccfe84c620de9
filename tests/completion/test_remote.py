"""A model on another machine answers in time, or the repository engine does; nothing is sent that must stay here."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bough_completion.backends.remote import Address, RemoteModel, Unsafe
from bough_completion.endpoints.client import CompletionClient
from bough_completion.notes import Notes
from bough_completion.prompt.template import Prompt
from bough_completion.prompt.writers import Wish, WriterFailed, Written
from bough_completion.query import Query, Suggestion
from bough_completion.wire import Blob, Question

from tests.completion.processes import blobs, process
from tests.completion.test_http import TOKEN
from tests.completion.test_model_process import REST, TAUGHT, TYPED, serving, until

pytest.importorskip("httpx2", reason="needs httpx2, of the extra that `pip install 'bough[remote]'` brings")
WISH = Wish("me", Prompt("def f():\n", "\n", "    re", "a.py", (("b.py", "class B:"),)), tokens=8)


@dataclass
class Server:
    """A real server on loopback that answers each request with what `reply` says, and keeps what it was sent."""

    reply: Callable[[dict[str, object]], bytes]
    heads: list[str] = field(default_factory=list)
    requests: list[dict[str, object]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve as long as the block; yield the URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-le")
            )
            self.heads.append(head)
            self.requests.append(json.loads(await reader.readexactly(length)))
            writer.write(self.reply(self.requests[-1]))
            await writer.drain()
            if self.requests[-1].get("model") == "endless":
                await reader.read()  # until the other side hangs up
                self.closed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def http(body: bytes, kind: str = "application/json", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def choice(text: str, reason: str | None = "stop", chances: list[float] | None = None) -> dict[str, object]:
    told = None if chances is None else {"token_logprobs": chances}
    return {"choices": [{"text": text, "finish_reason": reason, "logprobs": told}]}


def events(*answers: dict[str, object]) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in answers) + b"data: [DONE]\n\n"


def written(server: Server, wish: Wish = WISH, model: str = "", key: str = "") -> tuple[list[Written], list[str]]:
    """Ask a server once; return what it wrote, and the notes."""

    async def talk() -> tuple[list[Written], list[str]]:
        notes = Notes()
        async with server.running() as url:
            remote = RemoteModel(Address(url, model, key), notes)
            try:
                return [each async for each in remote.write(wish)], list(notes)
            finally:
                await remote.close()

    return asyncio.run(talk())


def test_a_stream_is_read_with_its_chances() -> None:
    answer = events(choice("turn", None, [-0.1]), choice(" 1", None, [-0.2, -0.1]), choice("", "stop"))
    server = Server(lambda request: http(answer, "text/event-stream"))
    found, notes = written(server, key="secret")
    assert (found[-1].text, found[-1].ended, notes) == ("turn 1", True, [])
    assert found[-1].confidence == pytest.approx(0.67, abs=0.01)
    assert "authorization: bearer secret" in server.heads[0].lower()
    (request,) = server.requests
    assert (request["prompt"], request["suffix"]) == ("# b.py:\n# class B:\ndef f():\n    re", "\n")
    assert (request["stop"], request["max_tokens"], request["temperature"]) == (["\n"], 8, 0)
    assert "me" not in str(request["user"])


def test_a_server_that_does_not_stream_and_takes_little_is_asked_for_less_from_then_on() -> None:
    def reply(request: dict[str, object]) -> bytes:
        if "logprobs" in request or "suffix" in request:
            return http(b"{}", status="400 Bad Request")
        return http(json.dumps(choice("turn 2")).encode())

    server = Server(reply)
    found, _ = written(server)
    assert [(each.text, each.confidence, each.ended) for each in found] == [("turn 2", None, True)]
    assert len(server.requests) == 4


def test_a_known_family_is_asked_with_its_own_markers() -> None:
    server = Server(lambda request: http(json.dumps(choice("x")).encode()))
    wish = Wish("me", Prompt("<|fim_middle|>\n", "after", "    re"), tokens=8)
    written(server, wish, "Qwen/Qwen2.5-Coder-7B")
    assert server.requests[0]["prompt"] == "<|fim_prefix|>< |fim_middle|>\n    re<|fim_suffix|>after<|fim_middle|>"
    assert "suffix" not in server.requests[0]


def test_what_is_over_is_not_waited_for() -> None:
    async def talk() -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        server = Server(lambda request: head + b"data: " + json.dumps(choice("turn 1\nx", None)).encode() + b"\n\n")
        async with server.running() as url:
            remote = RemoteModel(Address(url, "endless"), Notes())
            assert [each.text async for each in remote.write(WISH)] == ["turn 1"]
            await asyncio.wait_for(server.closed.wait(), 20)
            await remote.close()

    asyncio.run(talk())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        http(b"{}", status="500 Oh"),
        http(b"not json"),
        http(b"[]"),
        http(b'{"choices":[7]}'),
        http(b'{"choices":{"a":1}}'),
        http(b"", status="302 Found\r\nLocation: http://127.0.0.1:1/"),
        http(events({"choices": None}), "text/event-stream"),
        http(b"data: " + b"x" * (2 << 20), "text/event-stream"),
        http(b'{"choices":[{"text":["x"]}]}'),
        http(b'{"choices":[{"text":"x","logprobs":7}]}'),
        http(b"[" * 100_000),
    ],
)
def test_whatever_a_server_answers_is_a_failure_with_a_note_at_most(answer: bytes) -> None:
    async def talk() -> None:
        notes = Notes()
        async with Server(lambda request: answer).running() as url:
            remote = RemoteModel(Address(url), notes)
            with pytest.raises(WriterFailed):
                [each async for each in remote.write(WISH)]
            assert not remote.is_ready
            assert "does not answer" in next(iter(notes))
            await remote.close()

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:80", "http://127.0.0.1:80/v1/completions"),
        ("http://localhost:80/v1/", "http://localhost:80/v1/completions"),
        ("http://[::1]:80/x/completions", "http://[::1]:80/x/completions"),
        ("https://gpu.example.org/openai/v1?x=1", "https://gpu.example.org/openai/v1/completions"),
        ("http://gpu.example.org", None),
        ("http://127.0.0.1.example.org", None),
        ("http://localhost@gpu.example.org", None),
        ("ftp://127.0.0.1", None),
        ("file:///etc/passwd", None),
        ("", None),
    ],
)
def test_only_what_no_one_can_listen_to_is_asked(url: str, expected: str | None) -> None:
    if expected is not None:
        assert Address(url).endpoint == expected
        return
    with pytest.raises(Unsafe):
        _ = Address(url).endpoint
    notes = Notes()
    assert not RemoteModel(Address(url), notes).is_ready
    assert len(list(notes)) == 1


@asynccontextmanager
async def member(folder: Path, url: str, *options: str) -> AsyncIterator[CompletionClient]:
    """Run a process whose model is a remote one."""
    key = folder / "key"
    key.write_text(TOKEN + "\n")
    command = ("--remote", url, "--remote-key-file", str(key), *options)
    async with process(folder / "member", *command), CompletionClient(str(folder / "member")) as client:
        yield client


async def ask(client: CompletionClient, path: str, prefix: str, patience: float = 20.0) -> list[Suggestion]:
    query = Query(path, prefix, "\n", patience=patience, limit=2)
    return await client.complete(Question("/home/shop", "test", query))


def test_a_teammates_process_is_a_remote_and_what_was_not_fed_stays_here(tmp_path: Path) -> None:
    async def talk() -> None:
        async with serving(tmp_path, TAUGHT) as (teammate, port):
            await teammate.feed("/home/theirs", blobs(Blob("x.py", "till.open_drum(kit)\n" * 3)))
            async with member(tmp_path, f"http://127.0.0.1:{port}", "--remote-model", "bough-model") as client:
                await client.feed(
                    "/home/shop", blobs(Blob("a.py", "till.open_dragon()\n" * 3), Blob("b.py", "x = 1\n"))
                )
                found = await ask(client, "b.py", TYPED)
                assert [(one.text, one.engine) for one in found] == [
                    (REST, "bough-model on 127.0.0.1"),
                    ("agon()", "repository engine, no model"),
                ]
                assert found[0].confidence > 0.5
                # A file that the daemon keeps back is not fed; it may be open in the editor all the same.
                kept = await ask(client, ".env", TYPED)
                assert {one.engine for one in kept} == {"repository engine, no model"}
                stats = await client.stats("/home/shop")
                assert (stats.engine, stats.notes) == ("bough-model on 127.0.0.1", ())

    asyncio.run(talk())


def test_a_remote_that_is_not_there_costs_no_time_and_is_told(tmp_path: Path) -> None:
    async def talk() -> None:
        async with member(tmp_path, "http://127.0.0.1:9") as client:
            await client.feed("/home/shop", blobs(Blob("a.py", "till.open_dragon()\n" * 3), Blob("b.py", "x = 1\n")))
            assert (await ask(client, "b.py", TYPED))[0].text == "agon()"
            stats = await until(client, lambda stats: bool(stats.notes))
            assert stats.notes[0].startswith("The remote model does not answer")
            assert stats.engine == "repository engine, no model"

    asyncio.run(talk())


def test_a_remote_that_is_silent_is_bounded_by_the_patience(tmp_path: Path) -> None:
    async def talk() -> None:
        server = Server(lambda request: b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        async with server.running() as url, member(tmp_path, url, "--remote-model", "endless") as client:
            await client.feed("/home/shop", blobs(Blob("a.py", "till.open_dragon()\n" * 3), Blob("b.py", "x = 1\n")))
            begun = time.monotonic()
            assert (await ask(client, "b.py", TYPED, patience=0.3))[0].text == "agon()"
            assert time.monotonic() - begun < 15  # the server takes for ever
            await ask(client, "b.py", TYPED + "a", patience=0.3)
            await asyncio.wait_for(server.closed.wait(), 20)  # what was superseded is stopped there too

    asyncio.run(talk())
