"""What members sign: admissions, removals, contacts and states; certificates and tickets."""

from __future__ import annotations

import base64
import random
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from bough_daemon.errors import BadTicket, BadUsage, BoughError, PeerRefused
from bough_daemon.sync import wire
from bough_daemon.sync.joining import join_request, take_ticket
from bough_daemon.sync.messages import Gossip
from bough_daemon.system.addresses import split_address
from bough_daemon.team.branch_state import BranchKind, Key, State, check_state
from bough_daemon.team.departures import Removal
from bough_daemon.team.identity import (
    LARGEST_CERTIFICATE_BYTES,
    VOUCHED,
    Identity,
    certificate_is_vouched,
    fingerprint,
    pem_of,
)
from bough_daemon.team.invites import VALID_MS, Invite, Invites, TicketUse
from bough_daemon.team.roster import SETTLED_MS, Admission, Contact, Roster
from bough_daemon.team.team_files import Team, now_ms
from bough_daemon.team.tickets import DIGITS, PREFIX, Ticket, TicketAnswerer, _check, key_of
from bough_proto.v1 import peer_pb2 as pb
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.daemon.team.test_roster import NOW, admit, copy_of, someone
from tests.fuzz.target import NUMBERS, Drawn, Trial, target
from tests.fuzz.words import BYTES, COMMITS, NAMES

PEOPLE = ("alice", "bob", "carol", "mallory", "stranger", "other")
MEMBERS = PEOPLE[:4]
ADDRESSES = ["127.0.0.1:1", "[::1]:99999", "x", "", "a" * 300, "host:00001", "[::]:0", "1.2.3.4:5\n", "é:1"]


@cache
def _team() -> Roster:
    founded = Roster.found(someone("alice"), "alice", NOW)
    for name in MEMBERS[1:]:
        admit(founded, "alice", name)
    return founded


class _Member:
    """Draw what anybody may sign, and sign it as anybody of whom there is a key."""

    def __init__(self, drawn: Drawn) -> None:
        self._drawn = drawn
        self._pick = drawn.choice

    def _who(self) -> Identity:
        return someone(self._pick(PEOPLE))

    def _time(self) -> int:
        return self._pick([NOW, NOW + 1, NOW - SETTLED_MS, *NUMBERS])

    def _bytes(self, right: bytes) -> bytes:
        if self._drawn.random() < 0.8:
            return right
        return self._pick([*BYTES, right[:-1], right + b"\0", self._drawn.take(32)])

    def admission(self) -> Admission:
        """Return an admission of somebody under some name."""
        who, by = self._who(), self._who()
        name = self._pick([*PEOPLE, "alice+x", "bob+desk", "mallory+agent", *NAMES])
        key, certificate, vouch = self._bytes(who.key), self._bytes(who.certificate), self._bytes(who.vouch)
        plain = Admission(name, key, certificate, vouch, self._bytes(by.key), self._time(), self._bytes(b""))
        return replace(plain, signature=self._bytes(by.sign(plain.statement(_team().team))))

    def removal(self) -> Removal:
        """Return a removal of somebody."""
        who, by = self._who(), self._who()
        keeps, upholds = (
            tuple(self._bytes(someone(one).key) for one in PEOPLE if self._drawn.random() < 0.2) for _ in range(2)
        )
        plain = Removal(self._bytes(who.key), self._bytes(by.key), self._time(), keeps, upholds)
        return replace(plain, signature=self._bytes(by.sign(plain.statement(_team().team))))

    def invite(self) -> Invite:
        """Return a member's word of a ticket."""
        maker, by, secret = self._who(), self._who(), bytes([self._drawn.randrange(3)]) * 16
        uses, valid = self._pick([1, 2, *NUMBERS[:5]]), self._pick([VALID_MS, *NUMBERS])
        deputies = tuple(self._bytes(someone(one).key) for one in PEOPLE if self._drawn.random() < 0.2)
        made = Invite.made(secret, _team().team, maker, self._time(), valid, uses, deputies)
        made = replace(made, expires=min(made.expires, NUMBERS[-1]))
        said = replace(made, revoked=self._pick([0, 0, *NUMBERS]), key=self._bytes(made.key), maker=self._bytes(by.key))
        return replace(said, signature=self._bytes(by.sign(said.statement(_team().team))))

    def use(self) -> TicketUse:
        """Return a member's word that somebody came in with a ticket."""
        who, by, ticket = self._who(), self._who(), key_of(bytes([self._drawn.randrange(3)]) * 16)
        plain = TicketUse(self._bytes(ticket), self._bytes(who.key), self._bytes(by.key), self._time())
        return replace(plain, signature=self._bytes(by.sign(plain.statement(_team().team))))

    def contact(self) -> Contact:
        """Return a contact."""
        by = self._who()
        addresses = tuple(self._pick(ADDRESSES) for _ in range(self._pick([0, 1, 3, 20])))
        plain = Contact(self._bytes(by.key), addresses, self._time())
        return replace(plain, signature=self._bytes(by.sign(plain.statement(_team().team))))

    def state(self) -> State:
        """Return a state of a branch."""
        name = self._pick([*MEMBERS, *NAMES])
        branch = self._pick([name.encode(), b"alice+x", b"a..b", b"a b", "ü".encode(), b"x.lock", self._drawn.take(4)])
        key = Key(name, self._pick(list(BranchKind)), branch)
        commits = ["1" * 40, "2" * 40, *COMMITS]
        number, time = self._pick([1, 2, *NUMBERS]), self._pick([NOW, *NUMBERS])
        plain = State(self._pick([_team().team, ""]), key, number, self._pick(commits), self._pick(commits), time)
        by = someone(name) if name in PEOPLE else self._who()
        return replace(plain, signature=self._bytes(by.sign(plain.statement())))


