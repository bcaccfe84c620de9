"""What a repository may say about its merges, as parsed from `.bough.toml`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold the limits (counted work) of one merge."""

    limit_bytes: int = 4_000_000
