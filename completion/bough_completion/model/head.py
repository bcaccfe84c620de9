"""The outputs of a run for a row: the logits of the whole vocabulary, or the best token with its probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bough_completion.model.graph import BEST, CHANCE, LOGITS

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Output:
    """An output of the graph: `kind[rows, width]`."""

    name: str
    width: int
    kind: np.dtype[Any]


@dataclass(frozen=True)
class Picks:
    """The most likely token of each row, and its probability."""

    tokens: list[int]
    chances: list[float]


class OutputHead:
    """The outputs of one graph. Models that were exported by older versions have no `picks`."""

    def __init__(self, session: Any, vocabulary: int) -> None:
        kinds = {each.name: each.type for each in session.get_outputs()}
        half = "float16" in kinds[LOGITS]
        self.logits = Output(LOGITS, vocabulary, np.dtype(np.float16 if half else np.float32))
        in_graph = (Output(BEST, 1, np.dtype(np.int64)), Output(CHANCE, 1, np.dtype(np.float32)))
        self.picks = in_graph if {BEST, CHANCE} <= kinds.keys() else ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Return all outputs."""
        return (self.logits, *self.picks)


def picks_of(logits: Logits, allowed: Sequence[Sequence[int] | None] | None = None) -> Picks:
    """Pick from `logits: float32[rows, vocabulary]` on the host, for each row among those `allowed`; None: all.

    A probability is relative to what was allowed.
    """
    found = [_best(scores, among) for scores, among in zip(logits, allowed or [None] * len(logits), strict=True)]
    return Picks([token for token, _ in found], [chance for _, chance in found])


def _best(scores: NDArray[np.float32], among: Sequence[int] | None) -> tuple[int, float]:
    if among is not None:
        scores = scores[list(among)]
    place = int(scores.argmax())
    return among[place] if among is not None else place, float(1 / np.exp(scores - scores[place]).sum())
