"""Who has paused sharing: each member's signed statement, which any member may pass on, and which is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bough_daemon.team.identity import Identity, statement, verify
from bough_daemon.team.roster import Roster

LATEST = 2**63


@dataclass(frozen=True)
class MemberPause:
    """The statement by the holder of a key (`by`) that they have paused sharing. `since`: 0: they share again.

    Both times are in milliseconds since the epoch, by their clock; the statement with the later `time` counts.
    """

    by: bytes
    since: int
    time: int
    signature: bytes = b""

    @property
    def size(self) -> int:
        """Return about how many bytes of a message it takes."""
        return len(self.by) + len(self.signature) + 20

    def statement(self, team: str) -> bytes:
        """Return what is signed."""
        return statement("sharing pause", team, self.by, self.since, self.time)

    def signed(self, team: str, identity: Identity) -> MemberPause:
        """Return this statement with the signature of an identity's holder."""
        plain = replace(self, by=identity.key)
        return replace(plain, signature=identity.sign(plain.statement(team)))

    def is_signed(self, team: str) -> bool:
        """Return whether its times are plausible, and the signature is its member's."""
        fits = 0 <= self.since < LATEST and 0 <= self.time < LATEST
        return fits and verify(self.by, self.signature, self.statement(team))


@dataclass
class Pauses:
    """The newest statement of each member; `roster`: the members whose statements count."""

    roster: Roster
    known: dict[bytes, MemberPause] = field(default_factory=dict)

    def merge(self, said: Iterable[MemberPause]) -> list[MemberPause]:
        """Add statements, and return those that are new."""
        return [one for one in said if self._take(one)]

    def _take(self, said: MemberPause) -> bool:
        before = self.known.get(said.by)
        is_newer = before is None or said.time > before.time
        if not is_newer or self.roster.by_key(said.by) is None or not said.is_signed(self.roster.team):
            return False
        self.known[said.by] = said
        return True

    def own(self, identity: Identity, since: int, now: int) -> MemberPause | None:
        """Return this member's own statement that sharing is paused `since`; None if it is already known."""
        before = self.known.get(identity.key)
        if since == (before.since if before is not None else 0):
            return None
        time = max(now, before.time + 1 if before is not None else 0)
        return MemberPause(identity.key, since, time).signed(self.roster.team, identity)

    def counting(self) -> list[MemberPause]:
        """Return the statements of the team's current members."""
        return [one for one in self.known.values() if self.roster.by_key(one.by) is not None]
