"""One model, loaded: tokens in, logits out, the cache growing by what was run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bough_completion.model import manifest
from bough_completion.model.errors import ContextFull
from bough_completion.model.graph import ROWS
from bough_completion.model.kv import Cache
from bough_completion.model.manifest import Manifest
from bough_completion.model.runtime import Runtime, Settings, Stop

Logits = NDArray[np.float32]


class Session:
    """A model with its cache. One thread runs it; `Stop.ask` may come from any."""

    def __init__(self, folder: Path, settings: Settings, say: Callable[[str], None] = lambda line: None) -> None:
        """Load the model in `folder`; raise `BadModel`, `MissingLibrary`.

        A model exported for a GPU runs on the CPU too, only slower; `say` is told when it has to.
        """
        self.settings = settings
        self.manifest: Manifest = manifest.read(folder)
        self._runtime = Runtime(settings, say)
        self._session = self._runtime.open(folder / manifest.GRAPH)
        self.window = min(settings.window_tokens, self.manifest.context_tokens)
        self.cache = Cache(self._runtime, self.manifest.cache, folder, settings.slots, self.window)
        self._bindings: dict[tuple[int, int], Any] = {}
        self._kind = np.dtype("float16" if "float16" in self._session.get_outputs()[0].type else "float32")

    @property
    def device(self) -> str:
        """`cuda` or `cpu`: where it really runs."""
        return self._runtime.device

    def run(self, row: int, tokens: Sequence[int], wanted: Sequence[int], stop: Stop | None = None) -> Logits:
        """Append `tokens` to the slot `row` and return `logits: float32[len(wanted), vocabulary]`.

        `wanted` are positions within `tokens`, at least one.

        Raise `Stopped` or `ContextFull`; then the slot holds what it held.
        """
        slot = self.cache.slots[row]
        end = len(slot.tokens) + len(tokens)
        if end > self.window:
            raise ContextFull(f"{end} tokens are more than the window of {self.window}")
        fed = np.array([tokens], np.int64)
        logits = self._forward(row, fed, np.ones((1, end), np.int64), wanted, stop)
        slot.tokens.extend(tokens)
        return logits

    def run_batch(self, tokens: dict[int, int]) -> Logits:
        """Append one token to each slot of `tokens` in one run and return `logits: float32[len(tokens), vocabulary]`.

        Rows between those named ride along: what they compute lands behind their own tokens, where nothing reads it;
        one that is full forgets its last token for that. (GroupQueryAttention takes a batch over past tokens only one
        token wide, so wider runs go alone.)

        Raise `ContextFull` when a slot that is named is full; then nothing was run.
        """
        first, last = min(tokens), max(tokens)
        for row in set(range(first, last + 1)) - set(tokens):
            del self.cache.slots[row].tokens[self.window - 1 :]
        held = [len(slot.tokens) for slot in self.cache.slots[first : last + 1]]
        if max(held) >= self.window:
            raise ContextFull(f"{max(held)} tokens fill the window of {self.window}")
        fed = np.array([[tokens.get(row, 0)] for row in range(first, last + 1)], np.int64)
        mask = (np.arange(max(held) + 1) <= np.array(held)[:, None]).astype(np.int64)
        logits = self._forward(first, fed, mask, [row - first for row in tokens], None)
        for row, token in tokens.items():
            self.cache.slots[row].tokens.append(token)
        return logits

    def _forward(
        self, first: int, fed: NDArray[np.int64], mask: NDArray[np.int64], wanted: Sequence[int], stop: Stop | None
    ) -> Logits:
        rows = np.array(wanted, np.int64)
        logits = np.empty((len(wanted), self.manifest.vocabulary), self._kind)
        binding = self._binding(first, len(fed))
        for name, value in (("input_ids", fed), ("attention_mask", mask), (ROWS, rows)):
            binding.bind_cpu_input(name, value)
        binding.bind_output("logits", "cpu", 0, self._kind, list(logits.shape), logits.ctypes.data)
        self._runtime.run(self._session, binding, stop)
        return logits.astype(np.float32, copy=False)

    def _binding(self, first: int, count: int) -> Any:
        if (first, count) not in self._bindings:
            made = self._bindings[first, count] = self._session.io_binding()
            self.cache.bind(made, first, count)
        return self._bindings[first, count]
