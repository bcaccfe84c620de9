"""Notices about the completion process: printed on standard error at once, and available later."""

from __future__ import annotations

import sys
from collections.abc import Iterator


class Notes:
    """One sentence for each thing that is not as configured, until it is."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, about: str, sentence: str) -> None:
        """Set a notice about something, replacing an earlier one."""
        if self._told.get(about) != sentence:
            self._told[about] = sentence
            print(f"completion: {sentence}", file=sys.stderr, flush=True)

    def take_back(self, about: str) -> None:
        """Remove a notice: everything is as configured again."""
        self._told.pop(about, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._told.values())
