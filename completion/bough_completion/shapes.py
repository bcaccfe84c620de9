"""The shapes of other servers' HTTP, so that the plugins made for them work as they are.

llama.cpp's `/infill`, Tabby's and OpenAI's `/v1/completions`, Ollama's `/api/generate`. These plugins show whatever
they get, so only what the gate lets through is sent.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

from bough_completion.query import Query
from bough_completion.web import Refused, Reply, Request, json_reply

MODEL = "bough"
_LINES = 12
_PATIENCE = 0.1


class Completing(Protocol):
    """Whoever answers a query of a file of which only a name is known, or not even that."""

    async def text_for(self, editor: str, query: Query) -> str:
        """Return what may be shown unasked at the cursor, or ""."""


class Shapes:
    """Answer every request that one of the shapes knows."""

    def __init__(self, completer: Completing) -> None:
        self._completer = completer

    async def handle(self, request: Request) -> Reply:
        """Answer a request."""
        match request.method, request.path:
            case "POST", "/infill":
                return await self._infill(request.content)
            case "POST", "/v1/completions" if "segments" in request.content:
                return await self._tabby(request.content)
            case "POST", "/v1/completions":
                return await self._openai(request.content)
            case "POST", "/api/generate":
                return await self._ollama(request.content)
            case ("GET", path) if path in _FACTS:
                return json_reply(_FACTS[path])
            case "POST", "/v1/events":
                return Reply()  # what Tabby's client reports about its member is not kept
        raise Refused(HTTPStatus.NOT_FOUND, f"{request.method} {request.path} is not served")

    async def _infill(self, content: dict[str, Any]) -> Reply:
        prefix = _text(content, "input_prefix") + _text(content, "prompt")
        text = ""
        if content.get("n_predict") != 0:  # asked with 0, a server only reads; there is nothing to read ahead here
            text = await self._ask("infill", "", prefix, _text(content, "input_suffix"), content)
        answer = {"content": text, "stop": True, "model": MODEL}
        return _event_stream(answer) if content.get("stream") else json_reply(answer)

    async def _tabby(self, content: dict[str, Any]) -> Reply:
        segments = content["segments"]
        if not isinstance(segments, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "segments is not an object")
        path, suffix = _text(segments, "filepath"), _text(segments, "suffix")
        text = await self._ask("tabby", path, _text(segments, "prefix"), suffix, content)
        return json_reply({"id": _stamp(), "choices": [{"index": 0, "text": text}] if text else []})

    async def _openai(self, content: dict[str, Any]) -> Reply:
        text = await self._ask("openai", "", _text(content, "prompt"), _text(content, "suffix"), content)
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
        now = int(datetime.now(UTC).timestamp())
        answer = {"id": _stamp(), "object": "text_completion", "created": now, "model": MODEL, "choices": [choice]}
        return _event_stream(answer, b"data: [DONE]\n\n") if content.get("stream") else json_reply(answer)

    async def _ollama(self, content: dict[str, Any]) -> Reply:
        text = await self._ask("ollama", "", _text(content, "prompt"), _text(content, "suffix"), content)
        now = datetime.now(UTC).isoformat()
        answer = {"model": MODEL, "created_at": now, "response": text, "done": True, "done_reason": "stop"}
        if content.get("stream") is False:
            return json_reply(answer)
        return Reply(json_reply(answer).body + b"\n", "application/x-ndjson")

    async def _ask(self, editor: str, path: str, prefix: str, suffix: str, content: dict[str, Any]) -> str:
        prefix, suffix = prefix.replace("\r\n", "\n"), suffix.replace("\r\n", "\n")
        text = await self._completer.text_for(editor, Query(path, prefix, suffix, _LINES, patience=_PATIENCE))
        options = content.get("options")
        return _cut(text, content.get("stop") or (options.get("stop") if isinstance(options, dict) else None))


_FACTS: dict[str, object] = {
    "/health": {"status": "ok"},
    "/v1/models": {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": MODEL}]},
    "/api/tags": {"models": [{"name": MODEL, "model": MODEL}]},
    "/v1/health": {
        "model": MODEL,
        "device": "cpu",
        "arch": platform.machine(),
        "cpu_info": platform.processor(),
        "cpu_count": os.cpu_count() or 1,
        "cuda_devices": [],
        "version": {"build_date": "", "build_timestamp": "", "git_sha": "", "git_describe": MODEL},
    },
    "/v1beta/server_setting": {"disable_client_side_telemetry": True},
}


def _text(content: dict[str, Any], name: str) -> str:
    """Return a text of a request; what is absent is empty."""
    value = content.get(name) or ""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} is not a text")
    return value


def _cut(text: str, stops: object) -> str:
    """Cut before the first of the texts that a client wants to stop at."""
    for stop in [stops] if isinstance(stops, str) else stops if isinstance(stops, list) else []:
        if isinstance(stop, str) and stop:
            text = text.partition(stop)[0]
    return text


def _event_stream(answer: object, end: bytes = b"") -> Reply:
    line = json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()
    return Reply(b"data: " + line + b"\n\n" + end, "text/event-stream")


def _stamp() -> str:
    return f"cmpl-{datetime.now(UTC).timestamp():.6f}"
