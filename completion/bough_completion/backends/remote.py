"""A model on another machine, with the API of OpenAI's `/v1/completions`.

vLLM, llama.cpp's server, Triton and others implement it, and so does a teammate's completion process, reached through a
tunnel. Requests cross the network encrypted or not at all, and never contain a file that the daemon withholds.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from math import exp, prod
from secrets import token_bytes
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from bough_completion.errors import MissingLibrary
from bough_completion.notes import Notes
from bough_completion.prompt.registry import family_of
from bough_completion.prompt.template import Prompt, Template, as_comments
from bough_completion.prompt.window import CHARACTERS_PER_TOKEN, FILES, fit
from bough_completion.prompt.writers import Wish, WriterFailed, Written
from bough_completion.text.extent import extent

_ABOUT = "remote"
# Tokens that a prompt may have: every server that is worth asking accepts as many.
_WINDOW = 4096
_CONNECT, _READ = 2.0, 10.0
_LONGEST_PAUSE = 30.0
_EVENT_BYTES, _ANSWER_BYTES = 1 << 20, 4 << 20
# Fields that some servers refuse; from then on they are left out, in this order.
_OPTIONAL = ("user", "logprobs", "suffix")


class Unsafe(ValueError):
    """An address must not be used; nothing was sent."""


@dataclass(frozen=True)
class Address:
    """The server and model to ask: the `model`'s name decides how the prompt is written, `key` may be empty."""

    url: str
    model: str = ""
    key: str = field(default="", repr=False)

    @property
    def endpoint(self) -> str:
        """Return the URL of requests.

        Raise `Unsafe` for an address whose traffic others could read: only `https`, or `http` on this machine.
        """
        parts = urlsplit(self.url)
        is_open = parts.scheme == "http" and not _is_here(parts.hostname or "")
        if parts.scheme not in ("http", "https") or not parts.hostname or is_open:
            raise Unsafe(f"{self.url} is neither https nor on this machine; use https or an SSH tunnel")
        path = parts.path.rstrip("/")
        if not path.endswith("/completions"):
            path = f"{path or '/v1'}/completions"
        return parts._replace(path=path, query="", fragment="").geturl()


class RemoteModel:
    """A `Writer` behind HTTP; one that does not answer is avoided for a while, longer each time."""

    def __init__(self, address: Address, notes: Notes) -> None:
        """Connect to nothing yet; an unsafe address is reported and never used."""
        self._address = address
        self._notes = notes
        self._template: Template | None = family_of(address.model)
        self._without = frozenset[str]()
        self._salt = token_bytes(16)
        self._pause = 0.0
        self._retry_at = 0.0
        self._client: Any = None
        self._endpoint = ""
        try:
            self._endpoint = address.endpoint
            self._client = _client(address.key)
        except (Unsafe, MissingLibrary) as fault:
            notes.tell(_ABOUT, f"The remote model is not used: {fault}.")

    @property
    def name(self) -> str:
        """The model and the host."""
        host = urlsplit(self._address.url).hostname
        return f"{self._address.model} on {host}" if self._address.model else str(host)

    @property
    def is_ready(self) -> bool:
        """Return whether it is not being avoided."""
        return self._client is not None and monotonic() >= self._retry_at

    @property
    def room(self) -> int:
        """As much as its window leaves for other files."""
        return int(CHARACTERS_PER_TOKEN * _WINDOW * FILES)

    @property
    def reads_ahead(self) -> bool:
        """What it keeps is unknown."""
        return False

    def may_read(self, given_out: bool) -> bool:
        """Return whether the daemon released the file: only such files leave this machine."""
        return given_out

    async def write(self, wish: Wish) -> AsyncGenerator[Written, None]:
        """Yield what the remote writes; closing the iterator closes the request, which stops it there."""
        prefix, sent = wish.prompt.before + wish.prompt.begun, -1
        try:
            async with aclosing(self._written(wish)) as parts:
                async for part in parts:
                    text, is_over = extent(part.text, prefix, wish.max_lines)
                    if part.ended or is_over:
                        yield Written(text, part.confidence, part.line_confidence, ended=True)
                        break
                    if text.count("\n") > sent:
                        sent = text.count("\n")
                        yield part
        except (self._errors(), ValueError, RecursionError) as failure:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause or 1.0)
            self._retry_at = monotonic() + self._pause
            self._notes.tell(_ABOUT, f"The remote model does not answer: {str(failure) or type(failure).__name__}.")
            raise WriterFailed(str(failure)) from failure
        self._pause = 0.0
        self._notes.take_back(_ABOUT)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _errors(self) -> type[Exception]:
        import httpx2

        return httpx2.HTTPError

    async def _written(self, wish: Wish) -> AsyncGenerator[Written, None]:
        """Yield the answer as it grows, retrying once without fields that the server rejects."""
        without = self._without
        while True:
            request = {name: value for name, value in self._request(wish).items() if name not in without}
            async with self._client.stream("POST", self._endpoint, json=request) as response:
                refused = next((name for name in _OPTIONAL if name in request), None)
                if response.status_code in (400, 422, 501) and refused is not None:
                    without |= {refused}
                    continue
                if response.status_code != 200:
                    raise ValueError(f"it answers with status {response.status_code}")
                self._without = without
                answer = _ArrivingAnswer()
                async for event in _events(response):
                    answer.add(event)
                    yield answer.told
                return

    def _request(self, wish: Wish) -> dict[str, Any]:
        prompt = fit(wish.prompt, _WINDOW - wish.tokens, _tokens)
        request: dict[str, Any] = {
            "model": self._address.model,
            "prompt": as_comments(prompt) + prompt.before + prompt.begun,
            "suffix": prompt.after,
            "max_tokens": wish.tokens,
            "temperature": 0,
            "logprobs": 1,
            "stream": True,
            # The server must distinguish buffers, to stop what is superseded, but need not know more about them.
            "user": sha256(self._salt + wish.owner.encode()).hexdigest()[:16],
        }
        if self._template is not None:
            request["prompt"] = self._template.text(prompt)
            del request["suffix"]
        if wish.max_lines == 1:
            request["stop"] = ["\n"]
        return request


