"""Completion: text in, text out.

`RepositoryEngine` is the entry point: `put` adds texts, `drop` removes them, and `complete` answers a `Query`.
"""

from typing import TYPE_CHECKING, Any

from bough_completion.query import BUFFER, SAVED, BlobKind, Origin, Query, Stats, Suggestion

if TYPE_CHECKING:
    from bough_completion.learned.engine import RepositoryEngine

__all__ = ["BUFFER", "SAVED", "BlobKind", "Origin", "Query", "RepositoryEngine", "Stats", "Suggestion"]


def __getattr__(name: str) -> Any:
    """Import the engine, and with it numpy, when first used: the daemon and `bough lsp` only connect to it."""
    if name == "RepositoryEngine":
        from bough_completion.learned.engine import RepositoryEngine

        return RepositoryEngine
    raise AttributeError(name)
