"""The setting that says up to which age snapshots are kept, as a text that a person writes."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace

EVERYTHING = "everything"
SECONDS = {"m": 60, "h": 3600, "d": 24 * 3600}
PART = re.compile(r"([a-z-]+) (\d{1,5})([mhd])")


@dataclass(frozen=True)
class KeepAges:
    """Up to which age, in seconds, snapshots are kept: all, one for each minute, for each ten minutes, milestones."""

    all: float = 3600.0
    minutes: float = 24 * 3600.0
    ten_minutes: float = 7 * 24 * 3600.0
    milestones: float = 30 * 24 * 3600.0


USUAL = "all 1h, minutes 1d, ten-minutes 7d, milestones 30d"


def parse_keep(text: str) -> KeepAges | None:
    """Return the ages in a text such as USUAL, None for `everything`; raise ValueError.

    An age that is not named is as in USUAL.
    """
    if text.strip() == EVERYTHING:
        return None
    ages, names = KeepAges(), {one.name.replace("_", "-"): one.name for one in fields(KeepAges)}
    for part in text.split(","):
        found = PART.fullmatch(part.strip())
        if found is None or found[1] not in names:
            raise ValueError(part.strip())
        ages = replace(ages, **{names[found[1]]: float(found[2]) * SECONDS[found[3]]})
    return ages


def wrong_keep(text: str) -> str:
    """Return what is wrong with the text of the setting, or an empty string."""
    try:
        parse_keep(text)
    except ValueError:
        return f"it must be {EVERYTHING}, or ages in m, h or d, such as: {USUAL}"
    return ""
