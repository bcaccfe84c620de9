"""The keys and values of each editor's decoded context, in one shared buffer."""

from __future__ import annotations

import ctypes
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bough_completion.model import manifest
from bough_completion.model.graph import cache_names
from bough_completion.model.manifest import CacheLayout
from bough_completion.model.runtime import Runtime

# Tokens that a copy must save to be worth it: computing fewer takes no longer.
_WORTH_A_COPY = 16


@dataclass
class Slot:
    """One row of the cache and the tokens that it holds, in order.

    Keys and values past `tokens` may be anything: the mask of the next run ends before them, and it overwrites them. So
    returning to an earlier prefix is a shorter list, and exact. `owner` identifies whose text it is, `turn` when it was
    last chosen.
    """

    tokens: list[int] = field(default_factory=list)
    owner: Hashable = None
    turn: int = 0

    def rewind(self, prompt: Sequence[int]) -> int:
        """Keep the tokens that `prompt` begins with, but never all of it, and return how many.

        The last token of a prompt is always run again: only a run returns its logits.
        """
        del self.tokens[common(self.tokens, prompt[:-1]) :]
        return len(self.tokens)


class Cache:
    """`slots` rows of `window` tokens, past and present in the same memory.

    Per layer and side one buffer `[slots, heads, window, head_size]`; neighbouring rows are bound as a batch without a
    copy.
    """

    def __init__(self, runtime: Runtime, layout: CacheLayout, folder: Path, slots: int, window: int) -> None:
        """Allocate `slots * window * layout.token_bytes` bytes on the runtime's device."""
        self.window = window
        self.slots = [Slot() for _ in range(slots)]
        self._runtime = runtime
        self._layout = layout
        self._kind = np.dtype(layout.type)
        self._names = cache_names(layout.layers)
        shape = [slots, layout.heads, window, layout.head_size]
        self._buffers = [runtime.allocate(shape, self._kind) for _ in self._names]
        # ONNX Runtime has no call for a copy within a device; on the CPU the memory is accessible.
        self._copier = None if runtime.device == "cpu" else runtime.open(folder / manifest.COPIER)

    def bind(self, binding: Any, first: int, count: int) -> None:
        """Bind rows `first` to `first + count` as past and as present."""
        self._bind(binding, first, first, count)

    def best_for(self, prompt: Sequence[int], free: Sequence[int], owner: Hashable = None) -> int:
        """Return the free row to serve `prompt` with, containing whatever any row has of it.

        It is the row that `owner` had last, else the least recently used one; without an owner, the one that shares
        most with `prompt`. What another row shares beyond that is copied.
        """
        shared = [common(slot.tokens, prompt) for slot in self.slots]
        richest = max(range(len(self.slots)), key=lambda row: shared[row])
        if owner is None:
            own = max(free, key=lambda row: shared[row])
            if shared[richest] > shared[own] + _WORTH_A_COPY:
                own = min(free, key=lambda row: shared[row])
        else:
            own = max(free, key=lambda row: (self.slots[row].owner == owner, -self.slots[row].turn))
        if shared[richest] > shared[own] + _WORTH_A_COPY:
            self.copy(richest, own, shared[richest])
        self.slots[own].owner = owner
        self.slots[own].turn = 1 + max(slot.turn for slot in self.slots)
        return own

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Make row `target` hold the first `tokens` tokens of row `source`."""
        self.slots[target].tokens.clear()
        if self._copier is None:
            for buffer in self._buffers:
                view = self._view(buffer)
                view[target, :, :tokens] = view[source, :, :tokens]
        else:
            binding = self._copier.io_binding()
            self._bind(binding, source, target, 1)
            self._runtime.run(self._copier, binding)
        self.slots[target].tokens[:] = self.slots[source].tokens[:tokens]

    def _bind(self, binding: Any, source: int, target: int, count: int) -> None:
        shape = [count, self._layout.heads, self.window, self._layout.head_size]
        row = self.window * self._layout.heads * self._layout.head_size * self._kind.itemsize
        device = self._runtime.device
        for (past, present), buffer in zip(self._names, self._buffers, strict=True):
            start = buffer.data_ptr()
            binding.bind_input(past, device, 0, self._kind, shape, start + source * row)
            binding.bind_output(present, device, 0, self._kind, shape, start + target * row)

    def _view(self, buffer: Any) -> np.ndarray[Any, Any]:
        size = int(np.prod(buffer.shape())) * self._kind.itemsize
        memory = (ctypes.c_byte * size).from_address(buffer.data_ptr())
        return np.frombuffer(memoryview(memory), self._kind).reshape(buffer.shape())


def common(left: Sequence[int], right: Sequence[int]) -> int:
    """Return the length of the common prefix of two sequences."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(left), len(right)))
