"""What a repository may say about its merges: the `[merge]` table of its `.bough.toml`, already parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from .languages import Free, Language, language_named, language_of


class SettingsError(ValueError):
    """The `[merge]` table says something that has no meaning here; nothing of it was taken."""


@dataclass(frozen=True)
class Settings:
    """Hold the limits of one merge and a team's rules.

    Limits are counted work, so that every machine stops at the same point: `limit_bytes` is the longest side that is
    parsed, `limit_nodes` the most nodes of the three trees together. `ordered` are path patterns within which order
    always means something. `languages` are rows of the repository's own; they come before the built-in ones.
    """

    limit_bytes: int = 2_000_000
    limit_nodes: int = 300_000
    ordered: tuple[str, ...] = ()
    languages: tuple[Language, ...] = field(default=())

    @classmethod
    def parsed(cls, table: Mapping[str, Any]) -> Settings:
        """Return the settings that a `[merge]` table states.

        ```toml
        [merge]
        ordered = ["legacy/**"]
        [merge.languages.starlark]
        like = "python"
        paths = [".bzl", "BUILD"]
        free = [{ group = "calls", kind = "call", container = "module" }]
        ```
        """
        unknown = set(table) - {"limit_bytes", "limit_nodes", "ordered", "languages"}
        if unknown:
            raise SettingsError(f"[merge] knows no {', '.join(sorted(unknown))}")
        rows = table.get("languages", {})
        return cls(
            limit_bytes=int(table.get("limit_bytes", cls.limit_bytes)),
            limit_nodes=int(table.get("limit_nodes", cls.limit_nodes)),
            ordered=tuple(table.get("ordered", ())),
            languages=tuple(_row(name, row) for name, row in rows.items()),
        )

    def language_of(self, path: str) -> Language | None:
        """Return the row for a path, with no free order where the team wants none."""
        name = path.replace("\\", "/").rsplit("/", 1)[-1]
        own = (row for row in self.languages if any(name == end or name.endswith(end) for end in row.paths))
        lang = next(own, None) or language_of(path)
        if lang is not None and any(fnmatchcase(path, pattern) for pattern in self.ordered):
            return replace(lang, free=(), told=())
        return lang


def _row(name: str, row: Mapping[str, Any]) -> Language:
    like = language_named(row["like"]) if "like" in row else None
    if "like" in row and like is None:
        raise SettingsError(f"[merge.languages.{name}]: no language is called {row['like']}")
    lang = like or Language(name, row.get("grammar", name))
    known = {item.name for item in fields(Language)}
    changed: dict[str, Any] = {"name": lang.name if like else name}
    for key, value in row.items():
        if key == "like":
            continue
        if key not in known:
            raise SettingsError(f"[merge.languages.{name}] knows no {key}")
        changed[key] = _value(key, value, lang)
    return replace(lang, **changed)


def _value(key: str, value: Any, lang: Language) -> Any:
    """Turn what TOML can say into what a row holds; rules of order are added to those of the row that it is like."""
    if key == "free":
        return (*(Free(**{**rule, "text": rule.get("text", "").encode()}) for rule in value), *lang.free)
    if key in ("joins", "marks"):
        return {name: text.encode() for name, text in value.items()}
    if key in ("record_key", "ordered_records"):
        return value.encode()
    if key == "told":
        return (*((group, pattern.encode()) for group, pattern in value), *lang.told)
    if isinstance(value, list):
        return frozenset(value) if isinstance(getattr(lang, key), frozenset) else tuple(value)
    return value