class _ArrivingAnswer:
    """The part of an answer that has arrived."""

    def __init__(self) -> None:
        self._text = ""
        self._chances: list[float] = []
        self._line = 0
        self._reason = ""
        self.is_last = False

    def add(self, event: object) -> None:
        """Add the next piece; raise `ValueError` if it is malformed."""
        choices = event.get("choices") if isinstance(event, dict) else None
        if not isinstance(choices, list):
            raise ValueError("its answer is not an OpenAI completion")
        if not choices:
            return
        text, chances, reason = _piece(choices[0])
        self._chances += [exp(min(0.0, each)) for each in chances]
        if "\n" not in self._text:
            self._line = len(self._chances)
        self._text += text
        self._reason = reason or self._reason
        self.is_last = bool(self._reason)

    @property
    def told(self) -> Written:
        """The answer so far."""
        ended = self.is_last and self._reason != "length"
        if not self._chances:
            return Written(self._text, ended=ended)
        return Written(self._text, prod(self._chances), prod(self._chances[: self._line]), ended)


def _piece(choice: object) -> tuple[str, list[float], str]:
    """Return the text, the log probabilities and the finish reason; raise `ValueError` if it is malformed."""
    told = choice if isinstance(choice, dict) else {}
    sure = told.get("logprobs") or {}
    text, reason = told.get("text") or "", told.get("finish_reason") or ""
    chances = sure.get("token_logprobs") or [] if isinstance(sure, dict) else None
    if not told or not isinstance(text, str) or not isinstance(reason, str) or not isinstance(chances, list):
        raise ValueError("its answer is not an OpenAI completion")
    return text, [float(each) for each in chances if isinstance(each, int | float)], reason


async def _events(response: Any) -> AsyncIterator[object]:
    """Yield the events of a stream, or the single answer of a server that does not stream."""
    held, size = b"", 0
    if "text/event-stream" not in response.headers.get("content-type", ""):
        async for chunk in response.aiter_bytes():
            held += chunk
            if len(held) > _ANSWER_BYTES:
                raise ValueError("its answer is too long")
        yield json.loads(held)
        return
    async for chunk in response.aiter_bytes():
        held += chunk
        size += len(chunk)
        if len(held) > _EVENT_BYTES or size > _ANSWER_BYTES:
            raise ValueError("its answer is too long")
        *lines, held = held.split(b"\n")
        for line in lines:
            told = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and told != b"[DONE]":
                yield json.loads(told)


def _client(key: str) -> Any:
    """Return an HTTP client that follows no redirects and no proxy; raise `MissingLibrary`."""
    try:
        import httpx2
    except ModuleNotFoundError as missing:
        raise MissingLibrary("httpx2", "remote") from missing
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(_READ, connect=_CONNECT), trust_env=False)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tokens(prompt: Prompt) -> int:
    """Return the approximate number of tokens of a prompt; only the server knows its tokenizer."""
    files = sum(len(path) + len(text) for path, text in prompt.files)
    return (len(prompt.before) + len(prompt.after) + len(prompt.begun) + files) // CHARACTERS_PER_TOKEN
