"""Convert messages between daemons to Protobuf and back, and errors to status codes and back."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import grpc
from bough_proto.v1 import peer_pb2 as pb

from bough_daemon.budgets import LONGEST_KEY_BYTES, LONGEST_WORD, MOST_ADMISSIONS, MOST_BUNDLED, MOST_HAVES
from bough_daemon.errors import BadName, BadTicket, BoughError, NameTaken, NotPossibleNow, PeerRefused, PeerUnreachable
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.sync.messages import (
    Announce,
    Chunk,
    Delivered,
    Gossip,
    Held,
    Hello,
    Message,
    Reach,
    Refused,
    Route,
    SharingPauses,
    TalkPositions,
    TalkWords,
    Want,
    release,
)
from bough_daemon.talk.entries import DIGEST_BYTES, TalkEntry
from bough_daemon.talk.logs import MOST_POSITIONS
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.invites import MOST_DEPUTIES, Invite, TicketUse
from bough_daemon.team.pauses import MemberPause
from bough_daemon.team.purges import Purge, PurgeAnswer, PurgeOutcome
from bough_daemon.team.receipts import Receipt
from bough_daemon.team.roster import Admission, Contact
from bough_daemon.team.vouches import Vouch

CODES: dict[type[BoughError], grpc.StatusCode] = {
    BadTicket: grpc.StatusCode.UNAUTHENTICATED,
    NameTaken: grpc.StatusCode.ALREADY_EXISTS,
    BadName: grpc.StatusCode.INVALID_ARGUMENT,
    NotPossibleNow: grpc.StatusCode.FAILED_PRECONDITION,
    PeerRefused: grpc.StatusCode.PERMISSION_DENIED,
    PeerUnreachable: grpc.StatusCode.UNAVAILABLE,
}
KINDS = {BranchKind.LIVE: pb.STATE_KIND_LIVE, BranchKind.LANDED: pb.STATE_KIND_LANDED}

OUTCOMES = {
    PurgeOutcome.DONE: pb.PURGE_OUTCOME_DONE,
    PurgeOutcome.ASKED: pb.PURGE_OUTCOME_ASKED,
    PurgeOutcome.WAITS: pb.PURGE_OUTCOME_WAITS,
    PurgeOutcome.IN_GIT: pb.PURGE_OUTCOME_IN_GIT,
}


def code_of(failure: BoughError) -> grpc.StatusCode:
    """Return the status code for an error, whose message is sent as the details."""
    return next((CODES[kind] for kind in type(failure).__mro__ if kind in CODES), grpc.StatusCode.INTERNAL)


def error_of(failure: grpc.RpcError) -> BoughError:
    """Return the error of a failed call."""
    code = failure.code() if isinstance(failure, grpc.aio.AioRpcError) else None
    details = failure.details() if isinstance(failure, grpc.aio.AioRpcError) else None
    kind = next((kind for kind, sent in CODES.items() if sent is code), PeerUnreachable)
    return kind(details or f"the peer did not answer ({code})")


def admission_message(entry: Admission) -> pb.Admission:
    """Return the message of an admission."""
    return pb.Admission(
        name=entry.name,
        key=entry.key,
        certificate=entry.certificate,
        vouch=entry.vouch,
        admitter=entry.admitter,
        time_ms=entry.time,
        nonce=entry.nonce,
        signature=entry.signature,
    )


def admission(message: pb.Admission) -> Admission:
    """Return the admission in a message; the roster checks whether it is valid."""
    return Admission(
        message.name,
        message.key,
        message.certificate,
        message.vouch,
        message.admitter,
        message.time_ms,
        message.nonce,
        message.signature,
    )


def contact_message(entry: Contact) -> pb.Contact:
    """Return the message of a member's addresses."""
    return pb.Contact(key=entry.key, addresses=entry.addresses, time_ms=entry.time, signature=entry.signature)


def contact(message: pb.Contact) -> Contact:
    """Return the addresses in a message; the roster checks who said so."""
    return Contact(message.key, tuple(message.addresses), message.time_ms, message.signature)


def gossip_message(word: Gossip) -> pb.Gossip:
    """Return the message with what is known of the team."""
    contacts = [contact_message(entry) for entry in word.contacts]
    removals = [
        pb.Removal(
            key=entry.key,
            remover=entry.remover,
            time_ms=entry.time,
            keeps=entry.keeps,
            upholds=entry.upholds,
            signature=entry.signature,
        )
        for entry in word.removals
    ]
    admissions = [admission_message(entry) for entry in word.admissions]
    said = pb.Gossip(admissions=admissions, contacts=contacts, removals=removals)
    for purge in word.purges:
        said.purges.add(by=purge.by, contents=purge.contents, time_ms=purge.time, signature=purge.signature)
    for one in word.purge_answers:
        outcome = OUTCOMES[one.outcome]
        said.purge_answers.add(purge=one.purge, by=one.by, outcome=outcome, time_ms=one.time, signature=one.signature)
    said.invites.extend(map(_invite_message, word.invites))
    for use in word.ticket_uses:
        who = {"ticket": use.ticket, "key": use.key, "admitter": use.admitter}
        said.ticket_uses.add(**who, time_ms=use.time, signature=use.signature)
    for vouch in word.vouches:
        keys = {"old": vouch.old, "new": vouch.new, "by": vouch.by}
        said.vouches.add(**keys, time_ms=vouch.time, signature=vouch.signature)
    return said


