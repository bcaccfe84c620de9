"""The company of a live branch: the branches it is folded with, as its snapshots tell the team, in trailers.

A guest names the host whose branch they are in. Each names the newest tip of the other whose changes its tree has, and
the paths for which it does not have them, because both changed the same lines. The two trees that a fold starts from
follow from these alone, identically on both machines, whatever HEAD did meanwhile.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote_to_bytes

from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.git.objects import Commit

GUEST_OF, FOLDED, PAUSED, GUESTS = "Bough-Guest-Of", "Bough-Folded", "Bough-Paused", "Bough-Guests"
FOLD, ASK, OFF = "fold", "ask", "off"  # whether a guest's edits are folded into the host's files
EVERYONE = ""  # in place of a guest: all about whom nothing else is said
NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
ALL = ""  # in place of a path: every path
MOST_PAUSED = 200  # paths that are named; more of them are ALL
LONGEST = 100_000  # characters of a trailer that are read


@dataclass(frozen=True)
class Company:
    """The company of one snapshot. `guest_of`: the branch that this one is a guest of, empty for none.

    `visit`: distinguishes this stay from an earlier one: the guest's own snapshot before it. `folded`: by branch, its
    tip whose changes the tree has. `paused`: by branch, the paths for which it does not have them. `guests`: by
    branch, whether its edits are folded into this one if it is a guest; FOLD where nothing is said.
    """

    guest_of: str = ""
    visit: str = ""
    folded: Mapping[str, str] = field(default_factory=dict)
    paused: Mapping[str, frozenset[str]] = field(default_factory=dict)
    guests: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.guest_of or self.folded or self.guests)

    def rule_of(self, guest: str) -> str:
        """Return whether a guest's edits are folded into this branch: FOLD, ASK (the host has yet to decide) or OFF."""
        return self.guests.get(guest, self.guests.get(EVERYONE, FOLD))

    def with_folded(self, branch: str, tip: str, paused: Collection[str]) -> Company:
        """Return this company with a tip of a branch as the newest folded one, except some paths."""
        named = frozenset(paused) if len(paused) <= MOST_PAUSED and ALL not in paused else frozenset([ALL])
        others = {name: paths for name, paths in self.paused.items() if name != branch}
        return replace(
            self, folded={**self.folded, branch: tip}, paused={**others, **({branch: named} if named else {})}
        )

    def with_paused(self, paths: Collection[str]) -> Company:
        """Return this company with some paths paused for every branch that it was folded with."""
        made = self
        for branch, tip in self.folded.items() if paths else ():
            made = made.with_folded(branch, tip, self.paused.get(branch, frozenset()) | frozenset(paths))
        return made

    def without(self, branch: str) -> Company:
        """Return this company without one branch."""
        return self.only(name for name in self.folded if name != branch)

    def only(self, branches: Iterator[str] | Collection[str]) -> Company:
        """Return this company restricted to these branches."""
        kept = frozenset(branches)
        stays = self.guest_of in kept
        return replace(
            self,
            guest_of=self.guest_of if stays else "",
            visit=self.visit if stays else "",
            folded={name: tip for name, tip in self.folded.items() if name in kept},
            paused={name: paths for name, paths in self.paused.items() if name in kept},
        )

    def entered(self, branch: str, tip: str, visit: str) -> Company:
        """Return this company as a guest of a branch, at this tip of it. `visit`: my own snapshot from before."""
        if self.guest_of == branch:
            return self.with_folded(branch, tip, ())
        return replace(self.left(), guest_of=branch, visit=visit).with_folded(branch, tip, ())

    def left(self) -> Company:
        """Return this company without being a guest."""
        return self.without(self.guest_of) if self.guest_of else self

    def as_at(self, earlier: Company) -> Company:
        """Return this company with the host of an earlier one, as far as it was folded then; its own guests as now."""
        made = self.left()
        if not earlier.guest_of:
            return made
        host = earlier.only([earlier.guest_of])
        return replace(
            made,
            guest_of=host.guest_of,
            visit=host.visit,
            folded={**made.folded, **host.folded},
            paused={**made.paused, **host.paused},
        )

    def trailers(self) -> dict[str, str]:
        """Return the trailers for a commit message; none without company."""
        paused = (f"{name}:{_quoted(path)}" for name, paths in sorted(self.paused.items()) for path in sorted(paths))
        return {
            GUEST_OF: f"{self.guest_of} {self.visit}" if self.guest_of else "",
            FOLDED: " ".join(f"{name}={tip}" for name, tip in sorted(self.folded.items())),
            PAUSED: " ".join(paused),
            GUESTS: " ".join(f"{name}={rule}".removeprefix("=") for name, rule in sorted(self.guests.items())),
        }


NO_COMPANY = Company()


def company_of(commit: Commit) -> Company:
    """Return the company that a commit names; malformed trailers of a teammate count as absent."""
    if "\nBough-Guest" not in commit.message and f"\n{FOLDED}" not in commit.message:
        return NO_COMPANY
    host, _, visit = (commit.trailer(GUEST_OF) or "").partition(" ")
    is_guest = bool(NAME.fullmatch(host) and OBJECT_ID.fullmatch(visit))
    folded: dict[str, str] = {}
    for word in _words(commit, FOLDED):
        name, _, tip = word.partition("=")
        if NAME.fullmatch(name) and OBJECT_ID.fullmatch(tip):
            folded[name] = tip
    paused: dict[str, frozenset[str]] = {}
    for word in _words(commit, PAUSED):
        name, _, path = word.partition(":")
        if NAME.fullmatch(name):
            paused[name] = paused.get(name, frozenset()) | {os.fsdecode(unquote_to_bytes(path))}
    return Company(host if is_guest else "", visit if is_guest else "", folded, paused, _guests(commit))


def _guests(commit: Commit) -> dict[str, str]:
    """Return what a commit says about guests: `off`, or `ask bob=fold`."""
    found: dict[str, str] = {}
    for word in _words(commit, GUESTS):
        name, _, rule = word.rpartition("=")
        if rule in (FOLD, ASK, OFF) and (not name or NAME.fullmatch(name)):
            found[name] = rule
    return found


def _words(commit: Commit, trailer: str) -> list[str]:
    said = commit.trailer(trailer) or ""
    return said.split() if len(said) <= LONGEST else []


def _quoted(path: str) -> str:
    return quote(os.fsencode(path), safe="/")


def is_among(path: str, paths: Collection[str]) -> bool:
    """Return whether a path is one of those that are paused."""
    return path in paths or ALL in paths
