"""A store as a model: commits with their parents, and packs of them, held to what the product holds real ones to."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field


def commit_id(parents: Iterable[str], note: str) -> str:
    """Return the id of a commit: a hash of what it holds, as in Git."""
    return hashlib.sha1(json.dumps([*parents, note]).encode()).hexdigest()


@dataclass(frozen=True)
class ModelCommit:
    """A commit: its parents, and what else is in it."""

    parents: tuple[str, ...]
    note: str


@dataclass
class ModelStore:
    """Commits that are here with everything they reach, and references to some."""

    commits: dict[str, ModelCommit] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)

    def commit(self, parents: Iterable[str], note: str) -> str:
        """Write a commit and return its id."""
        made = ModelCommit(tuple(dict.fromkeys(parents)), note)
        oid = commit_id(made.parents, note)
        self.commits[oid] = made
        return oid

    def reached(self, tips: Iterable[str]) -> set[str]:
        """Return every commit here that some reach, themselves included."""
        found, waiting = set[str](), [tip for tip in tips if tip in self.commits]
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                waiting += self.commits[at].parents
        return found

    def lacking(self, tips: Iterable[str]) -> set[str]:
        """Return what some commits reach and is not here."""
        found, seen, waiting = set[str](), set[str](), list(tips)
        while waiting:
            at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            if at in self.commits:
                waiting += self.commits[at].parents
            else:
                found.add(at)
        return found

    def pack(self, tips: Iterable[str], haves: Iterable[str]) -> bytes:
        """Return a pack of what tips reach and haves do not."""
        chosen = self.reached(tips) - self.reached(haves)
        return json.dumps(
            {oid: [*self.commits[oid].parents, self.commits[oid].note] for oid in sorted(chosen)}
        ).encode()

    def take(self, data: bytes, tips: Iterable[str]) -> str | None:
        """Take a pack in if all that tips need is here with it; return why it was not taken."""
        try:
            said = {oid: ModelCommit(tuple(row[:-1]), row[-1]) for oid, row in json.loads(data).items()}
        except (ValueError, TypeError, AttributeError):
            return "the pack cannot be read"
        if any(commit_id(one.parents, one.note) != oid for oid, one in said.items()):
            return "the pack has an object that is not what it is called"
        together = ModelStore({**said, **self.commits})
        if together.lacking(tips):
            return "the pack is incomplete"
        self.commits = {**{oid: said[oid] for oid in together.reached(tips) if oid in said}, **self.commits}
        return None

    def copy(self) -> ModelStore:
        """Return a copy, as a backup has it."""
        return ModelStore(copy.copy(self.commits), copy.copy(self.references))
