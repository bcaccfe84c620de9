"""One simulated machine: the product's exchange, roster and files, and what the product's shell does around them.

It does as `TeamSync` and `Connections` do, with virtual time in place of tasks: it writes down what they write down,
when they do, and has nothing else after a crash.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, assert_never

from bough_daemon.budgets import PARTING_SECONDS, PARTING_WORDS
from bough_daemon.errors import BoughError
from bough_daemon.store.packs import Limits, Spool
from bough_daemon.sync import connections
from bough_daemon.sync.calls import FIRST_PAUSE, LONGEST_PAUSE, STEADY
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.jobs import (
    AskAgain,
    Behind,
    Confirmed,
    Declined,
    Doubled,
    FindHaves,
    Job,
    LandedElsewhere,
    Learned,
    MakePack,
    NotTaken,
    OfferAgain,
    PausesHeard,
    PurgesHeard,
    Signed,
    TakePack,
    TalkHeard,
    TicketsHeard,
)
from bough_daemon.sync.messages import Delivered, Gossip, Message
from bough_daemon.system.supervisor import Pause
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.identity import Identity
from bough_daemon.team.purges import Purge, PurgeAnswer, PurgeOutcome
from bough_daemon.team.roster import Admission, Roster
from bough_daemon.team.team_files import Team

from tests.simulator.model_store import ModelStore
from tests.simulator.network import Lane, Side

if TYPE_CHECKING:
    from tests.simulator.world import SimulatedTeam

LIMITS = Limits(pack=60_000, chunk=300, inline=500, small=400)
AGAIN = 1000 * connections.LONGEST_PAUSE
CROSSING = 1000 * connections.CROSSING_SECONDS


class Machine:
    """A machine of one member. `label`: what it is called in traces, whoever it is in the team."""

    def __init__(self, world: SimulatedTeam, label: str, identity: Identity, wished: str, store: ModelStore) -> None:
        self.world = world
        self.label = label
        self.identity = identity
        self.wished = wished
        self.store = store
        self.base = next(iter(store.commits))
        self.host = f"{label.replace(chr(39), '-other').replace('²', '-copy')}.example.org"
        self.address = f"{self.host}:1"
        self.skew = 0
        self.is_up = False
        self.is_hostile = self.spoils_packs = False
        self.is_copy = False  # a second machine with the same key
        self.is_full = False  # its disk
        self.dies_after_writing = False
        self.incarnation = 0
        self.sides: dict[str, Side] = {}
        self.team: Team
        self.exchange: Exchange
        self.doubled = False
        self._began = 0
        self._was_out = False
        self._pauses: dict[str, Pause] = {}
        self._tokens: dict[str, int] = {}
        self._due: set[Job] = set()
        self._save_is_due = False

    @property
    def chance(self) -> random.Random:
        """What decides by chance."""
        return self.world.chance

    @property
    def folder(self) -> str:
        """Where its team is written down."""
        return f"/{self.label}"

    @property
    def now(self) -> int:
        """The time on this machine's clock, in milliseconds."""
        return self.world.around.now

    @property
    def roster(self) -> Roster:
        """The team's members, as far as this machine knows."""
        return self.team.roster

    @property
    def is_in(self) -> bool:
        """Return whether it is on, and in the team as far as it knows."""
        return self.is_up and not self.exchange.is_out

    @property
    def steps(self) -> int:
        """How far it is from the founder, by who let in whom."""
        at, steps = self.roster.members.get(self.exchange.member), 0
        while at is not None and at.admitter != at.key:
            # A removed member whose admissions still count is a step, too.
            at, steps = self.roster.by_key(at.admitter) or self.roster.former_by_key(at.admitter), steps + 1
        return steps

    # Turns.

    def turn(self, act: Callable[[], None]) -> None:
        """Do something by this machine's clock, then say what there is to say."""
        around, before = self.world.around, self.world.around.now
        around.now = self.world.time_on(self)
        try:
            if self.is_up:
                act()
            if self.is_up:
                self._say()
                self.world.oracle.look(self)
        finally:
            around.now = before

    def later(self, delay: float, act: Callable[[], None]) -> None:
        """Do something in a while (milliseconds), if this machine is still on by then."""
        incarnation = self.incarnation

        def then() -> None:
            if self.incarnation == incarnation and self.is_up:
                self.turn(act)

        self.world.agenda.after(delay, then)

    def _say(self) -> None:
        for peer in self.exchange.touched():
            if peer in self.sides:
                self.go_on(self.sides[peer])

    def go_on(self, side: Side) -> None:
        """Say what there is to say over a connection, as far as it has room."""
        if self.sides.get(side.peer) is not side:
            return
        while side.has_room(side.words):
            word = self.exchange.next_word(side.peer)
            if word is None:
                break
            self.world.oracle.says(self, word)
            self.world.write(side, word)
        while side.packs is not None and side.has_room(side.packs):
            chunk = self.exchange.next_chunk(side.peer, self.world.agenda.now / 1000)
            if chunk is None:
                break
            self.world.network.write(side, chunk, side.packs)
        if side.has_room(side.words) and self.exchange.is_parting(side.peer):
            self.later(1000 * PARTING_SECONDS, partial(self.world.network.cut, side.line))

    # On and off.

    def found(self) -> None:
        """Found a team and begin."""
        around = self.world.around
        around.now = self.world.time_on(self)
        nonce = b"simulated team!!"
        roster = Roster(self.world.team_id_of(self.identity.key, nonce))
        me = self.identity
        roster.take(roster.signed(me, self.wished, me.key, me.certificate, me.vouch, self.now, nonce), self.now)
        self.enter(roster)

    def enter(self, roster: Roster) -> None:
        """Begin as a member of a team, of which nothing was written down yet."""
        self.world.around.files.pop(self.folder, None)
        Team(self.folder, roster, f"{self.folder}.git").save_roster()
        self.start()

    def start(self) -> None:
        """Begin with what was written down."""
        self.is_up, self.incarnation = True, self.incarnation + 1
        self.world.around.now = self.world.time_on(self)
        self.team = self.world.around.load(self.folder)
        roster = self.team.roster
        name = roster.last_name_of(self.identity.key) or self.wished
        self.exchange = Exchange(name, roster, self._spool, LIMITS, self.identity.key, self.identity)
        self.exchange.known = {key: one for key, one in self.team.states.items() if one.tip in self.store.commits}
        self.exchange.review()
        self.exchange.purges.merge(self.team.purges, self.team.purge_answers)
        self.doubled, self._began, self._was_out = False, self.now, self.exchange.is_out
        self.sides, self._pauses, self._tokens, self._due, self._save_is_due = {}, {}, {}, set(), False
        self.world.oracle.began(self)
        self.turn(self._come_in)

    def _come_in(self) -> None:
        self._call_everyone()
        self._say_where_if_news()
        self._publish_all()
        if not self.store.references:
            self.save()
        self._answer_purges()

    def stop(self) -> None:
        """Be gone in this moment: killed, or without power."""
        for side in list(self.sides.values()):
            side.is_open = False
            self.world.network.cut(side.line)
        self.is_up, self.sides = False, {}
        self.exchange.close()

    def _spool(self) -> Spool:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return Spool(io.BytesIO())

    # What its user does.

    def _live(self, branch: str) -> Key:
        return Key(self.exchange.member, BranchKind.LIVE, branch.encode())

    def save(self, branch: str = "", merge: str = "") -> None:
        """Take a snapshot of a worktree; with `merge`, one that has a teammate's branch in it."""
        name = self.exchange.member + branch
        theirs = next((one for key, one in self.exchange.known.items() if key.branch == merge.encode()), None)
        parents = [self.store.references.get(name, self.base)]
        parents += [theirs.tip] if theirs is not None and not theirs.key.aside else []
        tip = self.store.commit(parents, f"{self.label} {self.world.number()}" + "x" * self.chance.choice((0, 0, 400)))
        self.store.references[name] = tip
        self._publish(self._live(name), tip)

    def land(self) -> None:
        """Land the branch on main."""
        tip = self.store.references.get(self.exchange.member, self.base)
        landed = [one.tip for key, one in self.exchange.known.items() if key.kind is BranchKind.LANDED]
        self.base = self.store.commit([*landed[-1:], tip], f"landed by {self.label} {self.world.number()}")
        self._publish(Key(self.exchange.member, BranchKind.LANDED, b"main"), self.base, self.base)

    def remove(self, name: str, *, with_invited: bool, restore: bool) -> None:
        """Remove a member, if that may be."""
        before = dict(self.roster.members)
        try:
            said = self.roster.remove(self.identity, name, self.now, with_invited=with_invited, restore=restore)
        except BoughError as failure:
            self.world.tell(f"{self.label} cannot remove {name}: {failure.message}")
            return
        self._said(said, before)

    def leave(self) -> None:
        """Leave the team."""
        before = dict(self.roster.members)
        try:
            said = self.roster.leave(self.identity, self.now)
        except BoughError:
            return
        self._said([said], before)

    def _said(self, removals: list[Removal], before: dict[str, Admission]) -> None:
        self.world.oracle.removed(self, removals)
        self.team.save_roster()
        jobs = self.exchange.review(before)
        self.exchange.spread([], [], removals=removals)
        self.do([Learned(removals=tuple(removals)), *jobs])

    def admitted(self, entry: Admission) -> None:
        """Tell everyone of somebody who was let in here."""
        self.team.save_roster()
        self.exchange.spread([entry], [])
        self._call_everyone()

    def purge(self, ids: Iterable[str]) -> None:
        """Ask the team to purge some contents."""
        heard = self.exchange.hear_purges([Purge.of(ids, self.roster.team, self.identity, self.now)], [])
        self.team.save_purges(self.exchange.purges)
        self.do(heard)
        self._answer_purges()

    def move(self, address: str) -> None:
        """Be found elsewhere from now on."""
        self.address = address
        for side in list(self.sides.values()):
            self.world.network.cut(side.line)
        self._say_where_if_news()

    # What it tells.

    def _publish(self, key: Key, tip: str, base: str = "") -> None:
        last = self.exchange.known.get(key)
        if last is None or last.tip != tip:
            self._tell(key, tip, base or self.base)

    def _publish_all(self) -> None:
        for branch, tip in list(self.store.references.items()):
            self._publish(self._live(branch), tip)

    def _publish_again(self, key: Key) -> None:
        mine = self.exchange.known.get(key)
        if mine is not None:
            self._tell(key, mine.tip, mine.base)

    def _tell(self, key: Key, tip: str, base: str) -> None:
        if self.doubled or self.exchange.is_out:
            return
        last = self.exchange.known.get(key)
        number = max(self.team.sequences.get(key, 0), last.sequence if last is not None else 0) + 1
        state = State(self.roster.team, key, number, tip, base, self.now).signed(self.identity)
        self.team.sequences[key] = number
        self._save_states(state)
        self.world.oracle.signed(self, state)
        if self.dies_after_writing:
            self.dies_after_writing = False
            self.world.tell(f"{self.label} dies with {key.branch.decode()} #{number} written down and not told")
            self.world.crash(self)
            return
        self.do(self.exchange.publish(state))

    def _say_where_if_news(self) -> None:
        known = self.roster.contacts.get(self.identity.key)
        if not self.exchange.is_out and (known is None or known.addresses != (self.address,)):
            self._say_where()

    def _say_where(self) -> None:
        contact = self.roster.announce(self.identity, (self.address,), self.now)
        self.team.save_roster()
        self.exchange.spread([], [contact])

    def _answer_purges(self) -> None:
        for purge in self.exchange.purges.open_for(self.identity.key) if not self.exchange.is_out else ():
            answer = PurgeAnswer(purge.digest, self.identity.key, PurgeOutcome.DONE, self.now)
            self.do(self.exchange.hear_purges([], [answer.signed(self.roster.team, self.identity)]))

    def _save_states(self, *new: State) -> None:
        states = {state.key: state for state in [*self.exchange.known.values(), *new]}
        self.team.save_states(states.values())
        self.team.save_purges(self.exchange.purges)

    def _save_soon(self) -> None:
        def save() -> None:
            self._save_is_due = False
            self._save_states()

        if not self._save_is_due:
            self._save_is_due = True
            self.later(self.chance.uniform(0, 60), save)

    # Conversations.

    def find_everyone(self) -> None:
        """Call members where they really are, as they are found on a local network."""
        for there in self.world.machines:
            names = [name for name, entry in self.roster.members.items() if entry.key == there.identity.key]
            for name in names if not self.exchange.is_out else ():
                if name not in self.sides and self._finds(name, there):
                    self._meet(name, there, self.incarnation)

    def _call_everyone(self) -> None:
        for name in self.roster.members if not self.exchange.is_out else ():
            if name != self.exchange.member:
                self._pauses[name] = Pause(FIRST_PAUSE, LONGEST_PAUSE, STEADY)
                self._call_in(name, 1.0)

    def _call_in(self, name: str, delay: float) -> None:
        token = self._tokens[name] = self._tokens.get(name, 0) + 1

        def call() -> None:
            if self._tokens[name] == token and name not in self.sides and not self._call(name):
                self._call_again(name, 0.0)

        self.later(delay, call)

    def _call_again(self, name: str, lasted: float) -> None:
        if name in self._pauses and name in self.roster.members and not self.exchange.is_out:
            pause = 1000 * self._pauses[name].after(lasted / 1000)
            self._call_in(name, pause * self.chance.uniform(0.5, 1.0))

    def _call(self, name: str) -> bool:
        """Call a member at each known address; return whether somebody answers there, or there is nobody to call."""
        if name not in self.roster.members or self.exchange.is_out:
            return True
        for address in self.roster.addresses(name):
            there = self.world.network.where.get(address)
            if there is not None and self._finds(name, there):
                self.world.agenda.after(self.chance.uniform(2, 150), partial(self._meet, name, there, self.incarnation))
                return True
        return False

    def _finds(self, name: str, there: Machine) -> bool:
        expected = self.roster.members.get(name)
        return (
            self.is_up
            and there is not self
            and self.world.network.reaches(self, there)
            and expected is not None
            and expected.certificate == there.identity.certificate
        )

    def _meet(self, name: str, there: Machine, incarnation: int) -> None:
        """Begin a conversation with a machine that was called, if both sides will have it."""
        if incarnation != self.incarnation or not self.is_up or name in self.sides:
            return
        caller = there.roster.caller(self.identity.certificate) if self._finds(name, there) else None
        if caller is None or self.exchange.is_out:
            self.turn(lambda: self._call_again(name, 0.0))
            return
        turned_away = there.exchange.is_out or there.roster.by_key(caller.key) is None
        if not turned_away and not there.makes_way(caller.name, caller.name):
            self.turn(lambda: self._call_again(name, 0.0))
            return
        line, me, now = self.world.network.new_line(self, there), self.exchange.member, self.world.agenda.now
        line.sides = [
            Side(line, self, name, there.identity.key, me, now),
            Side(line, there, caller.name, caller.key, caller.name, now, stranger=turned_away),
        ]
        if not turned_away and self.chance.random() < 0.8:  # the others run a Bough that has one stream only
            for side in line.sides:
                side.packs = Lane()
        self.world.tell(f"{self.label} calls {there.label}" + (", who turns them away" if turned_away else ""))
        self.turn(lambda: self._begin(line.sides[0]))
        there.turn(lambda: there._begin(line.sides[1]))

    def makes_way(self, member: str, caller: str) -> bool:
        """End a conversation that is not preferred to one that a caller begins; return whether it may begin."""
        old = self.sides.get(member)
        if old is None:
            return True
        crossed = self.world.agenda.now - old.began < CROSSING
        if crossed and old.caller != caller and caller != min(member, self.exchange.member):
            return False
        self.world.network.cut(old.line)
        self.over(old)
        return True

    def _begin(self, side: Side) -> None:
        if side.stranger:
            self.world.write(side, self.exchange.notice_for(side.key))
            self.later(1000 * PARTING_SECONDS, partial(self.world.network.cut, side.line))
            return
        self.sides[side.peer] = side
        # Without who reaches whom: what is said of that does not end yet where some have lost each other.
        self.do(self.exchange.connected(side.peer, carried_apart=side.packs is not None))

    def over(self, side: Side) -> None:
        """See that a conversation is over."""
        if not side.is_open:
            return
        side.is_open = False
        if self.sides.get(side.peer) is side:
            self.turn(lambda: self._end(side))

    def _end(self, side: Side) -> None:
        del self.sides[side.peer]
        self.do(self.exchange.disconnected(side.peer))
        self._call_again(side.peer, self.world.agenda.now - side.began)

    def hear(self, side: Side, word: Message, apart: bool) -> None:
        """Take in what came over a connection; `apart`: on its stream for packs."""
        self.world.tell_word(side, word)
        side.heard += 1
        if side.stranger:
            self.turn(lambda: self._hear_stranger(side, word))
        elif self.sides.get(side.peer) is side:
            self.turn(lambda: self._hear(side, word, apart))

    def _hear(self, side: Side, word: Message, apart: bool) -> None:
        if isinstance(word, Delivered):
            self.exchange.hear_delivered(side.peer, word, self.world.agenda.now / 1000)
        hear = self.exchange.hear_apart if apart else self.exchange.hear
        self.do(hear(side.peer, word, self.now))

    def _hear_stranger(self, side: Side, word: Message) -> None:
        if isinstance(word, Gossip):
            self.do(self.exchange.hear_former(side.key, word, self.now))
        if side.heard >= PARTING_WORDS or self._are_both_in(side.key):
            self.world.network.cut(side.line)

    def _are_both_in(self, key: bytes) -> bool:
        return not self.exchange.is_out and self.roster.by_key(key) is not None

    # Jobs.

    def do(self, jobs: Iterable[Job]) -> None:
        """Set about jobs, as the product's shell does."""
        for job in jobs:
            match job:
                case Learned():
                    self._learned(job)
                case PurgesHeard():
                    self._save_soon()
                    self.later(50, self._answer_purges)
                case Behind(state):
                    self._number_above(state)
                    self.later(1, partial(self._publish_again, state.key))
                case LandedElsewhere(state):
                    self._number_above(state)
                case Signed(peer, state):
                    self.later(1, partial(self._look_for, peer, state))
                case Doubled(time):
                    self._seen_elsewhere(time)
                case AskAgain(key):
                    self._again(job, partial(self.exchange.retry, key))
                case OfferAgain(peer, key):
                    self._again(job, partial(self.exchange.offer_again, peer, key))
                case MakePack() | FindHaves() | TakePack():
                    self.later(self.chance.uniform(1, 40), partial(self._perform, job))
                case Confirmed() | Declined() | TicketsHeard() | TalkHeard() | PausesHeard():
                    pass
                case _:
                    assert_never(job)

    def _number_above(self, state: State) -> None:
        self._seen_elsewhere(state.time)
        self.team.sequences[state.key] = max(state.sequence, self.team.sequences.get(state.key, 0))

    def _again(self, job: Job, again: Callable[[], list[Job]]) -> None:
        def do_again() -> None:
            self._due.discard(job)
            self.do(again())

        if job not in self._due:
            self._due.add(job)
            self.later(AGAIN, do_again)

    def _look_for(self, peer: str, state: State) -> None:
        if state.tip not in self.store.commits:
            self.do(self.exchange.keep_aside(peer, state))

    def _learned(self, news: Learned) -> None:
        self.team.save_roster()
        for name, side in self.sides.items():
            if not self._are_both_in(side.key) and name in self.exchange.links and not self.exchange.is_parting(name):
                self.exchange.part(name, side.key)
        self._call_everyone()
        if self._was_out != self.exchange.is_out:
            self._was_out = self.exchange.is_out
            self.world.tell(f"{self.label} is {'out of' if self._was_out else 'again in'} the team")
            self._say_where_if_news()
            self._publish_all()

    def _seen_elsewhere(self, time: int) -> None:
        if not self.doubled and time <= self._began:
            self._say_where_if_news()
        elif not self.doubled:
            self.world.tell(f"{self.label} sees that another machine is {self.exchange.member}, too")
            self.doubled = True
            self._say_where()

    def _perform(self, job: MakePack | FindHaves | TakePack) -> None:
        if self.chance.random() < self.world.mishaps:
            # As where a child of the product fails in a way that nobody foresaw.
            self.do(self.exchange.abandon(job))
            if job.peer in self.sides:
                self.world.network.cut(self.sides[job.peer].line)
            return
        match job:
            case MakePack():
                made = self._make(job)
                self.do(self.exchange.pack_made(job, made))
                if made is None and job.asked is not None:
                    self.do([OfferAgain(job.peer, job.state.key)])
            case FindHaves():
                haves = tuple(oid for oid in self.exchange.shared() if oid in self.store.commits)
                self.do(self.exchange.ask(job, haves, ()))
            case TakePack():
                self.do(self.exchange.pack_taken(job, self._take(job)))

    def _make(self, job: MakePack) -> tuple[Spool, str] | None:
        if self.chance.random() < self.world.mishaps:
            return None
        said = job.asked.haves if job.asked is not None else ()
        since = (job.since.tip, job.since.base) if job.since is not None else ()
        tips = (job.state.tip, job.state.base)
        if self.spoils_packs:
            data = self.world.hostile.spoilt_pack(self.store, tips)
        elif self.store.lacking(tips):
            return None
        else:
            data = self.store.pack(tips, (*since, *said))
        return Spool(io.BytesIO(data)), self.world.name_of_pack(data)

    def _take(self, job: TakePack) -> NotTaken | None:
        state, branch = job.state, job.state.key.branch_name
        if state.key.member not in self.roster.members:
            return NotTaken(f"{state.key.member} is not in the team")
        if state.key.kind is BranchKind.LIVE and branch in self.store.references:
            return NotTaken(f"{branch} is one of this repository's own branches")
        if self.is_full or self.chance.random() < self.world.mishaps:
            self.do([AskAgain(state.key)])
            return NotTaken("the disk is full", for_now=True)
        before = self.exchange.known.get(state.key)
        refusal = self.store.take(job.spool.read(0, job.spool.size), (state.tip, state.base))
        if refusal is not None:
            return NotTaken(refusal)
        left = before if before is not None and before.key.kind is BranchKind.LIVE else None
        if left is not None and left.tip not in self.store.reached([state.tip]):
            for key in self.exchange.crowding(state.key.member):
                self.exchange.let_go(key)
            self._save_states(left.as_aside(), state)
            self.do(self.exchange.left_behind(left))
        else:
            self._save_states(state)
        return None
