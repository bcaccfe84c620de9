"""Notices about the completion process: told on standard error at once, and on request later."""

from __future__ import annotations

import sys
from collections.abc import Iterator


class Notes:
    """One sentence for each thing that is not as configured, until it is."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, about: str, sentence: str) -> None:
        """Say something in place of what was said about it before."""
        if self._told.get(about) != sentence:
            self._told[about] = sentence
            print(f"completion: {sentence}", file=sys.stderr, flush=True)

    def take_back(self, about: str) -> None:
        """Forget what was said: it is as configured again."""
        self._told.pop(about, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._told.values())
