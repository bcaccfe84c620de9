"""One side's renames, signature changes and deletions, held against the other side's new uses anywhere in the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .definitions import WORD, Fate, fates, times_defined
from .paths import Renames
from .result import Finding
from .sequences import changes
from .settings import Settings
from .text import is_binary, lines_of

Tree = Mapping[str, bytes]
# Languages in which a name is known everywhere without being imported, and in which it is in its own folder.
_ONE_NAMESPACE = frozenset("c h cc cpp cxx hh hpp hxx m mm rb sh bash sql r php".split())
_PACKAGES = frozenset("java kt scala go cs swift dart".split())


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

    @property
    def is_certain(self) -> bool:
        """Tell whether a use can be renamed with it: that of a method or a value may mean another one."""
        return self.fate.what == "renamed" and not self.fate.was.within and not self.fate.was.is_value

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


def changes_of(base: Tree, tree: Tree, renames: Renames, side: str, settings: Settings) -> list[Change]:
    """Return what a side (named `side`) did to definitions, one for each name.

    Where a name is defined several times (declared in a header, say), the same must have happened to all of them: else
    nobody can tell which one a use means. A name that the side still defines somewhere was moved, not deleted.
    """
    found: dict[bytes, list[Change]] = {}
    for path in sorted(base):
        now = tree.get(renames.now(path), b"")
        if base[path] != now:
            for fate in fates(base[path], now, settings.language_of(path)):
                if fate.what != "kept":
                    found.setdefault(fate.was.name, []).append(Change(fate, path, side))
    return [
        changed[0]
        for name, changed in found.items()
        if len({(change.fate.what, change.fate.now and change.fate.now.name) for change in changed}) == 1
        and _times_defined(base, name, settings) == len(changed)
        and (changed[0].fate.what == "signature" or not _times_defined(tree, name, settings))
    ]


def _times_defined(tree: Tree, name: bytes, settings: Settings) -> int:
    """Count the definitions of a name; only files that mention it are read."""
    return sum(times_defined(text, name, settings.language_of(path)) for path, text in tree.items() if name in text)


def carried(text: bytes, base: bytes, path: str, renames: list[Change]) -> tuple[bytes, list[Finding]]:
    """Return one side's text with the other side's renames carried into the uses that it adds to the base's text."""
    findings: list[Finding] = []
    for change in renames:
        now = change.fate.now
        lines = list(new_uses(text, base, change.name)) if change.is_certain and is_linked(change, path, text) else []
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


def is_linked(change: Change, path: str, text: bytes) -> bool:
    """Tell whether a file can mean a changed definition by its name: it is there, or beside it, or is mentioned.

    Other files, which no side changed and nobody reads here, may define the same name.
    """
    if path == change.path or _extension(path) in _ONE_NAMESPACE:
        return True
    folder, _, name = change.path.rpartition("/")
    if _extension(path) in _PACKAGES and path.rpartition("/")[0] == folder:
        return True
    mentioned = {name.rpartition(".")[0] or name, folder.rpartition("/")[2], change.fate.was.within.decode()}
    return any(word.encode() in WORD.findall(text) for word in mentioned if word)


def _extension(path: str) -> str:
    return path.rpartition(".")[2].lower()


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
        linked = is_linked(change, path, other)
        added = {lines_of(other)[at] for at in new_uses(other, base, change.name)} if linked else set()
        for at, line in enumerate(lines_of(merged) if added else []):
            if line in added:
                message = f"{change.told()}, and this new use still needs it"
                yield Finding(change.fate.what, path, at + 1, message)
                break
