"""Find the language of a file by its name."""

from __future__ import annotations

from functools import cache

from bough_merge.syntax.language import Language
from bough_merge.syntax.table import LANGUAGES


def language_of(path: str) -> Language | None:
    """Return the row for a path, by its whole name first, then by its last extension; None if it is unknown."""
    rows = _rows()
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    dot = name.rfind(".")
    return rows.get(name) or rows.get(name.lower()) or (rows.get(name[dot:].lower()) if dot >= 0 else None)


def language_named(name: str) -> Language | None:
    """Return the row with this name or extension."""
    return next((row for row in _rows().values() if row.name == name), None) or _rows().get("." + name)


@cache
def _rows() -> dict[str, Language]:
    return {path: row for row in LANGUAGES for path in row.paths}
