"""Moments as users write them (`10m`, `14:05`, `2026-01-31 14:05`), and how long ago a file was written."""

from __future__ import annotations

import datetime
import math
import os
import re
import time

AGO = re.compile(r"(\d+)\s*(s|m|h|d)(ec(ond)?s?|in(ute)?s?|(ou)?rs?|ays?)?(\s+ago)?", re.IGNORECASE)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment_of(words: str, now: float) -> float | None:
    """Return the time that a text means (seconds since the epoch), or None if it is not valid."""
    ago = AGO.fullmatch(words.strip())
    if ago is not None:
        return now - int(ago[1]) * SECONDS[ago[2].lower()]
    today = datetime.datetime.fromtimestamp(now).date().isoformat()
    for text in (words.strip(), f"{today} {words.strip()}"):
        try:
            return datetime.datetime.fromisoformat(text).timestamp()
        except ValueError:
            continue
    return None


def age_of(path: str) -> float:
    """Return how many seconds ago a file was written; infinite if it does not exist, or clocks disagree."""
    try:
        age = time.time() - os.stat(path).st_mtime
    except FileNotFoundError:
        return math.inf
    return age if age >= 0 else math.inf
