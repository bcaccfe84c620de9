"""A loaded model: tokens in, logits out, with a cache that grows with each run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bough_completion.errors import BadModel, ContextFull, ModelError, Stopped
from bough_completion.model import manifest
from bough_completion.model.fixed import FixedRuns
from bough_completion.model.graph import ROWS
from bough_completion.model.head import Logits, Output, OutputHead, Picks, picks_of
from bough_completion.model.kv import Cache
from bough_completion.model.manifest import Manifest
from bough_completion.model.runtime import Runtime, RuntimeSettings, Stop


class Session:
    """A model with its cache. One thread runs it; `Stop.ask` may be called from any."""

    def __init__(self, folder: Path, settings: RuntimeSettings, say: Callable[[str], None] = lambda line: None) -> None:
        """Load the model in `folder`; raise `BadModel`, `MissingLibrary`.

        A model exported for a GPU also runs on the CPU, only slower; `say` is called in that case.
        """
        self.settings = settings
        self.manifest: Manifest = manifest.read(folder)
        self._runtime = Runtime(settings, say)
        is_fixed = self._runtime.device == "cuda" if settings.fixed_shapes is None else settings.fixed_shapes
        self._session = self._open(folder / manifest.GRAPH, is_fixed, say)
        self.window = min(settings.window_tokens, self.manifest.context_tokens)
        self.cache = Cache(self._runtime, self.manifest.cache, folder, settings.slots, self.window)
        self._bindings: dict[tuple[int, int, Sequence[Output]], Any] = {}
        self.head = OutputHead(self._session, self.manifest.vocabulary)
        self._fixed: FixedRuns | None = None
        if is_fixed and (settings.fixed_shapes or self._captures):
            widths = [1, 1 + settings.draft_tokens]
            fixed = FixedRuns(self._runtime, self._session, self.cache, self.head.outputs, widths)
            self._fixed = self._checked(fixed, say)

    @property
    def is_captured(self) -> bool:
        """Return whether a GPU captures its short runs as CUDA graphs."""
        return self._captures and self._fixed is not None

    @property
    def device(self) -> str:
        """`cuda` or `cpu`: where it actually runs."""
        return self._runtime.device

    def run(self, row: int, tokens: Sequence[int], wanted: Sequence[int], stop: Stop | None = None) -> Logits:
        """Append `tokens` to the slot `row` and return `logits: float32[len(wanted), vocabulary]`.

        `wanted` are positions within `tokens`, at least one. Raise `Stopped` or `ContextFull`; then the slot is
        unchanged.
        """
        (logits,) = self._run(row, tokens, wanted, stop, (self.head.logits,))
        return logits.astype(np.float32, copy=False)

    def pick(self, row: int, tokens: Sequence[int], wanted: Sequence[int], stop: Stop | None = None) -> Picks:
        """Append `tokens` to the slot `row` as `run` does, and return what follows each of those `wanted`."""
        if not self.head.picks:
            return picks_of(self.run(row, tokens, wanted, stop))
        return _picks(self._run(row, tokens, wanted, stop, self.head.picks))

    def run_batch(self, tokens: dict[int, int]) -> Logits:
        """Append one token to each slot of `tokens` in one run and return `logits: float32[len(tokens), vocabulary]`.

        Rows in between are included: their results are written behind their own tokens, where nothing reads them; a
        full one loses its last token for that. (GroupQueryAttention accepts a batch over past tokens only one token
        wide, so wider runs are separate.) Raise `ContextFull` if a named slot is full; then nothing was run.
        """
        (logits,) = self._run_batch(tokens, (self.head.logits,))
        return logits.astype(np.float32, copy=False)

    def pick_batch(self, tokens: dict[int, int]) -> Picks:
        """Append one token to each slot of `tokens` as `run_batch` does, and return what follows each."""
        if not self.head.picks:
            return picks_of(self.run_batch(tokens))
        return _picks(self._run_batch(tokens, self.head.picks))

    def _run(
        self, row: int, tokens: Sequence[int], wanted: Sequence[int], stop: Stop | None, outputs: Sequence[Output]
    ) -> list[NDArray[Any]]:
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
            found = [each[0, list(wanted)] for each in self._fixed.run(row, fed, [held], width, outputs)]
        else:
            found = self._forward(row, fed, np.ones((1, end), np.int64), wanted, stop, outputs)
        slot.tokens.extend(tokens)
        return found

    def _run_batch(self, tokens: dict[int, int], outputs: Sequence[Output]) -> list[NDArray[Any]]:
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
            found = [each[wanted, 0] for each in self._fixed.run(first, fed, held, 1, outputs)]
        else:
            mask = (np.arange(max(held) + 1) <= np.array(held)[:, None]).astype(np.int64)
            found = self._forward(first, fed, mask, wanted, None, outputs)
        for row, token in tokens.items():
            self.cache.slots[row].tokens.append(token)
        return found

    def _open(self, graph: Path, captures: bool, say: Callable[[str], None]) -> Any:
        """Open the graph; if it cannot be captured, open it nevertheless."""
        self._captures = captures and self._runtime.device == "cuda"
        if self._captures:
            try:
                return self._runtime.open(graph, captures=True)
            except BadModel as failure:
                self._captures = False
                say(f"CUDA graphs cannot be used, which makes answers slower: {failure}.")
        return self._runtime.open(graph)

    def _checked(self, fixed: FixedRuns, say: Callable[[str], None]) -> FixedRuns | None:
        """Return `fixed` if its runs give the usual results, captured and replayed; else report it and return None."""
        tokens = [each % self.manifest.vocabulary for each in (1, 2, 3, 5, 8)]
        mask = np.ones((1, len(tokens)), np.int64)
        outputs = self.head.outputs
        plain = self._forward(0, np.array([tokens], np.int64), mask, [4], None, outputs)
        try:
            for width in (fixed.width_for(1, 4), fixed.width_for(2, 4)):
                for _ in range(2 if width else 0):
                    found = fixed.run(0, np.array([tokens[4:]], np.int64), [4], width or 1, outputs)
                    if not _agree([each[0, :1] for each in found], plain):
                        raise ModelError("a captured run gives a different result")
        except Exception as failure:  # ORT's exceptions have no common base
            say(f"CUDA graphs cannot be used, which makes answers slower: {failure}.")
            return None
        return fixed

    def _forward(
        self,
        first: int,
        fed: NDArray[np.int64],
        mask: NDArray[np.int64],
        wanted: Sequence[int],
        stop: Stop | None,
        outputs: Sequence[Output],
    ) -> list[NDArray[Any]]:
        rows = np.array(wanted, np.int64)
        found = [np.empty((len(wanted), each.width), each.kind) for each in outputs]
        binding = self._binding(first, len(fed), outputs)
        for name, value in (("input_ids", fed), ("attention_mask", mask), (ROWS, rows)):
            binding.bind_cpu_input(name, value)
        for output, memory in zip(outputs, found, strict=True):
            binding.bind_output(output.name, "cpu", 0, output.kind, list(memory.shape), memory.ctypes.data)
        self._runtime.run(self._session, binding, stop)
        return found

    def _binding(self, first: int, count: int, outputs: Sequence[Output]) -> Any:
        """Return a binding of the cache's rows; an output that was ever bound to it would always be computed."""
        key = (first, count, outputs)
        if key not in self._bindings:
            made = self._bindings[key] = self._session.io_binding()
            self.cache.bind(made, first, count)
        return self._bindings[key]


def _picks(found: Sequence[NDArray[Any]]) -> Picks:
    best, chances = found
    return Picks(best[:, 0].tolist(), chances[:, 0].tolist())


def _agree(found: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> bool:
    """Return whether two runs agree: the same tokens, and nearly the same numbers."""
    if int(found[0].argmax()) != int(expected[0].argmax()):
        return False
    return all(
        np.array_equal(one, other) if one.dtype.kind == "i" else np.allclose(one, other, atol=0.05, rtol=0.05)
        for one, other in zip(found, expected, strict=True)
    )
