"""Receipts: a member's signed statement that they hold a teammate's state, or why they refused it, valid via relays."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bough_daemon.team.branch_state import Key
from bough_daemon.team.identity import Identity, statement, verify


@dataclass(frozen=True)
class Receipt:
    """A statement about a state by the holder of a key (`by`). `refused`: why they refused it; empty: they hold it."""

    by: bytes
    key: Key
    sequence: int
    tip: str
    refused: str = ""
    signature: bytes = b""

    def statement(self, team: str) -> bytes:
        """Return what is signed."""
        of = (self.key.member, self.key.kind.value, self.key.branch)
        return statement("receipt", team, self.by, *of, self.sequence, self.tip, self.refused)

    def signed(self, team: str, identity: Identity) -> Receipt:
        """Return this receipt with the signature of the holder of an identity."""
        plain = replace(self, by=identity.key)
        return replace(plain, signature=identity.sign(plain.statement(team)))

    def is_signed(self, team: str) -> bool:
        """Return whether the signature is its member's."""
        return verify(self.by, self.signature, self.statement(team))
