"""What must hold whatever happens: at every turn of every machine, and once all are connected again."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import replace
from typing import TYPE_CHECKING

from bough_daemon.budgets import MOST_ANSWERS, MOST_ARRIVING, MOST_LEAVING
from bough_daemon.sync.links import Link
from bough_daemon.sync.messages import Held, Message
from bough_daemon.team.branch_state import MOST_ASIDES, BranchKind, Key, State
from bough_daemon.team.departures import Removal

from tests.simulator.machine import Machine

if TYPE_CHECKING:
    from tests.simulator.world import SimulatedTeam

SAMPLE = 64  # turns between two looks at the memory


class Harm(AssertionError):
    """Something happened that must not."""


def told(state: State) -> str:
    """Return a state in a few words."""
    kind = "" if state.key.kind is BranchKind.LIVE else "landed "
    return f"{kind}{state.key.branch_name} #{state.sequence} ({state.tip[:6]})"


class Oracle:
    """What was really signed, and what each machine knew when it was last looked at."""

    def __init__(self, world: SimulatedTeam) -> None:
        self._world = world
        self._truth: dict[bytes, tuple[State, bytes]] = {}  # by signature: the state, and the key that signed it
        self._numbers: dict[tuple[bytes, Key, int], str] = {}
        self._branches = set[Key]()
        self._known: dict[Machine, dict[Key, State]] = {}
        self._confirmed: dict[Machine, dict[tuple[Key, bytes], int]] = {}  # the newest numbers that machines confirmed
        self._looks = 0
        self.said: list[tuple[Machine, Removal]] = []
        self.forgetful: set[bytes] = set()  # keys of which a backup was restored, or that two machines have

    @property
    def states(self) -> list[State]:
        """Every state that was ever signed, the oldest first."""
        return [state for state, _ in self._truth.values()]

    def signed(self, machine: Machine, state: State) -> None:
        """Note a state that a machine signs; no number is used twice."""
        key = machine.identity.key
        self._truth[state.signature] = state, key
        self._branches.add(state.key)
        tip = self._numbers.setdefault((key, state.key, state.sequence), state.tip)
        if tip != state.tip and key not in self.forgetful and not machine.is_hostile:
            raise Harm(f"{machine.label} signs {told(state)}, and has signed {tip[:6]} with the same number")
        self._world.tell(f"{machine.label} signs {told(state)}")

    def removed(self, machine: Machine, removals: list[Removal]) -> None:
        """Note removals that a machine signs."""
        self.said += [(machine, one) for one in removals]
        names = ", ".join(machine.roster.name_of(one.key) for one in removals)
        self._world.tell(f"{machine.label} signs the removal of {names}")

    def says(self, machine: Machine, word: Message) -> None:
        """Note what a machine says that it holds of others' branches."""
        if not isinstance(word, Held) or word.key.aside or word.key.member == machine.exchange.member:
            return
        entry, said = machine.roster.members.get(word.key.member), self._confirmed.setdefault(machine, {})
        if entry is not None:
            said[word.key, entry.key] = max(word.sequence, said.get((word.key, entry.key), 0))

    def began(self, machine: Machine) -> None:
        """Note that a machine begins with what it has written down, which is whatever it has confirmed."""
        known = self._known[machine] = dict(machine.exchange.known)
        said = self._confirmed.pop(machine, {})
        if machine.is_hostile or machine.identity.key in self.forgetful:
            return
        for (key, signer), number in said.items():
            entry, state = machine.roster.members.get(key.member), known.get(key)
            is_member = entry is not None and entry.key == signer != machine.exchange.key
            if is_member and (state is None or state.sequence < number):
                raise Harm(f"{machine.label} has confirmed {key.branch_name} #{number} and forgotten it")

    def look(self, machine: Machine) -> None:
        """See that what has changed on a machine was right."""
        known, before = machine.exchange.known, self._known[machine]
        if [*map(id, known.values())] != [*map(id, before.values())]:
            for key, one in known.items():
                if before.get(key) is not one:
                    self._check_taken(machine, one, before.get(key))
            for key in before.keys() - known.keys():
                self._check_dropped(machine, before[key])
            self._known[machine] = dict(known)
        self._looks += 1
        if self._looks % SAMPLE == 0:
            for name, link in machine.exchange.links.items():
                self._check_memory(f"{machine.label}'s connection with {name}", link)

    def _check_taken(self, machine: Machine, state: State, before: State | None) -> None:
        if machine.is_hostile:
            return
        what, key = f"{machine.label} has taken {told(state)}", state.key
        truth, signer = self._truth.get(state.signature, (None, b""))
        if truth is None or truth != replace(state, key=replace(key, aside="")):
            raise Harm(f"{what}, which nobody has signed")
        entry = machine.roster.members.get(key.member)
        own = key.member == machine.exchange.member
        if not own and (entry is None or entry.key != signer):
            raise Harm(f"{what}, whose signer is not in the team")
        if before is not None and state.sequence <= before.sequence and not key.aside:
            raise Harm(f"{what}, and had #{before.sequence}")
        if machine.store.lacking([state.tip, state.base]):
            raise Harm(f"{what}, and lacks objects of it")
        if before is None or key.kind is BranchKind.LANDED or own:
            return
        aside = before.as_aside().key
        if before.tip not in machine.store.reached([state.tip]) and aside not in machine.exchange.known:
            raise Harm(f"{what}, and nothing leads to {before.tip[:6]} any more, which it had")

    def _check_dropped(self, machine: Machine, state: State) -> None:
        entry = machine.roster.members.get(state.key.member)
        _, signer = self._truth[state.signature]
        if not machine.is_hostile and not state.key.aside and entry is not None and entry.key == signer:
            raise Harm(f"{machine.label} has forgotten {told(state)}")
        # Who is in again later has to be asked again: until then nothing that was confirmed before counts.
        self._confirmed.get(machine, {}).pop((state.key, signer), None)

    def _check_memory(self, what: str, link: Link) -> None:
        # Of each branch, the newest alone: whatever the peer does not read.
        most = len(self._branches) * (1 + MOST_ASIDES) + self._world.hostile.branches
        waiting: list[Sized] = [link.announcements, link.making, link.outgoing, link.wants, link.offered, link.holds]
        counts = [len(one) for one in (*waiting, link.owed)]
        if max(counts) > most or len(link.answers) > min(most, MOST_ANSWERS):
            raise Harm(f"{what} holds more than the newest of each branch: {counts} of {most}")
        if len(link.outgoing) + len(link.making) > max(MOST_LEAVING, most) or len(link.incoming) > 2 * MOST_ARRIVING:
            raise Harm(f"{what} has {len(link.outgoing)} packs that leave, {len(link.incoming)} that arrive")

    # In the end.

    def problems(self) -> Iterator[str]:
        """Yield what is not yet as it has to be once everyone is connected."""
        machines = [one for one in self._world.machines if one.is_up and not one.is_hostile and not one.is_copy]
        team = self._team(machines)
        if not team:
            return
        first, hostile = team[0], {one.identity.key for one in self._world.machines if one.is_hostile}
        lost = self._lost(team)
        for machine in team:
            yield from self._own_problems(machine)
            for what, mine, theirs in zip(
                WHATS, _facts(first, hostile, lost), _facts(machine, hostile, lost), strict=True
            ):
                if mine != theirs:
                    yield f"{first.label} and {machine.label} have different {what}: {_difference(mine, theirs)}"
        for machine in machines:
            is_stranger = first.identity.key not in {one.key for one in machine.roster.admissions.values()}
            if machine not in team and not is_stranger and first.roster.by_key(machine.identity.key) is not None:
                yield f"{machine.label} is in the team for {first.label}, and not for themselves"
            is_told = not machine.is_in or not any(recognise(machine, one) for one in team)
            # Who has removed others meanwhile may have removed those by whom another one has their name.
            away = {one.key for one in first.roster.turned_away()} - {one.remover for _, one in self.said}
            if machine not in team and machine.identity.key in away and not is_told:
                yield f"{machine.label} was not told that they are out"
        yield from self._apart(team)

    def _lost(self, team: list[Machine]) -> set[Key]:
        """Return the branches whose worktrees their members no longer have, as a backup or a copy did not have them.

        They are kept beside what these members have.
        """
        here = {(one.exchange.member, branch.encode()) for one in team for branch in one.store.references}
        live = {key for key in self._branches if key.kind is BranchKind.LIVE}
        return {key for key in live if (key.member, key.branch) not in here}

    def _team(self, machines: list[Machine]) -> list[Machine]:
        """Return the machines that take each other for members, of whom there may be more than one company.

        Two who have removed each other have nothing to say to each other.
        """
        left, companies = [one for one in machines if one.is_in], list[list[Machine]]()
        while left:
            company, waiting = list[Machine](), left[:1]
            while waiting:
                at = waiting.pop()
                if at not in company:
                    company.append(at)
                    waiting += [one for one in left if recognise(one, at) and recognise(at, one)]
            left = [one for one in left if one not in company]
            companies.append([one for one in machines if one in company])
        return max(companies, key=len, default=[])

    def _own_problems(self, machine: Machine) -> Iterator[str]:
        if machine.roster.vouches:
            yield f"{machine.label} has a vouch that nobody has signed"
        name = machine.exchange.member
        if machine.roster.addresses(name) != (machine.address,):
            yield f"{machine.label} is said to be at {machine.roster.addresses(name)}, and is at {machine.address}"
        for branch, tip in machine.store.references.items():
            state = machine.exchange.known.get(Key(name, BranchKind.LIVE, branch.encode()))
            if state is None or state.tip != tip:
                yield f"{machine.label}'s own {branch} is not at {tip[:6]} for the team"
        for key, state in machine.exchange.known.items():
            _, signer = self._truth[state.signature]
            if machine.roster.departures.of(signer):
                yield f"{machine.label} keeps {told(state)} of {key.member}, who was removed"
            if machine.store.lacking([state.tip, state.base]):
                yield f"{machine.label} lacks objects of {told(state)}"

    def _apart(self, team: list[Machine]) -> Iterator[str]:
        found, waiting = set[Machine](), [team[0]]
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                waiting += [side.other.machine for side in at.sides.values() if side.is_open]
        for machine in team:
            if machine not in found:
                yield f"{team[0].label} and {machine.label} are not connected"


