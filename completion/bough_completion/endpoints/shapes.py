"""The HTTP APIs of other servers, so that the plugins made for them work unchanged.

llama.cpp's `/infill`, Tabby's and OpenAI's `/v1/completions`, Ollama's `/api/generate`. These plugins show whatever
they get, so only what is confident enough is sent; as that is decided for a whole answer, a stream has one piece.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from math import log
from typing import Any, Protocol

from bough_completion.endpoints.web import HttpRefused, HttpRequest, Reply, json_reply
from bough_completion.query import Query, Suggestion

MODEL = "bough"
# A request for this name is answered by a model alone, from the prompt alone: teammates use each other's model so.
MODEL_ALONE = "bough-model"
_LINES = 12
_PATIENCE, _LONGEST_PATIENCE = 0.2, 5.0


class Answerer(Protocol):
    """Answers a query about a file of which at best the name is known."""

    async def shown_for(self, editor: str, query: Query, alone: bool = False) -> Suggestion | None:
        """Return what may be shown unasked at the cursor, if anything; `alone`: by a model only."""

    async def read_ahead(self, editor: str, query: Query) -> None:
        """Let a model read what will be asked about soon."""


class Shapes:
    """Answer every request in one of the known APIs."""

    def __init__(self, completer: Answerer) -> None:
        self._completer = completer

    async def handle(self, request: HttpRequest) -> Reply:
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
                return Reply()  # the reports of Tabby's client about its user are not kept
        raise HttpRefused(HTTPStatus.NOT_FOUND, f"{request.method} {request.path} is not served")

    async def _infill(self, content: dict[str, Any]) -> Reply:
        prefix, suffix = _text(content, "input_prefix") + _text(content, "prompt"), _text(content, "input_suffix")
        milliseconds = _number(content, "t_max_prompt_ms", 0) + _number(content, "t_max_predict_ms", 0)
        query = _query("", prefix, suffix, _number(content, "n_predict", -1), milliseconds / 1000 or _PATIENCE)
        text = ""
        if query.max_tokens == 0:
            await self._completer.read_ahead("infill", query)
        else:
            text = _cut(await self._completer.shown_for("infill", query), content.get("stop"))
        end = {"content": text, "stop": True, "model": MODEL}
        if not content.get("stream"):
            return json_reply(end)
        return _event_stream({"content": text, "stop": False}, end | {"content": ""})

    async def _tabby(self, content: dict[str, Any]) -> Reply:
        segments = content["segments"]
        if not isinstance(segments, dict):
            raise HttpRefused(HTTPStatus.BAD_REQUEST, "segments is not an object")
        path, suffix = _text(segments, "filepath"), _text(segments, "suffix")
        query = _query(path, _text(segments, "prefix"), suffix)
        text = _cut(await self._completer.shown_for("tabby", query), None)
        return json_reply({"id": _stamp(), "choices": [{"index": 0, "text": text}] if text else []})

    async def _openai(self, content: dict[str, Any]) -> Reply:
        alone = content.get("model") == MODEL_ALONE
        tokens, patience = _number(content, "max_tokens", -1), _LONGEST_PATIENCE if alone else _PATIENCE
        query = _query("", _text(content, "prompt"), _text(content, "suffix"), tokens, patience)
        if alone and content.get("stop") == ["\n"]:
            query = replace(query, max_lines=1)
        found = await self._completer.shown_for(f"openai {_text(content, 'user')}", query, alone)
        text = _cut(found, content.get("stop"))
        choice = {"index": 0, "text": text, "logprobs": _logprobs(found, content, text), "finish_reason": "stop"}
        now = int(datetime.now(UTC).timestamp())
        answer = {"id": _stamp(), "object": "text_completion", "created": now, "model": MODEL, "choices": [choice]}
        if not content.get("stream"):
            return json_reply(answer)
        first = answer | {"choices": [choice | {"finish_reason": None}]}
        last = answer | {"choices": [choice | {"text": "", "logprobs": None}]}
        return _event_stream(first, last, end=b"data: [DONE]\n\n")

    async def _ollama(self, content: dict[str, Any]) -> Reply:
        options = content.get("options")
        options = options if isinstance(options, dict) else {}
        tokens = _number(options, "num_predict", -1)
        query = _query("", _text(content, "prompt"), _text(content, "suffix"), tokens)
        text = _cut(await self._completer.shown_for("ollama", query), options.get("stop"))
        now = datetime.now(UTC).isoformat()
        end = {"model": MODEL, "created_at": now, "response": text, "done": True, "done_reason": "stop"}
        if content.get("stream") is False:
            return json_reply(end)
        first = {"model": MODEL, "created_at": now, "response": text, "done": False}
        return Reply(
            b"".join(json_reply(each).body + b"\n" for each in (first, end | {"response": ""})), _LINES_OF_JSON
        )


_LINES_OF_JSON = "application/x-ndjson"
_FACTS: dict[str, object] = {
    "/health": {"status": "ok"},
    "/v1/models": {
        "object": "list",
        "data": [{"id": name, "object": "model", "owned_by": MODEL} for name in (MODEL, MODEL_ALONE)],
    },
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
    """Return a text of a request; empty if it is missing, with question marks for invalid characters."""
    value = content.get(name) or ""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        raise HttpRefused(HTTPStatus.BAD_REQUEST, f"{name} is not a text")
    return value.encode(errors="replace").decode()


def _number(content: dict[str, Any], name: str, absent: int) -> int:
    value = content.get(name)
    if value is None:
        return absent
    if not isinstance(value, int | float):
        raise HttpRefused(HTTPStatus.BAD_REQUEST, f"{name} is not a number")
    return int(max(-1, min(value, 1_000_000)))


def _query(path: str, prefix: str, suffix: str, tokens: int = -1, patience: float = _PATIENCE) -> Query:
    """Return a query; with `tokens` below 0 the default is used."""
    prefix, suffix = prefix.replace("\r\n", "\n"), suffix.replace("\r\n", "\n")
    query = Query(path, prefix, suffix, _LINES, patience=min(patience, _LONGEST_PATIENCE))
    return query if tokens < 0 else replace(query, max_tokens=min(tokens, query.max_tokens))


def _cut(found: Suggestion | None, stops: object) -> str:
    """Return the text before the first of a client's stop texts."""
    text = found.text if found else ""
    for stop in [stops] if isinstance(stops, str) else stops if isinstance(stops, list) else []:
        if isinstance(stop, str) and stop:
            text = text.partition(stop)[0]
    return text


def _logprobs(found: Suggestion | None, content: dict[str, Any], text: str) -> object:
    """Return the log probability of the answer, if it was asked."""
    if found is None or not content.get("logprobs"):
        return None
    return {"tokens": [text], "token_logprobs": [log(max(found.confidence, 1e-30))], "text_offset": [0]}


def _event_stream(*answers: object, end: bytes = b"") -> Reply:
    events = (json.dumps(each, separators=(",", ":"), ensure_ascii=False).encode() for each in answers)
    return Reply(b"".join(b"data: " + event + b"\n\n" for event in events) + end, "text/event-stream")


def _stamp() -> str:
    return f"cmpl-{datetime.now(UTC).timestamp():.6f}"
