"""A repository's settings for merges: the `[merge]` table of its `.bough.toml`, already parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from bough_merge.syntax.language import Free, Language
from bough_merge.syntax.languages import language_named, language_of
from bough_merge.syntax.parsing import has_grammar


class SettingsError(ValueError):
    """The `[merge]` table is not valid; nothing of it was used."""


@dataclass(frozen=True)
class MergeSettings:
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
    def parsed(cls, table: Mapping[str, Any]) -> MergeSettings:
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
        try:
            made = cls._parsed(table)
            _check(made)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, re.error) as odd:
            if isinstance(odd, SettingsError):
                raise
            raise SettingsError(f"[merge] has an invalid value: {odd}") from odd
        return made

    @classmethod
    def _parsed(cls, table: Mapping[str, Any]) -> MergeSettings:
        unknown = set(table) - {"limit_bytes", "limit_nodes", "ordered", "languages"}
        if unknown:
            raise SettingsError(f"[merge] has no setting {', '.join(sorted(unknown))}")
        rows = table.get("languages", {})
        return cls(
            limit_bytes=int(table.get("limit_bytes", cls.limit_bytes)),
            limit_nodes=int(table.get("limit_nodes", cls.limit_nodes)),
            ordered=tuple(table.get("ordered", ())),
            languages=tuple(_row(name, row) for name, row in rows.items()),
        )

    def language_of(self, path: str) -> Language | None:
        """Return the row for a path, without free order if the team wants none."""
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
            raise SettingsError(f"[merge.languages.{name}] has no setting {key}")
        changed[key] = _value(key, value, lang)
    return replace(lang, **changed)


def _value(key: str, value: Any, lang: Language) -> Any:
    """Convert a TOML value for a row; rules of order are added to those of the row that it is like."""
    if key == "free":
        return (*(Free(**{**rule, "text": rule.get("text", "").encode()}) for rule in value), *lang.free)
    if key in ("joins", "marks", "heads"):
        return {name: text.encode() for name, text in value.items()}
    if key in ("record_key", "ordered_records", "related"):
        return value.encode()
    if key == "told":
        return (*((group, pattern.encode()) for group, pattern in value), *lang.told)
    if isinstance(value, list):
        return frozenset(value) if isinstance(getattr(lang, key), frozenset) else tuple(value)
    return value


def _are(kind: type, values: Iterable[object]) -> bool:
    return all(type(value) is kind for value in values)


_FORMS: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: _are(str, [value]),
    "bytes": lambda value: _are(bytes, [value]),
    "bool": lambda value: _are(bool, [value]),
    "tuple[str, ...]": lambda value: _are(tuple, [value]) and _are(str, value),
    "frozenset[str]": lambda value: _are(frozenset, [value]) and _are(str, value),
    "Mapping[str, str]": lambda value: _are(str, [*value, *value.values()]),
    "Mapping[str, bytes]": lambda value: _are(str, value) and _are(bytes, value.values()),
    "tuple[Free, ...]": lambda value: _are(Free, value) and all(map(_is_well_formed, value)),
    "tuple[tuple[str, bytes], ...]": lambda value: all(_are(str, [one]) and _are(bytes, [two]) for one, two in value),
}
"""How to tell whether a value is of a type, as a record names it."""


def _is_well_formed(record: Free | Language) -> bool:
    return all(_FORMS[str(item.type)](getattr(record, item.name)) for item in fields(record))


def _check(settings: MergeSettings) -> None:
    """Raise for values that the engine could not use: one of the wrong type, or an invalid expression."""
    if not _are(str, settings.ordered) or not all(map(_is_well_formed, settings.languages)):
        raise SettingsError("[merge] has a value of the wrong type")
    for lang in settings.languages:
        if not has_grammar(lang):
            raise SettingsError(f"[merge.languages.{lang.name}]: there is no grammar called {lang.grammar}")
        texts = [lang.related, lang.record_key, lang.ordered_records, *lang.heads.values(), *lang.marks.values()]
        for pattern in [*texts, *(pattern for _, pattern in lang.told), *(rule.text for rule in lang.free)]:
            re.compile(pattern)
        for rule in lang.free:
            re.compile(rule.kind)
            re.compile(rule.container)
