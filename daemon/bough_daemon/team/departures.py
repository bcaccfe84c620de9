"""Who is no longer in the team: signed removals, and their effect.

Any member may remove any other, or themselves, which is leaving. What counts follows from the set of signed statements
alone, not from their order of arrival, and not from times, which their signers choose. It is computed from the founder
on, by steps along the admissions: a removal counts unless its remover was removed by someone nearer to the founder.
Members at equal distance do not void each other's: of two who remove each other both are removed. A removed member's
statements about others lose effect: the members they admitted are out, and the members they removed are in again,
except those that the removal names. So nothing that is signed later, or dated back, has an effect.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bough_daemon.team.identity import Identity, statement, verify

KEY_BYTES = 32
MOST_KEPT = 2000  # members that one removal names: as many as a team may have
REMOVALS_BYTES = 256 << 10  # by one member and by the members they admitted, the founder excepted


@dataclass(frozen=True)
class Removal:
    """A member's statement that the holder of `key` is no longer in the team.

    `keeps`: keys of members whom the removed member admitted and who stay. `upholds`: keys of members whom they removed
    and who stay removed. `time`: milliseconds since the epoch, by the remover's clock.
    """

    key: bytes
    remover: bytes
    time: int
    keeps: tuple[bytes, ...] = ()
    upholds: tuple[bytes, ...] = ()
    signature: bytes = b""

    def statement(self, team: str) -> bytes:
        """Return what the remover signs."""
        kept: list[bytes | int] = [len(self.keeps), *self.keeps, *self.upholds]
        return statement("removal", team, self.key, self.remover, self.time, *kept)

    def signed(self, team: str, by: Identity) -> Removal:
        """Return this removal with the remover's signature."""
        return replace(self, signature=by.sign(self.statement(team)))

    def is_signed(self, team: str) -> bool:
        """Return whether it is well-formed, and signed by its remover for this team."""
        kept = (*self.keeps, *self.upholds)
        well_formed = len(kept) <= MOST_KEPT and all(len(key) == KEY_BYTES for key in (self.key, *kept))
        return well_formed and 0 <= self.time < 2**63 and verify(self.remover, self.signature, self.statement(team))

    @property
    def is_leaving(self) -> bool:
        """Return whether the member left by themselves."""
        return self.key == self.remover

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        return len(self.statement("")) + len(self.signature)

    @property
    def digest(self) -> str:
        """Return the digest that identifies this removal."""
        return hashlib.sha256(self.statement("")).hexdigest()


@dataclass
class Departures:
    """The removals that count. `steps`: each key's distance from the founder.

    `by_key`: the removals of each key, by those nearest to the founder first.
    """

    steps: dict[bytes, int] = field(default_factory=dict)
    by_key: dict[bytes, list[Removal]] = field(default_factory=lambda: defaultdict(list))

    def lets_in(self, admitter: bytes, key: bytes) -> bool:
        """Return whether a member's admission of `key` is valid with regard to removals."""
        return all(key in one.keeps for one in self._deciding(admitter))

    def may_remove(self, remover: bytes, key: bytes) -> bool:
        """Return whether a member's removal of `key` is valid with regard to other removals."""
        return all(key in one.upholds for one in self._deciding(remover))

    def of(self, key: bytes) -> list[Removal]:
        """Return the removals of a key that count; none: it was not removed."""
        return self.by_key.get(key, [])

    def is_nearer(self, key: bytes, other: bytes) -> bool:
        """Return whether the holder of `key` is nearer to the founder than another."""
        return key in self.steps and self.steps[key] < self.steps.get(other, len(self.steps))

    def _deciding(self, key: bytes) -> list[Removal]:
        """Return the removals of a key by those nearest to the founder: what they name decides."""
        found = self.of(key)
        return [one for one in found if self.steps[one.remover] == self.steps[found[0].remover]]


def departures(founder: bytes, admitted: Mapping[bytes, Iterable[bytes]], removals: Iterable[Removal]) -> Departures:
    """Return the removals that count. `admitted`: the keys that each member has ever admitted."""
    by_remover = defaultdict[bytes, list[Removal]](list)
    for one in removals:
        by_remover[one.remover].append(one)
    made, ring, step = Departures({founder: 0}), [founder], 0
    while ring:
        # All at one distance together, by what nearer members have said.
        said = [one for key in ring for one in by_remover.pop(key, ()) if made.may_remove(key, one.key)]
        for one in sorted(said, key=lambda one: (one.key, one.remover)):
            made.by_key[one.key].append(one)
        reached, step = list[bytes](), step + 1
        for admitter in ring:
            for key in admitted.get(admitter, ()):
                if key not in made.steps and made.lets_in(admitter, key):
                    made.steps[key] = step
                    reached.append(key)
        ring = reached
    return made