def _through_wire(said: Gossip) -> Gossip:
    return wire.gossip(pb.Gossip.FromString(wire.gossip_message(said).SerializeToString()))


@target(short=150)
def admissions(folder: Path) -> Iterator[Trial]:
    """Merge gossip: nobody is displaced, and what is written down is read again as it was."""
    home = folder / "team"
    home.mkdir()

    def attempt(data: bytes) -> None:
        drawn = Drawn(data)
        roster, member = copy_of(_team()), _Member(drawn)
        keys = {entry.name: entry.key for entry in roster.members.values()}
        for number in range(40):
            made = [member.admission() for _ in range(drawn.randrange(4))]
            contacts, removals = [member.contact()] * drawn.randrange(2), [member.removal()] * drawn.randrange(2)
            said, now = _through_wire(Gossip(tuple(made), tuple(contacts), tuple(removals))), NOW + 2 * SETTLED_MS
            roster.merge(said.admissions, said.contacts, now + number)
            roster.merge_removals(said.removals, now + number)
            if drawn.is_used_up:
                break
        for entry in [*roster.members.values(), *roster.former.values()]:
            assert keys.get(entry.name, entry.key) == entry.key, f"{entry.name} was displaced"
            assert certificate_is_vouched(entry.key, entry.certificate, entry.vouch)
        if drawn.take(1)[0] & 1:
            Team(str(home), roster, "").save_roster()
            again = Team.load(str(home)).roster
            assert (again.members, again.former) == (roster.members, roster.former)

    yield Trial(attempt, [random.Random(seed).randbytes(600) for seed in range(8)])


@target(short=150)
def invites(folder: Path) -> Iterator[Trial]:
    """Merge what is told of tickets: nobody but the maker says anything of one, and what is kept is bounded."""

    def attempt(data: bytes) -> None:
        drawn, known = Drawn(data), Invites()
        member, roster = _Member(drawn), _team()
        for _ in range(30):
            made, uses = [member.invite()] * drawn.randrange(2), [member.use()] * drawn.randrange(2)
            said = _through_wire(Gossip(invites=tuple(made), ticket_uses=tuple(uses)))
            before = known
            known, new, used = known.with_heard(roster, said.invites, said.ticket_uses, NOW)
            assert len(known.made) >= len(before.made) and len(known.uses) == len(before.uses) + len(used)
            assert all(roster.by_key(one.maker) is not None for one in new)
            assert all(
                replace(known.made[key], revoked=0, signature=b"") == replace(one, revoked=0, signature=b"")
                for key, one in before.made.items()
            )
            if drawn.is_used_up:
                break
        Team(str(folder), roster, "", known).save_roster()
        assert Team.load(str(folder)).invites == known

    yield Trial(attempt, [random.Random(seed).randbytes(600) for seed in range(8)])


@target(PeerRefused)
def states(folder: Path) -> Iterator[Trial]:
    """Hold the state of a branch against a team."""
    roster = copy_of(_team())

    def attempt(data: bytes) -> None:
        state = _Member(Drawn(data)).state()
        message = pb.State.FromString(wire._state_message(state).SerializeToString())
        check_state(wire._state(message), roster)

    yield Trial(attempt, [bytes(8), *(random.Random(seed).randbytes(60) for seed in range(8))])


