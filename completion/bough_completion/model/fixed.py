"""Runs with few shapes at fixed addresses: a GPU captures them once and then starts each with a single launch.

A run of a 3B model is some five hundred kernels; launching them one by one takes longer than running them. ONNX Runtime
captures a run as a CUDA graph if every shape and address is constant: so the tokens, the mask and the outputs have
their own buffers, the mask is as wide as the window (what counts is its sum), and a few tokens are padded to a fixed
number. What padding computes is written behind the slot's own tokens, where nothing reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bough_completion.model.graph import ROWS
from bough_completion.model.head import Output
from bough_completion.model.kv import Cache
from bough_completion.model.runtime import Runtime


@dataclass(frozen=True)
class _Shape:
    """Where the runs of one shape read and write; `number` is the captured graph's. A binding owns none of it."""

    number: int
    tokens: Any
    mask: Any
    wanted: Any
    found: dict[str, Any]
    binding: Any


class FixedRuns:
    """The runs of one session with a fixed shape; `widths` are the numbers of tokens they may be padded to."""

    def __init__(
        self, runtime: Runtime, session: Any, cache: Cache, outputs: Sequence[Output], widths: Sequence[int]
    ) -> None:
        """Bind nothing yet: each shape is created, and captured, when it is first run."""
        self._runtime = runtime
        self._session = session
        self._cache = cache
        self._outputs = outputs
        self._widths = sorted(widths)
        self._shapes: dict[tuple[int, int, int], _Shape] = {}

    def width_for(self, tokens: int, held: int) -> int | None:
        """Return the padded width of a run of `tokens` in a slot that holds `held`; None: not run here."""
        fitting = (width for width in self._widths if width >= tokens and held + width <= self._cache.window)
        return next(fitting, None)

    def run(
        self, first: int, fed: NDArray[np.int64], held: Sequence[int], width: int, wanted: Sequence[Output]
    ) -> list[NDArray[Any]]:
        """Run `fed: int64[rows, tokens]` padded to `width`; return for each output `kind[rows, tokens, output.width]`.

        All outputs are computed, and only those `wanted` leave the device.
        """
        rows, tokens = fed.shape
        shape = self._shape(first, rows, width)
        padded = np.zeros((rows, width), np.int64)
        padded[:, :tokens] = fed
        ends = np.array(held)[:, None] + width
        shape.tokens.update_inplace(padded)
        shape.mask.update_inplace((np.arange(self._cache.window) < ends).astype(np.int64))
        self._runtime.replay(self._session, shape.binding, shape.number)
        return [shape.found[each.name].numpy().reshape(rows, width, each.width)[:, :tokens] for each in wanted]

    def _shape(self, first: int, rows: int, width: int) -> _Shape:
        key = (first, rows, width)
        if key not in self._shapes:
            allocate, window = self._runtime.allocate, self._cache.window
            integers = np.dtype(np.int64)
            tokens, mask = allocate([rows, width], integers), allocate([rows, window], integers)
            wanted = allocate([rows * width], integers)
            wanted.update_inplace(np.arange(rows * width))
            found = {each.name: allocate([rows * width, each.width], each.kind) for each in self._outputs}
            binding = self._session.io_binding()
            self._cache.bind(binding, first, rows)
            for name, value in (("input_ids", tokens), ("attention_mask", mask), (ROWS, wanted)):
                binding.bind_ortvalue_input(name, value)
            for name, value in found.items():
                binding.bind_ortvalue_output(name, value)
            self._shapes[key] = _Shape(len(self._shapes) + 1, tokens, mask, wanted, found, binding)
        return self._shapes[key]
