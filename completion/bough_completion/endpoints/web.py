"""A small HTTP/1.1 server for loopback: JSON in, JSON out, for the owner of the token only."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

_HEAD_BYTES = 64 << 10
_BODY_BYTES = 8 << 20
_LENGTH_DIGITS = 12  # of a body's length; Python parses no number with thousands of them
_CONNECTIONS = 64  # open at once: a few editors have one or two each
_REQUEST_SECONDS = 5.0  # from the first byte of a request to its last, and from a connection to its first request
_IDLE_SECONDS = 300.0  # that the owner may keep an idle connection
_LINGER_SECONDS = 1.0  # in which a refused client may read the answer, though the rest of the request is not read
_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class HttpRefused(Exception):
    """A request was refused; nothing was done."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class HttpRequest:
    """One request: `headers` have lower-case names, `content` is the JSON of the body."""

    method: str
    path: str
    headers: dict[str, str]
    content: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """A response."""

    body: bytes = b""
    kind: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK


Handler = Callable[[HttpRequest], Awaitable[Reply]]


def json_reply(content: object, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    """Return compact JSON; llama.vim looks for `"content":"` in it, without blanks."""
    return Reply(json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(), status=status)


class WebServer:
    """Serve one handler on 127.0.0.1 to anyone who knows the token."""

    def __init__(self, handler: Handler, token: str) -> None:
        self._handler = handler
        self._token = token.encode()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, port: int) -> int:
        """Listen; return the port, which is any free one if `port` is 0."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=_HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= _CONNECTIONS:
            writer.close()
            return
        self._open.add(writer)
        try:
            patience = _REQUEST_SECONDS
            while await self._answer_one(reader, writer, patience):
                patience = _IDLE_SECONDS
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> bool:
        """Answer one request, which starts within `patience` seconds; return whether another may follow."""
        try:
            reply, stays = await self._while_connected(await self._read(reader, patience), reader)
        except HttpRefused as fault:
            reply, stays = json_reply({"error": {"message": str(fault)}}, fault.status), False
        if reply is None:
            return False
        await _send(writer, reply, stays)
        if not stays:
            await _linger(reader, writer)
        return stays

    async def _read(self, reader: asyncio.StreamReader, patience: float) -> HttpRequest:
        """Read one request; its body only if its head is allowed."""
        try:
            async with asyncio.timeout(patience):
                first = await reader.readexactly(1)
            async with asyncio.timeout(_REQUEST_SECONDS):
                request = await _head(reader, first)
                self._admit(request)
                return replace(request, content=_content(await reader.readexactly(_length(request))))
        except TimeoutError as late:
            raise HttpRefused(HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time") from late

    def _admit(self, request: HttpRequest) -> None:
        """Refuse a web page that accesses loopback, and anyone without the token."""
        host = request.headers.get("host", "")
        if host.rpartition(":")[0] not in _HOSTS and host not in _HOSTS:
            raise HttpRefused(HTTPStatus.FORBIDDEN, "this host name is not served")
        if "origin" in request.headers:
            raise HttpRefused(HTTPStatus.FORBIDDEN, "web pages are not served")
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, self._token):
            raise HttpRefused(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")

    async def _while_connected(self, request: HttpRequest, reader: asyncio.StreamReader) -> tuple[Reply | None, bool]:
        """Run the handler, but stop it when the client hangs up; return whether the connection stays open."""
        work = asyncio.ensure_future(self._handler(request))
        gone = asyncio.ensure_future(reader.read(1))  # nothing is due before the reply, so any data is the end
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            stays = not gone.done() and request.headers.get("connection", "").lower() != "close"
            return (work.result() if work.done() else None), stays
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.wait({work, gone})


async def _send(writer: asyncio.StreamWriter, reply: Reply, stays: bool) -> None:
    writer.write(
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}\r\nContent-Type: {reply.kind}\r\n"
        f"Content-Length: {len(reply.body)}\r\nConnection: {'keep-alive' if stays else 'close'}\r\n\r\n".encode()
    )
    writer.write(reply.body)
    await writer.drain()


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the sending side and drain the rest: closing at once might take the answer back."""
    writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while await reader.read(_HEAD_BYTES):
                pass


async def _head(reader: asyncio.StreamReader, first: bytes) -> HttpRequest:
    """Read the head of a request that starts with `first`."""
    try:
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.LimitOverrunError as fault:
        raise HttpRefused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long") from fault
    method, _, rest = head[0].partition(" ")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if "transfer-encoding" in headers:
        raise HttpRefused(HTTPStatus.LENGTH_REQUIRED, "send the length of the body")
    return HttpRequest(method, rest.partition(" ")[0].partition("?")[0], headers, {})


def _length(request: HttpRequest) -> int:
    """Return the length of a request's body."""
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise HttpRefused(HTTPStatus.BAD_REQUEST, "the length of the body is not a number")
    if len(length) > _LENGTH_DIGITS or int(length) > _BODY_BYTES:
        raise HttpRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long")
    return int(length)


def _content(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise HttpRefused(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {fault}") from fault
    if not isinstance(content, dict):
        raise HttpRefused(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    return content
