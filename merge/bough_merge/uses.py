"""One side's renames, signature changes and deletions, held against the other side's new uses anywhere in the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .definitions import WORD, Fate, fates
from .result import Finding
from .sequences import changes
from .settings import Settings
from .text import is_binary, lines_of

Tree = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Change:
    """Hold what one side did to a definition that the base has once in the whole tree, and in which file."""

    fate: Fate
    path: str
    side: str

    @property
    def name(self) -> bytes:
        """Return the name that the definition had in the base."""
        return self.fate.was.name

    def told(self) -> str:
        """Say what happened."""
        was, now = self.fate.was, self.fate.now
        thing = f"{was.kind} `{was.name.decode()}` in {self.path}"
        if self.fate.what == "renamed" and now is not None:
            return f"{self.side} renamed {thing} to `{now.name.decode()}`"
        return (
            f"{self.side} changed the parameters of {thing}"
            if self.fate.what == "signature"
            else f"{self.side} deleted {thing}"
        )


def changes_of(base: Tree, tree: Tree, side: str, settings: Settings) -> list[Change]:
    """Return what a side (named `side`) did to definitions whose name is unique in the base.

    Of two definitions of one name nobody can tell which one a use means. A name that the side still defines somewhere
    was moved, not deleted.
    """
    found = [
        Change(fate, path, side)
        for path in sorted(base)
        if base[path] != tree.get(path)
        for fate in fates(base[path], tree.get(path, b""), settings.language_of(path))
        if fate.what != "kept"
    ]
    return [
        change
        for change in found
        if _times_defined(base, change.name, settings) == 1
        and (change.fate.what == "signature" or not _times_defined(tree, change.name, settings))
    ]


def _times_defined(tree: Tree, name: bytes, settings: Settings) -> int:
    """Count the definitions of a name; only files that mention it are read."""
    return sum(
        fate.was.name == name
        for path, text in tree.items()
        if name in text
        for fate in fates(text, text, settings.language_of(path))
    )


def carried(text: bytes, base: bytes, path: str, renames: list[Change]) -> tuple[bytes, list[Finding]]:
    """Return one side's text with the other side's renames carried into the uses that it adds to the base's text."""
    findings: list[Finding] = []
    for change in renames:
        now = change.fate.now
        lines = list(new_uses(text, base, change.name))
        if now is None or not lines:
            continue
        split = lines_of(text)
        pattern = re.compile(rb"(?<![\w$])" + re.escape(change.name) + rb"(?![\w$])")
        for at in lines:
            split[at] = pattern.sub(now.name, split[at])
        text = b"".join(split)
        findings.append(
            Finding("renamed", path, lines[0] + 1, f"{change.told()}; the new use here was renamed with it")
        )
    return text, findings


def new_uses(text: bytes, base: bytes, name: bytes) -> Iterator[int]:
    """Yield the lines (from 0) of a text that the base has not and that use a name."""
    if name not in text or is_binary(text):
        return
    lines = lines_of(text)
    for change in changes(lines_of(base), lines):
        for at in range(change.new_start, change.new_end):
            if name in WORD.findall(lines[at]):
                yield at


def reported(merged: bytes, base: bytes, other: bytes, path: str, changed: list[Change]) -> Iterator[Finding]:
    """Yield a finding where a merged file has new uses, added by the other side, of what changed underneath them."""
    for change in changed:
        added = {lines_of(other)[at] for at in new_uses(other, base, change.name)}
        for at, line in enumerate(lines_of(merged) if added else []):
            if line in added:
                message = f"{change.told()}, and this new use still needs it"
                yield Finding(change.fate.what, path, at + 1, message)
                break