def recognise(machine: Machine, other: Machine) -> bool:
    """Return whether a machine takes another one for a member."""
    return machine.roster.by_key(other.identity.key) is not None


WHATS = ("members", "former members", "addresses", "states", "purges", "answers to purges")


def _facts(machine: Machine, hostile: set[bytes], lost: set[Key]) -> list[dict[object, object]]:
    roster, exchange = machine.roster, machine.exchange
    names = {name for name, entry in roster.members.items() if entry.key in hostile}
    return [
        {name: entry.key.hex()[:6] for name, entry in roster.members.items()},
        {name: entry.key.hex()[:6] for name, entry in roster.former.items()},
        {entry.name: roster.addresses(entry.name) for entry in roster.members.values() if entry.key not in hostile},
        {
            (key.kind.name, key.member, key.branch_name): (one.sequence, one.tip[:6])
            for key, one in exchange.known.items()
            if not key.aside and key.member not in names and key not in lost
        },
        {one.digest.hex()[:6]: one.time for one in exchange.purges.counting()},
        {
            (one.purge.hex()[:6], roster.name_of(one.by)): (one.outcome.name, one.time)
            for one in exchange.purges.answers_counting()
            if one.by not in hostile
        },
    ]


def _difference(mine: dict[object, object], theirs: dict[object, object]) -> str:
    keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
    return ", ".join(f"{key}: {mine.get(key)} and {theirs.get(key)}" for key in keys[:4])