def _signed_again(identity: Identity, body: bytes) -> bytes:
    """Return a certificate with another body, signed with the TLS key that the first one is of."""
    key = serialization.load_pem_private_key(identity.tls_key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(body, ec.ECDSA(hashes.SHA256()))
    rest = body + bytes.fromhex("300a06082a8648ce3d040302") + bytes([3, len(signature) + 1, 0]) + signature
    return b"\x30\x82" + len(rest).to_bytes(2, "big") + rest


class NotVouched(Exception):
    """A certificate is not taken."""


@target(NotVouched, short=150)
def certificates(folder: Path) -> Iterator[Trial]:
    """Look at certificates for which their maker vouches: what is taken, every parser takes."""
    identity = someone("mallory")
    body = x509.load_der_x509_certificate(identity.certificate).tbs_certificate_bytes

    def attempt(data: bytes) -> None:
        certificate = _signed_again(identity, data[1:]) if data[:1] == b"\1" and len(data) < 60_000 else data[1:]
        if not certificate_is_vouched(identity.key, certificate, identity.sign(VOUCHED + certificate)):
            raise NotVouched
        assert len(certificate) <= LARGEST_CERTIFICATE_BYTES
        assert x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.DER) == certificate
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem_of(certificate).decode())

    yield Trial(attempt, [b"\0" + identity.certificate, b"\1" + body])


@target(short=100)
def join_requests(folder: Path) -> Iterator[Trial]:
    """Take requests of joiners: of a ticket for two, two come in at most, and only those to whom its holder gave it."""
    tickets = [Ticket(_team().team, bytes(32), bytes([number] * 16), ("127.0.0.1:1",)) for number in range(3)]
    alice = someone("alice")

    def attempt(data: bytes) -> None:
        drawn = Drawn(data)
        team, pick = Team(str(folder), copy_of(_team()), ""), drawn.choice
        for ticket, uses in zip(tickets, (1, 2), strict=False):  # nobody has made the third
            made = Invite.made(ticket.secret, ticket.team, alice, now_ms(), VALID_MS, uses, ())
            team.invites = team.invites.with_new(made, now_ms())
        member = _Member(drawn)
        for _ in range(12):
            who = someone(pick(("stranger", "other", "third", "mallory")))
            request = join_request(pick(tickets), pick(["zoe", "bob", "alice+x", *NAMES]), who)
            if drawn.random() < 0.3:
                request.name, request.key = pick(["zoe", "ann"]), pick([*BYTES, someone("other").key])
            if drawn.random() < 0.2:
                request.ticket, request.proof = pick([*BYTES, tickets[0].key]), pick([*BYTES, request.proof])
            if drawn.random() < 0.2:
                request.admission.CopyFrom(wire.admission_message(member.admission()))
            asked = pb.JoinRequest.FromString(request.SerializeToString())
            with suppress(BoughError):
                take_ticket(team, alice, asked, (b"carol",))
        used = Counter(use.ticket for use in team.invites.uses.values())
        assert used[tickets[0].key] <= 1 and used[tickets[1].key] <= 2 and not used[tickets[2].key]
        assert len(team.roster.admissions) <= len(_team().admissions) + used.total()

    yield Trial(attempt, [random.Random(seed).randbytes(200) for seed in range(8)])


def _written(body: bytes) -> str:
    """Return a ticket whose check is right."""
    number, digits = int.from_bytes(body + _check(body), "big"), ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return PREFIX + digits


@target(BadTicket, BadUsage)
def tickets(folder: Path) -> Iterator[Trial]:
    """Read tickets, and the addresses that they name."""
    secret = bytes(16)
    deputy = TicketAnswerer(bytes(32), ("[::1]:2",))
    right = Ticket("1" * 32, fingerprint(b""), secret, ("127.0.0.1:80", "[::1]:1"), 1_800_000_000, (deputy,))
    body = bytes([2]) + bytes.fromhex(right.team) + right.fingerprint + secret + bytes(5)
    body += b"\1" + deputy.packed() + b"127.0.0.1:80,[::1]:1"

    def attempt(data: bytes) -> None:
        text = _written(data[1:]) if data[:1] == b"\1" else data[1:].decode(errors="replace")
        ticket = Ticket.parse(text)
        for address in ticket.addresses:
            split_address(address)
        assert Ticket.parse(str(ticket)) == ticket

    yield Trial(attempt, [b"\0" + str(right).encode(), b"\1" + body], [base64.b64encode(secret), b",", b"bough"])
