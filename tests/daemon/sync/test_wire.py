"""Words cross the wire unchanged, and errors keep their kind."""

from __future__ import annotations

import grpc
import pytest
from bough_daemon.budgets import MOST_BUNDLED
from bough_daemon.errors import BadTicket, BoughError, NameTaken, PeerRefused, PeerUnreachable
from bough_daemon.sync import wire
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
)
from bough_daemon.talk.entries import TalkEntry
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.pauses import MemberPause
from bough_daemon.team.receipts import Receipt
from bough_daemon.team.roster import Admission, Contact
from bough_daemon.team.vouches import Vouch
from bough_proto.v1 import peer_pb2 as pb

KEY = Key("alice", BranchKind.LANDED, b"f\xfcr/main")
STATE = State("ab" * 16, KEY, 7, "1" * 40, "2" * 40, 1_800_000_000_000, b"s")
WORDS: list[Message] = [
    Hello("ab" * 16),
    Hello("ab" * 16, bough="1.2.3rc1+local"),
    Gossip(vouches=(Vouch(b"o", b"n", b"b", 5, b"s"),)),
    Gossip((Admission("bob", b"k", b"c", b"v", b"a", 5, b"n", b"s"),), (Contact(b"k", ("h:1", "h:2"), 6, b"s"),)),
    Announce(STATE),
    Held(KEY, 7),
    Refused(KEY, 7, "because"),
    Refused(KEY, 7, "the disk is full", for_now=True),
    Want(KEY, 7, ("3" * 40,), ("4" * 40,), "pack", 12),
    Chunk(STATE, "pack", 3, 10, b"\0data"),
    Hello("ab" * 16, relays=True),
    Hello("ab" * 16, talks=True),
    Hello("ab" * 16, hub=True),
    Reach((("bob", Route(1, 7)), ("carol", Route(2, 2**32 - 1))), ("dave",)),
    Receipt(b"k", KEY, 7, "1" * 40, "because", b"s"),
    TalkPositions((bytes(32), b"1" * 32)),
    TalkWords((TalkEntry(b"key", 2, bytes(32), 5, b"{}", b"signature"),)),
    SharingPauses((MemberPause(b"k" * 32, 1_800_000_000_000, 1, b"s"), MemberPause(b"l" * 32, 0, 2, b"t"))),
    Delivered(1 << 40),
]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: type(word).__name__)
def test_a_word_crosses_the_wire_unchanged(word: Message) -> None:
    message = pb.Word.FromString(wire.word_message(word).SerializeToString())
    assert wire.word(message) == word


@pytest.mark.parametrize(
    "message",
    [
        pb.Word(held=pb.Held(key=pb.StateKey(member="alice"))),
        pb.Word(talk_words=pb.TalkWords(entries=[pb.TalkEntry()] * 501)),
    ],
)
def test_what_is_out_of_bounds_is_refused(message: pb.Word) -> None:
    with pytest.raises(PeerRefused):
        wire.word(message)


def test_a_word_of_a_newer_bough_says_nothing() -> None:
    unknown = bytes([0xFA, 0x3F, 2, 8, 1])  # a field of the number 1023, which has a message
    assert wire.word(pb.Word.FromString(unknown)) == Gossip()


@pytest.mark.parametrize("failure", [BadTicket("x"), NameTaken("x"), PeerRefused("x"), PeerUnreachable("x")])
def test_an_error_keeps_its_kind_and_its_sentence(failure: BoughError) -> None:
    metadata = grpc.aio.Metadata()
    sent = grpc.aio.AioRpcError(wire.code_of(failure), metadata, metadata, failure.message)
    back = wire.error_of(sent)
    assert (type(back), back.message) == (type(failure), "x")


def test_an_error_that_has_no_code_of_its_own_is_an_internal_one() -> None:
    assert wire.code_of(BoughError("x")) is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("said", ["1" * 33, "1.0\n", "\x1b[31m", "v1", "1.0 é", "٣.1"])
def test_a_release_that_is_none_is_left_out(said: str) -> None:
    message = wire.word_message(Hello("ab" * 16, bough=said))
    assert wire.word(message) == Hello("ab" * 16)


def test_several_words_cross_in_one_message_and_too_many_are_refused() -> None:
    said = [word for word in WORDS if not isinstance(word, Hello)]
    first, *more = map(wire.word_message, said)
    message = pb.ConverseRequest(word=first, more=more)
    assert wire.words(pb.ConverseRequest.FromString(message.SerializeToString())) == said
    with pytest.raises(PeerRefused, match="too many words"):
        wire.words(pb.ConverseRequest(word=first, more=[first] * (MOST_BUNDLED + 1)))
