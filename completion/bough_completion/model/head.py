"""What a run gives for a row: the logits of the whole vocabulary, or the best token alone with its probability."""

from __future__ import annotations

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
    """Of each row the most likely token, and its probability."""

    tokens: list[int]
    chances: list[float]


class Head:
    """The outputs of one graph. Models that were exported before graphs picked have no `picks`."""

    def __init__(self, session: Any, vocabulary: int) -> None:
        kinds = {each.name: each.type for each in session.get_outputs()}
        half = "float16" in kinds[LOGITS]
        self.logits = Output(LOGITS, vocabulary, np.dtype(np.float16 if half else np.float32))
        in_graph = (Output(BEST, 1, np.dtype(np.int64)), Output(CHANCE, 1, np.dtype(np.float32)))
        self.picks = in_graph if {BEST, CHANCE} <= kinds.keys() else ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Everything that there is."""
        return (self.logits, *self.picks)


def picks_of(logits: Logits) -> Picks:
    """Pick from `logits: float32[rows, vocabulary]` on the host."""
    best = logits.argmax(axis=1)
    return Picks(best.tolist(), [chance_of(scores, token) for scores, token in zip(logits, best, strict=True)])


def chance_of(scores: Logits, token: int | np.intp) -> float:
    """Return the softmax of one of `scores: float32[vocabulary]`."""
    return float(np.exp(scores[token] - scores.max()) / np.exp(scores - scores.max()).sum())
