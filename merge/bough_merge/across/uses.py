"""Compare one side's renames, signature changes and deletions with the other side's new uses anywhere in the tree."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

from bough_merge.across.definitions import WORD, Fate, fates, is_nearly_same, root_of, times_defined
from bough_merge.across.paths import Renames
from bough_merge.gates.modules import DefinedAt
from bough_merge.gates.references import References, are_related, binds_globally, is_bound, references, renamed_at
from bough_merge.syntax.settings import MergeSettings
from bough_merge.text.result import Finding
from bough_merge.text.sequences import changes
from bough_merge.text.text import is_binary, lines_of

Tree = Mapping[str, bytes]
# Languages in which names are visible everywhere without an import, and in which within their folder.
_ONE_NAMESPACE = frozenset("c h cc cpp cxx hh hpp hxx m mm rb sh bash sql r php".split())
_PACKAGES = frozenset("java kt scala go cs swift dart".split())


@dataclass(frozen=True, slots=True)
class DefinitionChange:
    """What one side did to a definition that the base has once in the whole tree, and in which file.

    `paths` are all files that define or declare it.
    """

    fate: Fate
    path: str
    side: str
    paths: tuple[str, ...] = ()

    @property
    def name(self) -> bytes:
        """Return the name that the definition had in the base."""
        return self.fate.was.name

    @property
    def is_certain(self) -> bool:
        """Return whether a use can be renamed with it: that of a method or a value may mean another one."""
        return self.fate.what == "renamed" and not self.fate.was.within and not self.fate.was.is_value

    def told(self) -> str:
        """Describe what happened."""
        was, now = self.fate.was, self.fate.now
        thing = f"{was.kind} `{was.name.decode()}` in {self.path}"
        if self.fate.what == "renamed" and now is not None:
            return f"{self.side} renamed {thing} to `{now.name.decode()}`"
        return (
            f"{self.side} changed the parameters of {thing}"
            if self.fate.what == "signature"
            else f"{self.side} deleted {thing}"
        )


def changes_of(base: Tree, tree: Tree, renames: Renames, side: str, settings: MergeSettings) -> list[DefinitionChange]:
    """Return what a side (named `side`) did to definitions, one for each name.

    If a name is defined several times (declared in a header, say), the same must have happened to all of them: else
    nobody can tell which one a use means. A name that the side still defines somewhere was moved, not deleted.
    """
    found: dict[bytes, list[DefinitionChange]] = {}
    for path in sorted(base):
        now = tree.get(renames.now(path), b"")
        if base[path] != now:
            for fate in fates(base[path], now, settings.language_of(path)):
                if fate.what != "kept":
                    found.setdefault(fate.was.name, []).append(DefinitionChange(fate, path, side))
    return [
        _believed(changed, base, tree, renames, settings)
        for name, changed in found.items()
        if len({(change.fate.what, change.fate.now and change.fate.now.name) for change in changed}) == 1
        and _times_defined(base, name, settings) == len(changed)
        and (changed[0].fate.what == "signature" or not _times_defined(tree, name, settings))
    ]


def _believed(
    changed: list[DefinitionChange], base: Tree, tree: Tree, renames: Renames, settings: MergeSettings
) -> DefinitionChange:
    """Return what happened to one name; a similar replacement counts as its rename only on evidence.

    That is (nearly) the same text under another name, or base uses that all have the new name now.
    """
    first = replace(changed[0], paths=tuple(change.path for change in changed))
    was, now = first.fate.was, first.fate.now
    if first.fate.what != "renamed" or now is None or was.within or was.is_value:
        return first
    home = _home(first, base, settings)
    new = replace(first, fate=Fate("renamed", now, None), paths=tuple(renames.now(path) for path in first.paths))
    followed = 0
    for path, text in base.items():
        after = tree.get(renames.now(path), b"")
        if was.name in text and text != after:
            before = len(_references(text, was.name, path, home, settings).sure) - (path in home.paths)
            if before > 0:
                there = _references(after, now.name, renames.now(path), _home(new, tree, settings), settings)
                left = _references(after, was.name, renames.now(path), home, settings)
                followed += 1 if there.sure and not left.sure else -len(base)
    taken = _times_defined(base, now.name, settings)
    is_same = all(
        change.fate.now is not None and is_nearly_same(change.fate.was, change.fate.now) for change in changed
    )
    if not taken and (followed > 0 or (is_same and followed == 0)):
        return first
    return replace(first, fate=Fate("deleted", was, None))


def _home(change: DefinitionChange, tree: Tree, settings: MergeSettings) -> DefinedAt:
    lang = settings.language_of(change.paths[0])
    return DefinedAt(change.paths, lang.name if lang is not None else "", tree.get(change.paths[0], b""))


def _references(text: bytes, name: bytes, path: str, home: DefinedAt, settings: MergeSettings) -> References:
    lang = settings.language_of(path)
    if name not in text or lang is None or not are_related(lang.name, home.language):
        return References()
    root = root_of(text, lang)
    return references(root, name, path, home) if root is not None else References()


def _times_defined(tree: Tree, name: bytes, settings: MergeSettings) -> int:
    """Count the definitions of a name, reading only files that mention it."""
    return sum(times_defined(text, name, settings.language_of(path)) for path, text in tree.items() if name in text)


@dataclass(frozen=True)
class Carrier:
    """Carry one side's renames into the other side's additions to the tree `base`."""

    base: Tree
    renames: list[DefinitionChange]
    settings: MergeSettings

    def carry(self, text: bytes, base: bytes, path: str, there: bytes | None) -> tuple[bytes, list[Finding]]:
        """Return one file's text with the renames in its new uses, and the findings.

        `there` is the file on the side that renamed, if it has it. Only what certainly means the definition is renamed;
        what may mean it is reported and left unchanged.
        """
        findings: list[Finding] = []
        for change in self.renames:
            lines = set(new_uses(text, base, change.name)) if change.fate.now is not None else set()
            if not lines:
                continue
            found = _references(text, change.name, path, _home(change, self.base, self.settings), self.settings)
            starts = [0, *accumulate(map(len, lines_of(text)))]
            sure, unsure = (
                [at for at in places if bisect_right(starts, at) - 1 in lines] for places in (found.sure, found.unsure)
            )
            if sure and self._is_safe(change, text, path, there):
                text = self._renamed(change, text, path, sure)
                message = f"{change.told()}; the new use here was renamed with it"
                findings.append(Finding("renamed", path, bisect_right(starts, sure[0]), message))
            elif sure or (unsure and is_linked(change, path, text)):
                message = f"{change.told()}; the new use here may refer to it, and was left unchanged"
                findings.append(Finding("renamed", path, bisect_right(starts, min(sure + unsure)), message))
        return text, findings

    def _is_safe(self, change: DefinitionChange, text: bytes, path: str, there: bytes | None) -> bool:
        """Return whether the new name means in a file what the old one did: it is unused there, and visible."""
        now, lang = change.fate.now, self.settings.language_of(path)
        assert now is not None
        root = root_of(text, lang) if lang is not None else None
        if root is None or is_bound(root, now.name):
            return False
        root = root_of(there, lang) if there is not None and lang is not None else None
        return root is None or not binds_globally(root, change.name)

    def _renamed(self, change: DefinitionChange, text: bytes, path: str, places: list[int]) -> bytes:
        now, lang = change.fate.now, self.settings.language_of(path)
        assert now is not None and lang is not None
        root = root_of(text, lang)
        assert root is not None
        for at in sorted(places, reverse=True):
            new = renamed_at(root, at, change.name, now.name)
            text = text[:at] + new + text[at + len(change.name) :]
        return text


def is_linked(change: DefinitionChange, path: str, text: bytes) -> bool:
    """Return whether a file can mean a changed definition by its name: it is in or next to its file, or mentions it.

    Other files, which no side changed, may define the same name.
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
    """Yield the lines (from 0) of a text that are not in the base and that use a name."""
    if name not in text or is_binary(text):
        return
    lines = lines_of(text)
    for change in changes(lines_of(base), lines):
        for at in range(change.new_start, change.new_end):
            if name in WORD.findall(lines[at]):
                yield at


def reported(merged: bytes, base: bytes, other: bytes, path: str, changed: list[DefinitionChange]) -> Iterator[Finding]:
    """Yield a finding if a merged file has new uses, added by the other side, of a changed definition."""
    for change in changed:
        linked = is_linked(change, path, other)
        added = {lines_of(other)[at] for at in new_uses(other, base, change.name)} if linked else set()
        for at, line in enumerate(lines_of(merged) if added else []):
            if line in added:
                message = f"{change.told()}, and this new use still needs it"
                yield Finding(change.fate.what, path, at + 1, message)
                break
