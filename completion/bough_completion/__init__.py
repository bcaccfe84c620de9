"""Completion: text in, text out.

The face of the room is `RepositoryEngine`: blobs go in by `put`, leave by `drop`, and `complete` answers a `Query`.
"""

from bough_completion.engine import RepositoryEngine
from bough_completion.query import BUFFER, SAVED, Kind, Origin, Query, Stats, Suggestion

__all__ = ["BUFFER", "SAVED", "Kind", "Origin", "Query", "RepositoryEngine", "Stats", "Suggestion"]
