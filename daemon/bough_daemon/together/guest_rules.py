"""Whose edits are folded into the files here: the setting `together.guests`, and what the user decided about a guest.

A decision is about one branch, and about the key that signs it: another member who gets the same name is asked about
again. It lasts until the user removes it, whatever the setting is meanwhile. While the file of decisions is damaged,
the user is asked about everyone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from bough_daemon.errors import StoreDamaged
from bough_daemon.history.company import ASK, EVERYONE, FOLD, OFF
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

FILE = "guests.json"

KeyOf = Callable[[str], str]
"""Return the key of the member whose branch this is, in hexadecimal; empty if they are not in the team."""


@dataclass(frozen=True)
class GuestDecision:
    """What the user decided about a guest: `fold` or `off`. `key`: the guest's."""

    rule: str
    key: str


@dataclass
class GuestRules:
    """The rules of one repository. `setting`: `fold`, `ask` or `off`. `is_mine`: whether a branch is the user's own."""

    folder: str
    key_of: KeyOf
    is_mine: Callable[[str], bool]
    setting: str = FOLD
    _decided: dict[str, GuestDecision] = field(default_factory=dict)
    _is_damaged: bool = False

    def __post_init__(self) -> None:
        self._path = os.path.join(self.folder, FILE)
        try:
            self._decided = read_record(self._path, dict[str, GuestDecision])
        except FileNotFoundError:
            return
        except StoreDamaged:
            self._is_damaged = True

    def rule_of(self, branch: str) -> str:
        """Return whether a guest's edits are folded: `fold`, `off`, or `ask` while the user has not decided.

        If the setting is `off`, that holds for everyone. The user's own working trees need no decision.
        """
        if self.setting == OFF:
            return OFF
        decided = self._decided.get(branch)
        if decided is not None and decided.key and decided.key == self.key_of(branch):
            return decided.rule
        if self.is_mine(branch):
            return FOLD
        return ASK if self._is_damaged else self.setting

    def decided(self) -> list[str]:
        """Return the guests about whom there is a decision."""
        return sorted(self._decided)

    def decide(self, branch: str, rule: str) -> None:
        """Remember a decision about a guest, or with `ask` forget it."""
        others = {name: one for name, one in self._decided.items() if name != branch}
        made = others if rule == ASK else {**others, branch: GuestDecision(rule, self.key_of(branch))}
        write_whole(self._path, as_json(made))
        self._decided, self._is_damaged = made, False

    def told(self, guests: Collection[str]) -> Mapping[str, str]:
        """Return what the team is told: the rule for everyone, and for whom another one holds.

        `guests`: those here; someone with a decision who comes back knows it at once.
        """
        named = {*guests, *self._decided}
        rules = {guest: rule for guest in named if (rule := self.rule_of(guest)) != self.setting}
        return rules if self.setting == FOLD else {EVERYONE: self.setting, **rules}
