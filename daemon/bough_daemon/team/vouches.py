"""Vouches: members' signed statements that someone who lost their key signs with another one from now on.

Two people in the team have to say so of the same two keys. Then the holder of the new key, who joined under another
name, has the name of the lost one, whose key is removed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bough_daemon.team.identity import Identity, statement, verify

ENOUGH = 2  # people who vouch
MOST_VOUCHES = 20  # of one member
KEY_BYTES = 32


@dataclass(frozen=True)
class Vouch:
    """A statement of the holder of `by`: who had the key `old` has `new`. `time`: milliseconds, by their clock."""

    old: bytes
    new: bytes
    by: bytes
    time: int
    signature: bytes = b""

    def statement(self, team: str) -> bytes:
        """Return what is signed."""
        return statement("vouch", team, self.old, self.new, self.by, self.time)

    def signed(self, team: str, by: Identity) -> Vouch:
        """Return this vouch with the signature of the holder of an identity."""
        return replace(self, signature=by.sign(self.statement(team)))

    def is_signed(self, team: str) -> bool:
        """Return whether it is well-formed, about others than its signer, and signed for this team."""
        keys = {self.old, self.new, self.by}
        well_formed = len(keys) == 3 and all(len(key) == KEY_BYTES for key in keys) and 0 <= self.time < 2**63
        return well_formed and verify(self.by, self.signature, self.statement(team))

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        return len(self.statement("")) + len(self.signature)
