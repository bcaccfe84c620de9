"""Keep a model within its memory limit."""

from __future__ import annotations

import resource
import sys
from dataclasses import replace

from bough_completion.errors import TooLarge
from bough_completion.model.manifest import GRAPH, Manifest
from bough_completion.model.runtime import RuntimeSettings

_MIB = 1 << 20
# Bytes for Python, the libraries, the tokenizer, and the values between two operations of a chunk.
_BESIDES = 220 * _MIB
# Bytes for the text of each token, which completes half-typed words (measured: 40 MB for 152,000 tokens).
_SPELLED = 300
_SMALLEST_WINDOW = 256


def needed(told: Manifest, settings: RuntimeSettings) -> int:
    """Return how many bytes a model needs with these settings, extrapolated from smaller ones.

    ONNX Runtime lays out the weights for the CPU again and keeps the file mapped in addition.
    """
    weights = sum(each.bytes for name, each in told.files.items() if name.startswith(GRAPH))
    window = min(settings.window_tokens, told.context_tokens)
    return _BESIDES + _SPELLED * told.vocabulary + 2 * weights + settings.slots * window * told.cache.token_bytes


def fitting(settings: RuntimeSettings, told: Manifest, memory_mib: int | None) -> RuntimeSettings:
    """Return settings with as many slots, and then as wide a window, as `memory_mib` allows.

    Raise `TooLarge` if not even one slot with a small window fits.
    """
    if memory_mib is None:
        return settings
    while needed(told, settings) > memory_mib * _MIB:
        if settings.slots > 1:
            settings = replace(settings, slots=settings.slots - 1)
        elif settings.window_tokens > _SMALLEST_WINDOW:
            settings = replace(settings, window_tokens=settings.window_tokens // 2)
        else:
            least = -(-needed(told, settings) // _MIB)
            raise TooLarge(f"{told.name} {told.precision} needs {least} MiB of memory, and may use {memory_mib}")
    return replace(settings, memory_mib=memory_mib)


def hold_to(memory_mib: int | None) -> None:
    """Have the system refuse this process more than `memory_mib`; only Linux counts what a process really writes to."""
    if memory_mib is not None and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mib * _MIB, memory_mib * _MIB))
