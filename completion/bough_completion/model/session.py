"""One model, loaded: tokens in, logits out, the cache growing by what was run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bough_completion.model import manifest
from bough_completion.model.errors import BadModel, ContextFull, ModelError, Stopped
from bough_completion.model.fixed import FixedRuns
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
        is_fixed = self._runtime.device == "cuda" if settings.fixed_shapes is None else settings.fixed_shapes
        self._session = self._open(folder / manifest.GRAPH, is_fixed, say)
        self.window = min(settings.window_tokens, self.manifest.context_tokens)
        self.cache = Cache(self._runtime, self.manifest.cache, folder, settings.slots, self.window)
        self._bindings: dict[tuple[int, int], Any] = {}
        self._kind = np.dtype("float16" if "float16" in self._session.get_outputs()[0].type else "float32")
        self._fixed: FixedRuns | None = None
        if is_fixed and (settings.fixed_shapes or self._captures):
            self._fixed = self._checked(
                FixedRuns(
                    self._runtime,
                    self._session,
                    self.cache,
                    self.manifest.vocabulary,
                    self._kind,
                    [1, 1 + settings.draft_tokens],
                ),
                say,
            )

    @property
    def is_captured(self) -> bool:
        """Whether a GPU captures its short runs as CUDA graphs."""
        return self._captures and self._fixed is not None

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
        held = len(slot.tokens)
        end = held + len(tokens)
        if end > self.window:
            raise ContextFull(f"{end} tokens are more than the window of {self.window}")
        if stop is not None and stop.asked:
            raise Stopped("the run was stopped")
        fed = np.array([tokens], np.int64)
        width = self._fixed.width_for(len(tokens), held) if self._fixed else None
        if self._fixed is not None and width is not None:
            logits = self._fixed.run(row, fed, [held], width)[0, list(wanted)].astype(np.float32, copy=False)
        else:
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
        if self._fixed is not None:
            first, last = 0, len(self.cache.slots) - 1  # one shape for every batch: a GPU runs all rows at once
        for row in set(range(first, last + 1)) - set(tokens):
            del self.cache.slots[row].tokens[self.window - 1 :]
        held = [len(slot.tokens) for slot in self.cache.slots[first : last + 1]]
        if max(held) >= self.window:
            raise ContextFull(f"{max(held)} tokens fill the window of {self.window}")
        fed = np.array([[tokens.get(row, 0)] for row in range(first, last + 1)], np.int64)
        wanted = [row - first for row in tokens]
        if self._fixed is not None:
            logits = self._fixed.run(first, fed, held, 1)[wanted, 0].astype(np.float32, copy=False)
        else:
            mask = (np.arange(max(held) + 1) <= np.array(held)[:, None]).astype(np.int64)
            logits = self._forward(first, fed, mask, wanted, None)
        for row, token in tokens.items():
            self.cache.slots[row].tokens.append(token)
        return logits

    def _open(self, graph: Path, captures: bool, say: Callable[[str], None]) -> Any:
        """Open the graph; where it cannot be captured, open it all the same."""
        self._captures = captures and self._runtime.device == "cuda"
        if self._captures:
            try:
                return self._runtime.open(graph, captures=True)
            except BadModel as failure:
                self._captures = False
                say(f"CUDA graphs cannot be used, which makes answers slower: {failure}.")
        return self._runtime.open(graph)

    def _checked(self, fixed: FixedRuns, say: Callable[[str], None]) -> FixedRuns | None:
        """Return `fixed` if its runs give what others give, captured and replayed; else say so and return None."""
        tokens = [each % self.manifest.vocabulary for each in (1, 2, 3, 5, 8)]
        mask = np.ones((1, len(tokens)), np.int64)
        plain = self._forward(0, np.array([tokens], np.int64), mask, range(len(tokens)), None)
        try:
            for width in (fixed.width_for(1, 4), fixed.width_for(2, 4)):
                for _ in range(2 if width else 0):
                    found = fixed.run(0, np.array([tokens[4:]], np.int64), [4], width or 1)[0, 0]
                    if int(found.argmax()) != int(plain[4].argmax()) or not np.allclose(
                        found, plain[4], atol=0.05, rtol=0.05
                    ):
                        raise ModelError("a captured run gives something else")
        except Exception as failure:  # ORT's exceptions have no base of their own
            say(f"CUDA graphs cannot be used, which makes answers slower: {failure}.")
            return None
        return fixed

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