def _invite_message(invite: Invite) -> pb.Invite:
    return pb.Invite(
        key=invite.key,
        maker=invite.maker,
        time_ms=invite.time,
        expires_ms=invite.expires,
        uses=invite.uses,
        revoked_ms=invite.revoked,
        deputies=invite.deputies,
        claim=invite.claim,
        signature=invite.signature,
    )


def _invite(message: pb.Invite) -> Invite:
    return Invite(
        message.key,
        message.maker,
        message.time_ms,
        message.expires_ms,
        message.uses,
        message.revoked_ms,
        tuple(islice(message.deputies, MOST_DEPUTIES + 1)),  # one too many is refused
        message.claim,
        message.signature,
    )


def gossip(message: pb.Gossip) -> Gossip:
    """Return what a message says about the team."""
    contacts = map(contact, message.contacts)
    removals = (
        Removal(entry.key, entry.remover, entry.time_ms, tuple(entry.keeps), tuple(entry.upholds), entry.signature)
        for entry in message.removals
    )
    purges = (Purge(entry.by, entry.contents, entry.time_ms, entry.signature) for entry in message.purges)
    known = {number: outcome for outcome, number in OUTCOMES.items()}
    answers = (
        PurgeAnswer(entry.purge, entry.by, known[entry.outcome], entry.time_ms, entry.signature)
        for entry in message.purge_answers
        if entry.outcome in known
    )
    admissions = tuple(admission(entry) for entry in message.admissions)
    uses = (TicketUse(one.ticket, one.key, one.admitter, one.time_ms, one.signature) for one in message.ticket_uses)
    invites = tuple(map(_invite, message.invites))
    vouches = tuple(Vouch(one.old, one.new, one.by, one.time_ms, one.signature) for one in message.vouches)
    about_tickets = invites, tuple(uses)
    return Gossip(admissions, tuple(contacts), tuple(removals), tuple(purges), tuple(answers), *about_tickets, vouches)


def _key_message(key: Key) -> pb.StateKey:
    return pb.StateKey(member=key.member, kind=KINDS[key.kind], branch=key.branch, aside=key.aside)


def _key(message: pb.StateKey) -> Key:
    kind = next((kind for kind, number in KINDS.items() if number == message.kind), None)
    if kind is None:
        raise PeerRefused("the peer sent a kind of state that this Bough does not know")
    if max(len(message.member), len(message.branch), len(message.aside)) > LONGEST_KEY_BYTES:
        raise PeerRefused("the peer sent a branch name that is too long")
    return Key(message.member, kind, message.branch, message.aside)


def _state_message(state: State) -> pb.State:
    return pb.State(
        team=state.team,
        key=_key_message(state.key),
        sequence=state.sequence,
        tip=state.tip,
        base=state.base,
        time_ms=state.time,
        signature=state.signature,
    )


def _state(message: pb.State) -> State:
    key = _key(message.key)
    return State(message.team, key, message.sequence, message.tip, message.base, message.time_ms, message.signature)


def _commits(named: Iterable[str]) -> tuple[str, ...]:
    """Return the commits that a peer names, without invalid ones and those beyond the useful number."""
    return tuple(oid for oid in islice(named, MOST_HAVES) if OBJECT_ID.fullmatch(oid))


def _talk_message(entry: TalkEntry) -> pb.TalkEntry:
    return pb.TalkEntry(
        by=entry.by,
        sequence=entry.sequence,
        before=entry.before,
        time_ms=entry.time,
        content=entry.content,
        signature=entry.signature,
    )


def _talk_entry(message: pb.TalkEntry) -> TalkEntry:
    return TalkEntry(message.by, message.sequence, message.before, message.time_ms, message.content, message.signature)


