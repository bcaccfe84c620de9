"""The result of a merge."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """How a file was merged, from the most to the least certain."""

    EQUAL = "equal"
    """Both sides are the same."""
    OURS = "ours"
    """Only our side changed."""
    THEIRS = "theirs"
    """Only their side changed."""
    LINES = "lines"
    """Line by line, and every gate for the language held."""
    STRUCTURE = "structure"
    """By the entities of the language; at least one decision went beyond lines."""
    TEXT = "text"
    """Line by line without any knowledge of the language, or over a limit."""
    BINARY = "binary"
    """Not text: one side or a conflict."""
    GENERATED = "generated"
    """A file that a tool writes: it is recreated, never merged by guess."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A conflict.

    `line` counts from 1 and is the line of the opening marker in the merged content (0 without markers, as in a file
    that is not text). `where` names the enclosing entity, empty at the top of the file. `ours` and `theirs` describe
    what each side did. `reason` is empty for a plain conflict and else names the gate that refused.
    """

    line: int
    where: str
    ours: str
    theirs: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to review although the text merged.

    `kind` is a stable word (`unresolved`, `duplicate`, `renamed`, `moved`, `signature`, `deleted`, `limit`); `line`
    counts from 1 in the merged content of `path`.
    """

    kind: str
    path: str
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The merged bytes; they have diff3 markers exactly if `conflicts` is not empty and the file is text."""

    content: bytes
    conflicts: tuple[Conflict, ...]
    method: Method
    findings: tuple[Finding, ...] = ()

    @property
    def clean(self) -> bool:
        """Return whether there is no conflict."""
        return not self.conflicts