def word_message(word: Message) -> pb.Word:
    """Return the Protobuf message for a word."""
    match word:
        case Hello(team, version, bough, relays, port, talks, hub, apart, bundles):
            hello = pb.Hello(team=team, version=version, bough=bough, relays=relays, join_port=port)
            hello.talks, hello.hub, hello.carried_apart, hello.bundles = talks, hub, apart, bundles
            return pb.Word(hello=hello)
        case Gossip():
            return pb.Word(gossip=gossip_message(word))
        case Announce(state):
            return pb.Word(announce=pb.Announce(state=_state_message(state)))
        case Held(key, sequence):
            return pb.Word(held=pb.Held(key=_key_message(key), sequence=sequence))
        case Refused(key, sequence, reason, for_now):
            refused = pb.Refused(key=_key_message(key), sequence=sequence, reason=reason, for_now=for_now)
            return pb.Word(refused=refused)
        case Want(key, sequence, haves, shallow, pack, offset):
            want = pb.Want(key=_key_message(key), sequence=sequence, haves=haves, shallow=shallow)
            want.pack, want.offset = pack, offset
            return pb.Word(want=want)
        case Chunk(state, pack, offset, total, data):
            chunk = pb.Chunk(state=_state_message(state), pack=pack, offset=offset, total=total, data=data)
            return pb.Word(chunk=chunk)
        case Delivered(count):
            return pb.Word(delivered=pb.Delivered(bytes=count))
        case Reach(reached, lost):
            ways = [pb.Way(member=name, steps=way.steps, conversation=way.conversation) for name, way in reached]
            return pb.Word(reach=pb.Reach(reached=ways, lost=lost))
        case Receipt(by, key, sequence, tip, refusal, signature):
            receipt = pb.Receipt(by=by, key=_key_message(key), sequence=sequence, tip=tip)
            receipt.refused, receipt.signature = refusal, signature
            return pb.Word(receipt=receipt)
        case TalkPositions(digests):
            return pb.Word(talk_positions=pb.TalkPositions(digests=digests))
        case TalkWords(entries):
            return pb.Word(talk_words=pb.TalkWords(entries=map(_talk_message, entries)))
        case SharingPauses(pauses):
            parts = (
                pb.SharingPause(by=one.by, since_ms=one.since, time_ms=one.time, signature=one.signature)
                for one in pauses
            )
            return pb.Word(sharing_pauses=pb.SharingPauses(pauses=parts))


def words(message: pb.ConverseRequest | pb.ConverseResponse | pb.CarryRequest | pb.CarryResponse) -> list[Message]:
    """Return the words in one message of a stream; raise PeerRefused if one, or their number, is out of bounds."""
    if len(message.more) > MOST_BUNDLED:
        raise PeerRefused("the peer sent too many words in one message")
    return [word(one) for one in (message.word, *message.more)]


def word(message: pb.Word) -> Message:
    """Return the word in a message; raise PeerRefused if it is out of bounds."""
    match message.WhichOneof("kind"):
        case "hello":
            hello = message.hello
            port = hello.join_port if hello.join_port < 65536 else 0
            team, bough = hello.team[:LONGEST_WORD], release(hello.bough)
            of_streams = hello.carried_apart, hello.bundles
            return Hello(team, hello.version, bough, hello.relays, port, hello.talks, hello.hub, *of_streams)
        case "gossip":
            said = message.gossip
            asked = max(len(said.purges), len(said.purge_answers), len(said.invites), len(said.ticket_uses))
            who = max(len(said.admissions), len(said.contacts), len(said.removals), len(said.vouches))
            if max(who, asked) > MOST_ADMISSIONS:
                raise PeerRefused("the peer sent too many team records in one message")
            return gossip(message.gossip)
        case "announce":
            return Announce(_state(message.announce.state))
        case "held":
            return Held(_key(message.held.key), message.held.sequence)
        case "refused":
            refused = message.refused
            return Refused(_key(refused.key), refused.sequence, refused.reason[:LONGEST_WORD], refused.for_now)
        case "want":
            want = message.want
            named, shallow = _commits(want.haves), _commits(want.shallow)
            return Want(_key(want.key), want.sequence, named, shallow, want.pack[:LONGEST_WORD], want.offset)
        case "chunk":
            chunk = message.chunk
            return Chunk(_state(chunk.state), chunk.pack[:LONGEST_WORD], chunk.offset, chunk.total, chunk.data)
        case "delivered":
            return Delivered(message.delivered.bytes)
        case "reach":
            reach = message.reach
            if max(len(reach.reached), len(reach.lost)) > MOST_ADMISSIONS:
                raise PeerRefused("the peer sent too many names in one message")
            ways = tuple((way.member, Route(way.steps, way.conversation)) for way in reach.reached)
            return Reach(ways, tuple(reach.lost))
        case "receipt":
            receipt = message.receipt
            texts = receipt.tip[:LONGEST_WORD], receipt.refused[:LONGEST_WORD]
            return Receipt(receipt.by, _key(receipt.key), receipt.sequence, *texts, receipt.signature)
        case "talk_positions":
            known = (digest for digest in message.talk_positions.digests if len(digest) == DIGEST_BYTES)
            return TalkPositions(tuple(islice(known, MOST_POSITIONS)))
        case "talk_words":
            if len(message.talk_words.entries) > MOST_ADMISSIONS:
                raise PeerRefused("the peer sent too many comments in one message")
            return TalkWords(tuple(map(_talk_entry, message.talk_words.entries)))
        case "sharing_pauses":
            parts = message.sharing_pauses.pauses
            if len(parts) > MOST_ADMISSIONS:
                raise PeerRefused("the peer sent too many pauses in one message")
            return SharingPauses(tuple(MemberPause(one.by, one.since_ms, one.time_ms, one.signature) for one in parts))
        case _:
            return Gossip()  # from a newer Bough: it means nothing here
